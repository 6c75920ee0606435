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
from typing import Any, Final, TypeVar, cast

import musicapi_async
from musicapi_async._engine import engine_of
from musicapi_async.errors import ClientClosedError, EventLoopError
from musicapi_sync._call import Call
from musicapi_sync._loop import Loop, end_loop, end_run, interrupt, is_starting_thread, start_call, start_loop, starting
from musicapi_sync._telling import not_delivered, note, show_without_log, still_running, tell

__all__ = ["LoopThread", "View"]

T = TypeVar("T")

CLOSED_WITHIN: Final = 10.0
"""Seconds after which a closing client is taken for closed: whoever closes it may have been interrupted."""


class LoopThread:
    """The event loop of a root client and its views; it starts with the first call."""

    def __init__(self, settings: musicapi_async.Settings) -> None:
        self._settings = settings
        self._closer: int | None = None
        """The thread that closes, or has closed, the client."""
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        # A signal handler, or a finalizer, may call in the middle of a call of the same thread. What waits does not
        # hold it.
        self._lock = threading.RLock()
        self._loop: Loop | None = None
        self._starting: Future[Loop] | None = None
        self._calls: set[Call[Any]] = set()
        self._leavers: dict[Callable[[], str | None], Callable[[], Awaitable[None]] | None] = {}
        self._has_closed = threading.Event()
        if self._closer is not None:
            self._has_closed.set()

    def call(
        self,
        function: Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]],
        what_lives_on: Callable[[T | None], str | None] = lambda _: None,
    ) -> T:
        """Run a coroutine function on the loop and return its result.

        When the call is interrupted (Ctrl-C, or a callback that raises) it is cancelled, but not while its paid request
        is unanswered; ``what_lives_on`` says in a sentence what goes on at the service: a note on the exception, and a
        warning in the log.
        """
        self._refuse_own_thread()
        _warn_of_running_loop()
        try:
            return self._call(Call(function), what_lives_on)
        except ClientClosedError:
            self._await_closing()
            raise

    def _call(self, call: Call[T], what_lives_on: Callable[[T | None], str | None]) -> T:
        loop = self._enter(call)
        try:
            start_call(loop, call)
            call.drain()
        except BaseException as interruption:
            try:
                interrupt(loop, call)
            except BaseException as again:
                # Interrupted twice: nobody waits for the answer any more, so the log must have it.
                call.orphan(what_lives_on)
                again.add_note("the call may have been accepted and paid for: what comes of it will be in the log")
                raise
            note(interruption, what_lives_on(call.result), *call.notes())
            raise
        finally:
            self._calls.discard(call)
        error, call.error = call.error, None
        if isinstance(error, asyncio.CancelledError):
            raise ClientClosedError from None
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback holds this frame: together they would stay until the garbage collector comes.
                del error
        return cast("T", call.result)  # without an error there is a result

    def close(self) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Close the client and end the thread; calls under way get ClientClosedError. May be called twice.

        Returns what is left at the service, all of it told already: sentences, and how each other paid task is resumed
        that is still running, by id.
        """
        self._refuse_own_thread()
        with self._lock:
            is_first = self._closer is None
            self._closer = self._closer or threading.get_ident()
        if not is_first:
            self._await_closing()
            return (), {}
        loop: Loop | None = None
        running: dict[str, str] = {}
        try:
            loop = self._started()
            if loop is not None:
                self._end(loop, running)
        finally:
            # The system gives a dead thread's number to new ones.
            self._loop = self._starting = None
            _running.discard(self)
            self._has_closed.set()
            left = tuple(filter(None, (leaver() for leaver in tuple(self._leavers))))
            self._leavers.clear()
            for sentence in left:
                tell(sentence)
            undelivered = {} if loop is None else engine_of(loop.client).undelivered
            if undelivered:
                sentence = not_delivered(tuple(undelivered.values()))
                # The log has them: the client has named them when it closed.
                show_without_log(sentence)
                left += (sentence,)
            told = "\n".join(left)
            running = {task_id: resumption for task_id, resumption in running.items() if task_id not in told}
            if running:
                show_without_log(still_running(tuple(running.values())))
        return left, running

    def _started(self) -> Loop | None:
        """Return the loop, if one was started; waits for one that is just starting."""
        if self._loop is not None or self._starting is None:
            return self._loop
        try:
            return self._starting.result()
        except Exception:  # noqa: BLE001 - raised to the call that needed it
            return None

    def _end(self, loop: Loop, running: dict[str, str]) -> None:
        try:
            running.update(loop.portal.call(engine_of(loop.client).close))
            for end in filter(None, tuple(self._leavers.values())):
                loop.portal.call(end)
            for call in tuple(self._calls):
                loop.events.call_soon_threadsafe(call.cancel)
        finally:
            loop.stack.close()
            for call in tuple(self._calls):
                # It came to the loop when that was ending, and was never begun.
                call.abandon()

    def add_leaver(
        self, what_is_left: Callable[[], str | None], end: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Have a sentence told when the client is closed, once ``end`` was awaited on the loop."""
        self._leavers[what_is_left] = end

    def discard_leaver(self, what_is_left: Callable[[], str | None]) -> None:
        """Forget what has nothing more to leave."""
        self._leavers.pop(what_is_left, None)

    def forget(self) -> None:
        """After a fork, in the child: the thread is gone; keep its remains untouched and start anew when needed."""
        _remains.append((self._loop, self._starting, self._calls, self._leavers))
        self._reset()

    @property
    def is_running(self) -> bool:
        """True between the first call and the closing."""
        return self._starting is not None and self._closer is None

    def _refuse_own_thread(self) -> None:
        loop, starting = self._loop, self._starting
        if loop is not None:
            is_own = threading.get_ident() == loop.thread
        else:
            # A finalizer may run in the thread that the start waits for.
            is_own = starting is not None and not starting.done() and is_starting_thread()
        if is_own:
            raise EventLoopError("a blocking call from the client's own loop thread would wait for itself forever")

    def _await_closing(self) -> None:
        """Return when nobody is closing the client: only then it is known what was paid for."""
        # A signal handler that runs while this thread closes the client must not wait for it.
        if self._closer is None or self._closer == threading.get_ident():
            return
        self._has_closed.wait(CLOSED_WITHIN)

    def _enter(self, call: Call[Any]) -> Loop:
        with self._lock:
            if self._closer is not None:
                raise ClientClosedError
            starting = self._starting
            if starting is None:
                starting = self._starting = start_loop(self._settings)
                _running.add(self)
            if self._is_closing():
                # By a signal handler, between these lines.
                starting.add_done_callback(end_loop)
                raise ClientClosedError
            self._calls.add(call)
        try:
            # Without the lock: a signal handler that runs meanwhile waits for the same start.
            loop = starting.result()
        except BaseException as error:
            self._calls.discard(call)
            if isinstance(error, Exception) and self._starting is starting:
                self._starting = None
            raise
        if self._closer is None:
            self._loop = loop
        return loop

    def _is_closing(self) -> bool:
        return self._closer is not None

    def end_run(self, run: musicapi_async.Run[Any]) -> None:
        """Have a run that was dropped end by itself, without waiting for it."""
        if self._loop is not None and self._closer is None:
            end_run(self._loop, run)


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
# What a forked child inherited: never to be finalised, since its sockets are the parent's.
_remains: Final[list[object]] = []


def _close_all() -> None:
    for thread in tuple(_running):
        thread.close()


def _forget_all() -> None:
    starting.release()
    for thread in tuple(_all):
        thread.forget()
    _running.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=starting.acquire, after_in_parent=starting.release, after_in_child=_forget_all)
