"""The loop thread: one event loop in a background thread for each root client, held for the client's life.

No logic of the service is here. A call is a coroutine function that is run on the loop with the async client; whatever
it raises reaches the caller, even ``SystemExit``, and never the loop. Timeouts live in the core.
"""

import asyncio
import atexit
import inspect
import os
import queue
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final, Generic, ParamSpec, TypeVar, cast

import attrs
from anyio import CancelScope
from anyio.from_thread import BlockingPortal, start_blocking_portal

import musicapi_async
from musicapi_async.errors import ClientClosedError

__all__ = ["Call", "LoopThread", "View"]

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
        self._scope: CancelScope | None = None
        self._is_cancelled = False

    async def run(self, client: musicapi_async.MusicAPI) -> None:
        """Run on the loop; never raises."""
        try:
            with CancelScope() as self._scope:
                if self._is_cancelled:
                    self._scope.cancel()
                self.error = asyncio.CancelledError()
                self.result = await self._function(client, self)
                self.error = None
        except BaseException as error:  # noqa: BLE001 - the loop must survive SystemExit; the caller gets it
            self.error = error
        finally:
            self._events.put(None)

    def cancel(self) -> None:
        """Cancel the call; on the loop."""
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()

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

    def settle(self) -> None:
        """Give a cancelled call a moment to end, without running its events."""
        try:
            while self._events.get(timeout=SETTLE) is not None:
                pass
        except queue.Empty:
            pass


class LoopThread:
    """The event loop of a root client and its views; it starts with the first call."""

    def __init__(self, settings: musicapi_async.Settings) -> None:
        self._settings = settings
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._client: musicapi_async.MusicAPI | None = None
        self._thread: int | None = None
        self._calls: set[Call[Any]] = set()

    def call(
        self,
        function: Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]],
        what_lives_on: Callable[[T | None], str | None] = lambda _: None,
    ) -> T:
        """Run a coroutine function on the loop and return its result.

        When the call is interrupted (Ctrl-C, or a callback that raises) it is cancelled, and ``what_lives_on`` says in
        a sentence what goes on at the service; the sentence becomes a note on the exception.
        """
        if threading.get_ident() == self._thread:
            raise RuntimeError("a blocking call from the client's own loop thread would wait for itself for ever")
        _warn_of_running_loop()
        call = Call(function)
        portal, client = self._enter(call)
        try:
            _start_call(portal, call, client)
            call.drain()
        except BaseException as interruption:
            self._interrupt(portal, call)
            if note := what_lives_on(call.result):
                interruption.add_note(note)
            raise
        finally:
            self._calls.discard(call)
        if isinstance(call.error, asyncio.CancelledError):
            raise ClientClosedError from None
        if call.error is not None:
            raise call.error
        return cast("T", call.result)  # without an error there is a result

    def close(self) -> None:
        """Close the client and end the thread; calls under way get ClientClosedError. May be called twice."""
        with self._lock:
            self._closed = True
            portal, client, stack = self._portal, self._client, self._stack
            self._portal = None
        if portal is None or client is None:
            return
        _running.discard(self)
        try:
            portal.call(client.aclose)
            for call in tuple(self._calls):
                portal.start_task_soon(call.cancel)
        finally:
            stack.close()
            # The system gives a dead thread's number to new ones.
            self._thread = None

    def forget(self) -> None:
        """After a fork, in the child: the thread is gone; keep its remains untouched and start anew when needed."""
        _remains.append((self._stack, self._portal, self._client, self._calls))
        self._reset()

    @property
    def is_running(self) -> bool:
        """True between the first call and the closing."""
        return self._portal is not None

    def _enter(self, call: Call[Any]) -> tuple[BlockingPortal, musicapi_async.MusicAPI]:
        with self._lock:
            if self._closed:
                raise ClientClosedError
            if self._portal is None or self._client is None:
                self._start()
            assert self._portal is not None  # noqa: S101 - for the type checker: just started
            assert self._client is not None  # noqa: S101
            self._calls.add(call)
            return self._portal, self._client

    def _start(self) -> None:
        self._portal = self._stack.enter_context(start_blocking_portal("asyncio", name="musicapi-loop"))
        self._thread = self._portal.call(threading.get_ident)
        # Built inside the loop, so that nothing in it belongs to another one.
        self._client = self._portal.call(_make_client, self._settings)
        _running.add(self)

    def _interrupt(self, portal: BlockingPortal, call: Call[Any]) -> None:
        try:
            portal.start_task_soon(call.cancel)
        except RuntimeError:  # the portal has stopped meanwhile, and the call with it
            return
        call.settle()


class View:
    """A client's way onto the loop: the loop thread, and the options by which this client differs from the root's."""

    def __init__(self, loop: LoopThread, options: Mapping[str, Any]) -> None:
        self.loop = loop
        self.options = options
        self.client: musicapi_async.MusicAPI | None = None
        """The async client of the last call."""
        self._root: musicapi_async.MusicAPI | None = None

    def call(
        self,
        function: Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]],
        what_lives_on: Callable[[T | None], str | None] = lambda _: None,
    ) -> T:
        """Run a coroutine function on the loop with this view's async client; see ``LoopThread.call``."""
        return self.loop.call(lambda root, call: function(self._client_of(root), call), what_lives_on)

    def _client_of(self, root: musicapi_async.MusicAPI) -> musicapi_async.MusicAPI:
        # After a fork there is another root.
        if self.client is None or self._root is not root:
            self._root = root
            self.client = root.with_options(**self.options) if self.options else root
        return self.client


def _start_call(portal: BlockingPortal, call: Call[Any], client: musicapi_async.MusicAPI) -> None:
    try:
        portal.start_task_soon(call.run, client)
    except RuntimeError:  # another thread has closed the client since
        raise ClientClosedError from None


async def _make_client(settings: musicapi_async.Settings) -> musicapi_async.MusicAPI:
    return musicapi_async.MusicAPI(**attrs.asdict(settings))


def _warn_of_running_loop() -> None:
    """Warn of a blocking call in a coroutine; notebooks run their cells inside a loop, and there it is fine."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    interactive = sys.modules.get("IPython")
    if interactive is not None and interactive.get_ipython() is not None:
        return
    warnings.warn(
        "a blocking call of musicapi_sync stops the running event loop: use musicapi_async with await here",
        RuntimeWarning,
        stacklevel=_frames_to_the_user(),
    )


def _frames_to_the_user() -> int:
    """Return the stack level of the first caller outside this package, seen from who asks."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(__package__):
        level, frame = level + 1, frame.f_back
    return level - 1


_running: Final[set[LoopThread]] = set()
# What a forked child inherited: never to be finalised, since its sockets are the parent's.
_remains: Final[list[object]] = []


def _close_all() -> None:
    for thread in tuple(_running):
        thread.close()


def _forget_all() -> None:
    for thread in tuple(_running):
        thread.forget()
    _running.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
