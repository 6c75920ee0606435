"""Shielding of work from its caller's cancellation: once, repeatedly (asyncio), or at every await (anyio)."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TypeVar

__all__ = ["ShieldedTask", "cancel_task", "complete", "wait_shielded"]

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
        await asyncio.wait((task,))
    except asyncio.CancelledError as cancellation:
        on_cancel()
        with _anyio_shield():
            while not task.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait((task,))
        return cancellation
    return None


def _anyio_shield() -> AbstractContextManager[object]:
    """Return a scope that shields from anyio's cancellation, which is raised again at each await."""
    # Where anyio was never imported there is no scope to be shielded from, and importing it takes a while.
    if "anyio" not in sys.modules:
        return nullcontext()
    from anyio import CancelScope  # noqa: PLC0415

    return CancelScope(shield=True)
