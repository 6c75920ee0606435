"""The loop thread: one event loop in a background thread for each root client, held for the client's life.

No logic of the service is here. A call is a coroutine function that is run on the loop with the async client; whatever
it raises reaches the caller, even ``SystemExit``, and never the loop. Timeouts live in the core.
"""

import asyncio
import atexit
import inspect
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, Final, Self, TypeVar, cast

import attrs
from anyio.from_thread import BlockingPortal, start_blocking_portal

import musicapi_async
from musicapi_async.errors import ClientClosedError
from musicapi_sync._call import Call

__all__ = ["LoopThread", "View"]

T = TypeVar("T")


class LoopThread:
    """The event loop of a root client and its views; it starts with the first call."""

    def __init__(self, settings: musicapi_async.Settings) -> None:
        self._settings = settings
        self._closed = False
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._loop: _Loop | None = None
        self._calls: set[Call[Any]] = set()

    def call(
        self,
        function: Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]],
        what_lives_on: Callable[[T | None], str | None] = lambda _: None,
    ) -> T:
        """Run a coroutine function on the loop and return its result.

        When the call is interrupted (Ctrl-C, or a callback that raises) it is cancelled, but not while its paid request
        is unanswered; ``what_lives_on`` says in a sentence what goes on at the service: a note on the exception.
        """
        if self._loop is not None and threading.get_ident() == self._loop.thread:
            raise RuntimeError("a blocking call from the client's own loop thread would wait for itself for ever")
        _warn_of_running_loop()
        call = Call(function)
        loop = self._enter(call)
        try:
            _start_call(loop, call)
            call.drain()
        except BaseException as interruption:
            try:
                _interrupt(loop, call)
            except BaseException as again:
                # Interrupted twice: nobody waits for the answer any more, so the log must have it.
                call.orphan(what_lives_on)
                again.add_note("the call may have been accepted and paid for: what comes of it will be in the log")
                raise
            for note in (what_lives_on(call.result), *call.notes()):
                if note:
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
            # Taken away: the system gives a dead thread's number to new ones.
            loop, self._loop = self._loop, None
        if loop is None:
            return
        _running.discard(self)
        try:
            loop.portal.call(loop.client.aclose)
            for call in tuple(self._calls):
                loop.portal.start_task_soon(call.cancel)
        finally:
            loop.stack.close()

    def forget(self) -> None:
        """After a fork, in the child: the thread is gone; keep its remains untouched and start anew when needed."""
        _remains.append((self._loop, self._calls))
        self._reset()

    @property
    def is_running(self) -> bool:
        """True between the first call and the closing."""
        return self._loop is not None

    def _enter(self, call: Call[Any]) -> "_Loop":
        with self._lock:
            if self._closed:
                raise ClientClosedError
            if self._loop is None:
                self._loop = _start_loop(self._settings)
                _running.add(self)
            self._calls.add(call)
            return self._loop


@attrs.frozen
class _Loop:
    """A running loop thread: the way into it, its client, its number, and what ends it."""

    portal: BlockingPortal
    client: musicapi_async.MusicAPI
    thread: int
    stack: ExitStack

    @classmethod
    def open(cls, settings: musicapi_async.Settings) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio", name="musicapi-loop"))
            # Built inside the loop, so that nothing in it belongs to another one.
            client = portal.call(_make_client, settings)
            return cls(portal, client, portal.call(threading.get_ident), stack.pop_all())


def _start_loop(settings: musicapi_async.Settings) -> _Loop:
    """Start a loop thread from a thread of its own: a Ctrl-C here would hang or leak what is half begun."""
    started: Future[_Loop] = Future()

    def start() -> None:
        try:
            with _starting:
                started.set_result(_Loop.open(settings))
        except BaseException as error:  # noqa: BLE001 - raised to the caller
            started.set_exception(error)

    threading.Thread(target=start, name="musicapi-start", daemon=True).start()
    try:
        return started.result()
    except BaseException:
        started.add_done_callback(_end_loop)
        raise


def _end_loop(started: "Future[_Loop]") -> None:
    if started.exception() is None:
        started.result().stack.close()


def _interrupt(loop: _Loop, call: Call[Any]) -> None:
    try:
        loop.portal.start_task_soon(call.stop, loop.client)
        if not call.settle():
            loop.portal.start_task_soon(call.cancel)
            call.settle()
    except RuntimeError:  # the portal has stopped meanwhile, and the call with it
        return


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


def _start_call(loop: _Loop, call: Call[Any]) -> None:
    try:
        loop.portal.start_task_soon(call.run, loop.client)
    except RuntimeError:  # another thread has closed the client since
        raise ClientClosedError from None


async def _make_client(settings: musicapi_async.Settings) -> musicapi_async.MusicAPI:
    return musicapi_async.MusicAPI(**attrs.asdict(settings, recurse=False))


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
# Also those that are just being started by another thread when this one forks.
_all: "Final[weakref.WeakSet[LoopThread]]" = weakref.WeakSet()
# Held by whoever starts a loop, and by whoever forks: modules are imported on the way, and a child that was forked in
# the middle of an import would wait for it for ever.
_starting: Final = threading.RLock()
# What a forked child inherited: never to be finalised, since its sockets are the parent's.
_remains: Final[list[object]] = []


def _close_all() -> None:
    for thread in tuple(_running):
        thread.close()


def _forget_all() -> None:
    _starting.release()
    for thread in tuple(_all):
        thread.forget()
    _running.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_forget_all)
