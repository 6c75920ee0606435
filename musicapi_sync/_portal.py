"""A thread that runs the event loop, and a call that runs on it and returns to the calling thread.

anyio's portal owns the thread and its end, runs the client's set-up and closing, and stops a call that is interrupted.
"""

import asyncio
import collections
import contextvars
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, ParamSpec, Self, TypeAlias, TypeVar, cast

import attrs

import musicapi_async
from musicapi_async._engine_access import engine_of
from musicapi_async.errors import ClientClosedError, UncertainSubmissionError
from musicapi_sync._notices import note, warn

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

__all__ = ["INTERRUPT_GRACE", "OWN_THREADS", "STARTING", "Call", "DescribePending", "RunningLoop", "start_lock"]

T = TypeVar("T")
P = ParamSpec("P")

DescribePending: TypeAlias = Callable[[T | None], str | None]
"""Function that returns a sentence on what an interrupted call leaves running, from its result if it has one."""

INTERRUPT_GRACE: Final = 5.0
"""Seconds for which an interrupted call waits for the response to a paid request, and as many to clean up."""
# On Windows a thread that waits without a limit does not notice Ctrl-C.
WAKE_INTERVAL: Final = 0.2 if sys.platform == "win32" else None

STARTING: Final = "musicapi-start"
RUNNING: Final = "musicapi-loop"
ENDING: Final = "musicapi-end"
OWN_THREADS: Final = frozenset({STARTING, RUNNING})
"""Names of the threads that start or run a loop: they must not wait for its start, which would never come."""

# Held while a loop starts, and while the process forks: starting imports modules, and a child that is forked during an
# import would wait for it forever.
start_lock: Final = threading.RLock()


class Call(Generic[T]):
    """One call that runs on the loop; its queue carries callbacks to the caller's thread."""

    def __init__(self, function: "Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]]") -> None:
        self.result: T | None = None
        self.error: BaseException | None = None
        self._function = function
        self._events: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._task: asyncio.Task[None] | None = None
        self._is_abandoned = False
        # The loop may be woken by another call: that of this one's thread is not the context it is started in.
        self._context = contextvars.copy_context()

    def start(self, client: musicapi_async.MusicAPI, calls: "set[Call[Any]]") -> None:
        """Start the call; on the loop. It is removed from ``calls`` when it ends."""
        if self._is_abandoned:
            calls.discard(self)
        else:
            self._task = asyncio.get_running_loop().create_task(self._run(client, calls), context=self._context)

    async def _run(self, client: musicapi_async.MusicAPI, calls: "set[Call[Any]]") -> None:
        try:
            self.result = await self._function(client, self)
        except BaseException as error:  # noqa: BLE001 - the loop must survive SystemExit; the caller gets it
            self.error = error
        finally:
            calls.discard(self)
            self._events.put(None)

    def run_in_caller_thread(self, callback: Callable[P, object]) -> Callable[P, None]:
        """Return a function for the loop that runs the callback in the caller's thread."""

        def enqueue(*args: P.args, **kwargs: P.kwargs) -> None:
            self._events.put(partial(callback, *args, **kwargs))

        return enqueue

    def process_events(self) -> None:
        """Run the call's callbacks in this thread until the call has ended."""
        wait = self._events.get
        while True:
            try:
                event = wait(True, WAKE_INTERVAL)
            except queue.Empty:
                continue
            if event is None:
                return
            event()

    def raise_error(self) -> NoReturn:
        """Raise the error of the ended call; one that was cancelled raises ClientClosedError."""
        error, self.error = self.error, None
        if error is None or isinstance(error, asyncio.CancelledError):
            raise ClientClosedError from None
        try:
            raise error
        finally:
            # Its traceback refers to this frame: the cycle would last until a garbage collection.
            del error

    def cancel(self, client: musicapi_async.MusicAPI) -> None:
        """Cancel the call; on the loop. The outcome of a paid request in flight is then unknown."""
        if self._task is not None:
            engine_of(client).abandon(self._task)
            self._task.cancel()

    async def stop(self, client: musicapi_async.MusicAPI) -> None:
        """Cancel the call and wait for its end; before, wait for the response to a paid request in flight."""
        from anyio import move_on_after  # noqa: PLC0415 - loaded with the first client

        if self._task is None:
            self._is_abandoned = True  # it may still wait for its start
            return
        with move_on_after(INTERRUPT_GRACE):
            await engine_of(client).wait_for_response(self._task)
        self.cancel(client)
        await asyncio.wait({self._task}, timeout=INTERRUPT_GRACE)

    def fail_unstarted(self) -> None:
        """Mark a call that never started as cancelled, because its loop has ended."""
        self.error = asyncio.CancelledError()
        self._events.put(None)

    def detach(self, describe_pending: DescribePending[T]) -> None:
        """Log the outcome of the call once it has ended, after its caller was interrupted; on the loop."""
        if self._task is None:
            self._is_abandoned = True
        else:
            self._task.add_done_callback(lambda _: self.log_end(describe_pending))

    def log_end(self, describe_pending: DescribePending[T]) -> None:
        """Log the tasks that the ended call leaves running."""
        for sentence in filter(None, (describe_pending(self.result), *self.notes())):
            warn(f"after an interruption: {sentence}")

    def notes(self) -> tuple[str, ...]:
        """Return the notes on payments in the error of an interrupted call."""
        if isinstance(self.error, UncertainSubmissionError):
            return (str(self.error),)
        return tuple(getattr(self.error, "__notes__", ()))


