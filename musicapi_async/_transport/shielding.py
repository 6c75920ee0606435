"""Work that is completed although its caller is cancelled: once, repeatedly (asyncio), or at every await (anyio)."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TypeVar

__all__ = ["ShieldedTask", "cancel_task", "complete", "outlast"]

T = TypeVar("T")


class ShieldedTask(asyncio.Task[T]):
    """A task that ``cancel()`` does not end; ``cancel_task`` does.

    Event loops that shut down, and applications that do, cancel every task they find. What runs here ends by itself
    within a time limit of its own.
    """

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - the signature of a task
        """Refuse the cancellation: return False, as a task that is done does."""
        return False


def cancel_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task, also a shielded one."""
    asyncio.Task.cancel(task)


async def complete(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a task of its own, and return its result.

    Raises CancelledError at that end when the caller was cancelled meanwhile; a note names the error of the work, if it
    had one.
    """
    task: ShieldedTask[T] = ShieldedTask(work, loop=asyncio.get_running_loop())
    cancellation = await outlast(task)
    if cancellation is None:
        return task.result()
    if not task.cancelled() and (error := task.exception()) is not None:
        cancellation.add_note(f"meanwhile: {error!r}")
    raise cancellation


async def outlast(
    task: asyncio.Future[Any], on_cancel: Callable[[], object] = lambda: None
) -> asyncio.CancelledError | None:
    """Wait until a task is done, and return the first cancellation of the caller meanwhile, or None.

    ``on_cancel`` is called when it comes. Later ones are ignored: the caller is expected to raise the first.
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
    """Return a scope in which anyio's cancellation, which would come again at each await, waits."""
    # Where anyio was never imported there is no scope to be shielded from, and importing it takes a while.
    if "anyio" not in sys.modules:
        return nullcontext()
    from anyio import CancelScope  # noqa: PLC0415

    return CancelScope(shield=True)
