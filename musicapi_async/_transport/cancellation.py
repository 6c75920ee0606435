"""Cancellation: work that is shielded from its caller's, and calls that end when their client is closed.

A caller may be cancelled once, repeatedly (asyncio), or at every await (anyio).
"""

import asyncio
import sys
from collections.abc import Callable, Container, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TypeVar

from musicapi_async.errors import ClientClosedError

__all__ = ["ActiveCalls", "ShieldedTask", "cancel_task", "complete", "wait_shielded"]

T = TypeVar("T")


class ShieldedTask(asyncio.Task[T]):
    """A task that only ``cancel_task`` cancels; its ``cancel()`` does nothing.

    Event loops and applications cancel every task they find when they shut down. The work in a shielded task ends by
    itself, within its own time limit.
    """

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - the signature of a task
        """Refuse the cancellation: return False, as a task that is done does."""
        return False


def cancel_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task, even a shielded one."""
    asyncio.Task.cancel(task)


async def complete(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a shielded task, and return its result.

    Raises CancelledError at that end when the caller was cancelled meanwhile; a note names the error of the work, if it
    had one.
    """
    task: ShieldedTask[T] = ShieldedTask(work, loop=asyncio.get_running_loop())
    cancellation = await wait_shielded(task)
    if cancellation is None:
        return task.result()
    if not task.cancelled() and (error := task.exception()) is not None:
        cancellation.add_note(f"meanwhile: {error!r}")
    raise cancellation


async def wait_shielded(
    task: asyncio.Future[Any], on_cancel: Callable[[], object] = lambda: None
) -> asyncio.CancelledError | None:
    """Wait until a task is done, and return the first cancellation of the caller meanwhile, or None.

    ``on_cancel`` is called for the first one; later ones are ignored. The caller must raise the returned exception.
    """
    try:
        await _end_of(task)
    except asyncio.CancelledError as cancellation:
        on_cancel()
        with _anyio_shield():
            while not task.done():
                with suppress(asyncio.CancelledError):
                    await _end_of(task)
        return cancellation
    return None


async def _end_of(task: asyncio.Future[Any]) -> None:
    """Wait until a task is done, and neither cancel it nor raise its error; asyncio.wait does much more for it."""
    if task.done():
        return
    waiter = asyncio.get_running_loop().create_future()

    def wake(_: object) -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


def _anyio_shield() -> AbstractContextManager[object]:
    """Return a scope that shields from anyio's cancellation, which is raised again at each await."""
    # Where anyio was never imported there is no scope to be shielded from, and importing it takes a while.
    if "anyio" not in sys.modules:
        return nullcontext()
    from anyio import CancelScope  # noqa: PLC0415

    return CancelScope(shield=True)


class ActiveCalls:
    """The calls in progress, by the asyncio tasks that await them."""

    def __init__(self) -> None:
        self._callers: dict[asyncio.Task[Any], int] = {}
        """How often each task had been cancelled before its call."""
        self._is_closing = False

    async def track(
        self, calling: Coroutine[Any, Any, T], closed_error: Callable[[], ClientClosedError] = ClientClosedError
    ) -> T:
        """Await a call, and register it so that closing can end it.

        Raises ``closed_error`` when the client is closed, also during the call.
        """
        if self._is_closing:
            calling.close()
            raise closed_error()
        caller = asyncio.current_task()
        assert caller is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        before = self._callers[caller] = caller.cancelling()
        try:
            return await calling
        except asyncio.CancelledError:
            # It was cancelled by the closing, or by its caller, perhaps at the same moment.
            if caller in self._callers or caller.uncancel() > before:
                raise
            raise closed_error() from None
        finally:
            self._callers.pop(caller, None)

    def refuse(self) -> None:
        """Refuse further calls: the client is closing."""
        self._is_closing = True

    def end(self, in_flight: Container[asyncio.Task[Any]]) -> None:
        """Cancel the calls that wait for a retry, for a slot, or for the response to a read.

        A submission ``in_flight`` is not cancelled: it becomes uncertain when its socket is closed.
        """
        for caller, before in tuple(self._callers.items()):
            if caller not in in_flight and caller.cancelling() == before:
                del self._callers[caller]
                caller.cancel()