class _Starter:
    """Starts calls on the loop: one wake-up of the loop starts all calls that have come by then."""

    def __init__(self, client: musicapi_async.MusicAPI, native: asyncio.AbstractEventLoop) -> None:
        self.calls: set[Call[Any]] = set()
        """The calls that have not ended."""
        self._client = client
        self._native = native
        self._waiting: collections.deque[Call[Any]] = collections.deque()
        # Not a flag "the loop will wake": an interruption between setting it and waking the loop would leave it set,
        # and every later call waiting for ever. As it is, an interruption costs one more wake-up.
        self._turn = 0
        self._woken_in = -1

    def add(self, call: Call[Any]) -> None:
        """Have the loop start a call; raises RuntimeError when it is closed."""
        self.calls.add(call)
        self._waiting.append(call)
        turn = self._turn
        # In the turn of a wake-up its ``_start_all`` is still to come, and finds this call.
        if self._woken_in != turn:
            # Not through the portal, which adds twice as much CPU time (benchmarks/bench_facade.py measures both), and
            # which a SystemExit in the call's coroutine would end.
            self._native.call_soon_threadsafe(self._start_all)
            self._woken_in = turn

    def _start_all(self) -> None:
        self._turn += 1
        while self._waiting:
            self._waiting.popleft().start(self._client, self.calls)

    def fail_unstarted(self) -> None:
        """End the calls that the loop did not start before it was closed, and have later ones raise."""
        self._woken_in = -1
        for call in tuple(self.calls):
            call.fail_unstarted()


@attrs.frozen(eq=False)
class RunningLoop:
    """A running loop thread, its async client, and the calls in flight."""

    portal: "BlockingPortal"
    client: musicapi_async.MusicAPI
    thread: int
    _native: asyncio.AbstractEventLoop
    _starter: _Starter
    _ender: threading.Thread
    unfinished: dict[str, str] = attrs.field(factory=dict)
    """By id, the expressions that resume the paid tasks still running when the client closed."""
    has_closed: threading.Event = attrs.field(factory=threading.Event)
    """Set when the client has closed: only then ``unfinished`` is complete."""

    @classmethod
    def open(cls, settings: musicapi_async.Settings) -> Self:
        """Start a loop thread; its client is created inside the loop, so that it belongs to no other one."""
        from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 - loaded with the first client

        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio", name=RUNNING))
            set_up = portal.call(_set_up, settings)
            ender = threading.Thread(target=stack.pop_all().close, name=ENDING, daemon=True)
            client, thread, native = set_up
            return cls(portal, client, thread, native, _Starter(client, native), ender)

    def start(self, call: Call[Any]) -> None:
        """Start a call without waiting for it; raises ClientClosedError when the loop has ended."""
        try:
            self._starter.add(call)
        except RuntimeError:
            self._starter.calls.discard(call)
            raise ClientClosedError from None

    def run(self, call: Call[T], describe_pending: DescribePending[T]) -> T:
        """Run a call to its end, with its callbacks in this thread; if interrupted, stop it and report its tasks."""
        try:
            self.start(call)
            call.process_events()
            if call.error is None:
                return cast("T", call.result)
        except BaseException as interruption:
            self._stop(call, describe_pending)
            note(interruption, describe_pending(call.result), *call.notes())
            raise
        return call.raise_error()

    def _stop(self, call: Call[T], describe_pending: DescribePending[T]) -> None:
        try:
            # The portal has stopped when another thread closes the client, and the call with it.
            with suppress(RuntimeError):
                self.portal.call(call.stop, self.client)
        except BaseException as second:
            # Interrupted twice: no caller receives the response any more, so it must be logged.
            try:
                self._native.call_soon_threadsafe(call.detach, describe_pending)
            except RuntimeError:
                call.log_end(describe_pending)
            second.add_note("the call may have been accepted and paid for: its outcome will be in the log")
            raise

    def close(self, callbacks: Iterable[Callable[[], Awaitable[None]]] = ()) -> None:
        """Close the client, await the callbacks on the loop, cancel the calls that are left, and end the thread."""
        try:
            self.portal.call(self._close, tuple(callbacks))
        finally:
            # Also when interrupted: the portal ends once the closing has.
            self.end()
            self._starter.fail_unstarted()

    def end(self) -> None:
        """End the thread; may be called twice."""
        # From a thread of its own: an interruption between telling the portal to stop and waiting for it would have
        # anyio wait for ever.
        with suppress(RuntimeError):  # started before
            self._ender.start()
        self._ender.join()

    async def _close(self, callbacks: tuple[Callable[[], Awaitable[None]], ...]) -> None:
        self.unfinished.update(await engine_of(self.client).close())
        self.has_closed.set()
        for callback in callbacks:
            await callback()
        for call in tuple(self._starter.calls):
            call.cancel(self.client)


async def _set_up(
    settings: musicapi_async.Settings,
) -> tuple[musicapi_async.MusicAPI, int, asyncio.AbstractEventLoop]:
    client = musicapi_async.MusicAPI(**attrs.asdict(settings, recurse=False))
    return client, threading.get_ident(), asyncio.get_running_loop()
