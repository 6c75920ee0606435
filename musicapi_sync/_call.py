"""One call on its way through the loop thread, and back to the thread that made it."""

import asyncio
import queue
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Final, Generic, ParamSpec, TypeVar

import musicapi_async
from musicapi_async._engine import engine_of
from musicapi_async.errors import UncertainSubmissionError
from musicapi_sync._telling import tell

__all__ = ["LOOK_UP", "SETTLE", "Call"]

T = TypeVar("T")
P = ParamSpec("P")

Event = Callable[[], None]

SETTLE: Final = 5.0
"""Seconds that an interrupted call may take to clean up."""
# On Windows a blocked thread does not notice Ctrl-C; it looks up this often.
LOOK_UP: Final = 0.2 if sys.platform == "win32" else None


class Call(Generic[T]):
    """One call on its way through the loop; events for the caller's thread come out of its queue."""

    def __init__(self, function: "Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]]") -> None:
        self.result: T | None = None
        self.error: BaseException | None = None
        self._function = function
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._runner: asyncio.Task[None] | None = None
        self._client: musicapi_async.MusicAPI | None = None
        self._has_ended = threading.Event()
        self._what_lives_on: Callable[[T | None], str | None] | None = None

    def start(self, client: musicapi_async.MusicAPI, under_way: "set[asyncio.Task[None]]") -> None:
        """Begin; on the loop, which keeps what is under way: its caller may leave."""
        self._client = client
        self._runner = asyncio.get_running_loop().create_task(self._run(client))
        under_way.add(self._runner)
        self._runner.add_done_callback(under_way.discard)

    async def _run(self, client: musicapi_async.MusicAPI) -> None:
        try:
            self.result = await self._function(client, self)
        except BaseException as error:  # noqa: BLE001 - the loop must survive SystemExit; the caller gets it
            self.error = error
        finally:
            self._has_ended.set()
            self._tell_the_log()
            self._events.put(None)

    def abandon(self) -> None:
        """End a call whose loop has ended without it."""
        if not self._has_ended.is_set():
            self.error = asyncio.CancelledError()
            self._events.put(None)

    def cancel(self) -> None:
        """Cancel the call; on the loop. A paid request that is still in flight is uncertain then."""
        if self._runner is not None and self._client is not None:
            engine_of(self._client).abandon(self._runner)
            self._runner.cancel()

    async def stop(self, client: musicapi_async.MusicAPI) -> None:
        """Cancel the call, but not while its paid request is in the air: the answer names what was paid for."""
        if self._runner is not None:
            await engine_of(client).wait_for_response(self._runner)
        self.cancel()

    def orphan(self, what_lives_on: Callable[[T | None], str | None]) -> None:
        """Have the log told what comes of the call: its caller has left."""
        self._what_lives_on = what_lives_on
        if self._has_ended.is_set():
            self._tell_the_log()

    def _tell_the_log(self) -> None:
        if self._what_lives_on is not None:
            for note in (self._what_lives_on(self.result), *self.notes()):
                if note:
                    tell(f"after an interruption: {note}")

    def ferry(self, callback: Callable[P, object]) -> Callable[P, None]:
        """Make a function for the loop that has the callback run in the caller's thread."""

        def ferried(*args: P.args, **kwargs: P.kwargs) -> None:
            self._events.put(lambda: (callback(*args, **kwargs), None)[1])

        return ferried

    def drain(self) -> None:
        """Run the call's events in this thread until the call has ended."""
        while True:
            try:
                event = self._events.get(timeout=LOOK_UP)
            except queue.Empty:
                continue
            if event is None:
                return
            event()

    def settle(self) -> bool:
        """Give a call that is being stopped a moment to end, without running its events; tell whether it has."""
        # Not by its queue: the interruption may have come just after the last event was taken out.
        return self._has_ended.wait(SETTLE)

    def notes(self) -> tuple[str, ...]:
        """Return what the end of an interrupted call tells of money."""
        if isinstance(self.error, UncertainSubmissionError):
            return (str(self.error),)
        return tuple(getattr(self.error, "__notes__", ()))
