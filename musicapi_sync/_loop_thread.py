"""The loop thread: one event loop in a background thread for each root client, held for the client's life.

It contains no logic of the service. A call is a coroutine function that runs on the loop with the async client; its
exceptions reach the caller, even ``SystemExit``, and never the loop. The core enforces timeouts.
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
from contextlib import suppress
from typing import Any, Final, TypeVar

import musicapi_async
from musicapi_async._engine_access import engine_of
from musicapi_async._notices import describe_tasks, warn_without_log
from musicapi_async.errors import ClientClosedError, EventLoopError
from musicapi_sync._notices import NOT_DELIVERED, warn
from musicapi_sync._portal import OWN_THREADS, STARTING, Call, DescribePending, RunningLoop, start_lock

__all__ = ["LoopThread", "View"]

T = TypeVar("T")

START_CHECK: Final = 0.05
"""Seconds between checks of a start that is waited for: a signal handler that comes between such a check and the wait
itself, and waits for the start as well, is woken in its place."""
DROPPED: Final = "musicapi-dropped"
CLOSED_WITHIN: Final = 10.0
"""Seconds after which a closing client counts as closed: the thread that closes it may have been interrupted."""


class LoopThread:
    """The event loop of a root client and its views; it starts with the first call."""

    def __init__(self, settings: musicapi_async.Settings) -> None:
        self._settings = settings
        self._closer: int | None = None
        """The thread that closes, or has closed, the client."""
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        # Reentrant: a signal handler or a finalizer may call during a call of the same thread. It is not held while
        # waiting.
        self._lock = threading.RLock()
        self._loop: RunningLoop | None = None
        self._openings: dict[str, Future[RunningLoop]] = {}
        """The start of the loop, under one key: its ``setdefault`` lets only one of several threads start it."""
        self._close_callbacks: dict[Callable[[], str | None], Callable[[], Awaitable[None]]] = {}
        self._has_closed = threading.Event()
        if self._closer is not None:
            self._has_closed.set()

    def call(
        self,
        function: Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]],
        describe_pending: DescribePending[T] = lambda _: None,
    ) -> T:
        """Run a coroutine function on the loop and return its result.

        When the call is interrupted (Ctrl-C, or a callback that raises) it is cancelled, but not while its paid request
        is unanswered; ``describe_pending`` returns a sentence on what is still running on the server, for a note
        on the exception and a warning in the log.
        """
        loop = self._loop
        if loop is None or self._closer is not None or loop.thread == threading.get_ident():
            self._refuse_own_thread()
            loop = None
        _warn_of_running_loop()
        try:
            return (loop or self._open()).run(Call(function), describe_pending)
        except ClientClosedError:
            self._await_closing()
            raise

    def _open(self) -> RunningLoop:
        """Return the loop; start it, or wait for one that is just starting."""
        if self._closer is not None:
            raise ClientClosedError
        opening = self._opening
        if opening is None:
            _running.add(self)
            opening = Future()
            # Ctrl-C cannot interrupt a thread of its own. It may end this line after the thread has started, and a
            # signal handler may make a call of its own: therefore the thread, not this line, sets ``_opening``.
            threading.Thread(target=self._start, args=(opening,), name=STARTING, daemon=True).start()
        loop = _wait_for(opening)
        if self._closer is None:
            self._loop = loop
        return loop

    def _start(self, opening: "Future[RunningLoop]") -> None:
        """Start the loop, or wait for the one that another call is starting; in a thread of its own."""
        first = self._openings.setdefault(STARTING, opening)
        try:
            # Whoever closes the client sets ``_closer`` before it reads ``_opening``.
            if self._closer is not None:
                raise ClientClosedError  # noqa: TRY301 - raised to the call
            if first is opening:
                with start_lock:
                    opening.set_result(RunningLoop.open(self._settings))
            else:
                opening.set_result(first.result())
        except BaseException as error:  # noqa: BLE001 - raised to the call
            if first is opening:
                self._openings.clear()
            opening.set_exception(error)

    @property
    def _opening(self) -> "Future[RunningLoop] | None":
        return self._openings.get(STARTING)

    def close(self) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Close the client and end the thread; calls in flight get ClientClosedError. May be called twice.

        Returns the tasks left running, which are reported already: sentences, and by id the expressions that resume all
        other paid tasks still running.
        """
        self._refuse_own_thread()
        with self._lock:
            is_first = self._closer is None
            self._closer = self._closer or threading.get_ident()
        if not is_first:
            self._await_closing()
            return (), {}
        loop: RunningLoop | None = None
        try:
            loop = self._opened()
            if loop is not None:
                loop.close(self._close_callbacks.values())
        finally:
            # The system reuses the number of a thread that has ended.
            self._loop = None
            self._openings.clear()
            _running.discard(self)
            self._has_closed.set()
            left = self._report(loop)
        return left

    def _opened(self) -> RunningLoop | None:
        """Return the loop, if one was started; wait for one that is just starting."""
        opening = self._opening
        if opening is None:
            return None
        try:
            return _wait_for(opening)
        except Exception:  # noqa: BLE001 - raised to the call that needed it
            return None

    def _report(self, loop: RunningLoop | None) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """Warn of the tasks that the client leaves running, and return them as ``close`` does."""
        left = tuple(filter(None, (describe_pending() for describe_pending in tuple(self._close_callbacks))))
        self._close_callbacks.clear()
        for sentence in left:
            warn(sentence)
        if loop is None:
            return left, {}
        # The client logged the others when it closed.
        if undelivered := engine_of(loop.client).undelivered:
            sentence = describe_tasks(undelivered.values(), NOT_DELIVERED)
            warn_without_log(sentence)
            left += (sentence,)
        named, running = "\n".join(left), loop.unfinished
        if not loop.has_closed.is_set():
            # Interrupted more than once: what the client knows so far is all that will be said.
            running, count = dict(engine_of(loop.client).running), engine_of(loop.client).in_flight
            if count:
                requests = "1 paid request was" if count == 1 else f"{count} paid requests were"
                sentence = f"{requests} in flight and may have been accepted"
                warn(sentence)
                left += (sentence,)
        unfinished = {task_id: resumption for task_id, resumption in running.items() if task_id not in named}
        if unfinished:
            warn_without_log(describe_tasks(unfinished.values()))
        return left, unfinished

    def __del__(self) -> None:
        """Close a client that was dropped unclosed, with all its tasks; in a thread of its own, since that waits."""
        if getattr(self, "_openings", None) and self.is_running:
            with suppress(RuntimeError):  # Python is exiting
                threading.Thread(target=self.close, name=DROPPED, daemon=True).start()

    def add_close_callback(
        self, describe_pending: Callable[[], str | None], callback: Callable[[], Awaitable[None]]
    ) -> None:
        """Register a callback to await on the loop when the client closes, and the sentence to report then."""
        self._close_callbacks[describe_pending] = callback

    def discard_close_callback(self, describe_pending: Callable[[], str | None]) -> None:
        """Remove a callback and its sentence."""
        self._close_callbacks.pop(describe_pending, None)

    def end_run(self, run: musicapi_async.Run[Any]) -> None:
        """End a run that was dropped; never waits, so that a finalizer may call it."""
        if self._loop is not None and self._closer is None:
            with suppress(ClientClosedError):
                self._loop.start(Call(lambda *_: run.aclose()))

    def forget(self) -> None:
        """Reset after a fork, in the child, which has no such thread; inherited objects are kept untouched."""
        _inherited.append((self._loop, self._openings, self._close_callbacks))
        self._reset()

    @property
    def is_running(self) -> bool:
        """True between the first call and the closing."""
        return self._opening is not None and self._closer is None

    def _refuse_own_thread(self) -> None:
        loop, opening = self._loop, self._opening
        if loop is not None:
            is_own = threading.get_ident() == loop.thread
        else:
            # A finalizer may run in the thread that the start waits for.
            is_own = opening is not None and not opening.done() and threading.current_thread().name in OWN_THREADS
        if is_own:
            raise EventLoopError("a blocking call from the client's own loop thread would wait for itself forever")

    def _await_closing(self) -> None:
        """Return when the client is not being closed any more: only then all paid tasks are known."""
        # A signal handler that runs while this thread closes the client must not wait for it.
        if self._closer is None or self._closer == threading.get_ident():
            return
        self._has_closed.wait(CLOSED_WITHIN)


class View:
    """A client's access to the loop: the loop thread, and the options that differ from the root client's."""

    def __init__(self, loop: LoopThread, options: Mapping[str, Any]) -> None:
        self.loop = loop
        self.options = options
        self.client: musicapi_async.MusicAPI | None = None
        """The async client of the last call."""
        self._root: musicapi_async.MusicAPI | None = None

    def call(
        self,
        function: Callable[[musicapi_async.MusicAPI, Call[T]], Awaitable[T]],
        describe_pending: DescribePending[T] = lambda _: None,
    ) -> T:
        """Run a coroutine function on the loop with this view's async client; see ``LoopThread.call``."""
        return self.loop.call(lambda root, call: function(self._client_of(root), call), describe_pending)

    def _client_of(self, root: musicapi_async.MusicAPI) -> musicapi_async.MusicAPI:
        # After a fork there is another root.
        if self.client is None or self._root is not root:
            self._root = root
            self.client = root.with_options(**self.options) if self.options else root
        return self.client


def _warn_of_running_loop() -> None:
    """Warn of a blocking call in a coroutine; notebooks run their cells inside a loop, and there it is fine."""
    # Unlike get_running_loop() it raises nothing where there is none, as in nearly every call.
    if asyncio._get_running_loop() is None:
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
    """Return the stack level of the first caller outside this package, seen from the caller of this function."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(__package__):
        level, frame = level + 1, frame.f_back
    return level - 1


def _wait_for(opening: "Future[RunningLoop]") -> RunningLoop:
    """Return the loop once it has started; raises the error of its start."""
    while True:
        try:
            return opening.result(START_CHECK)
        except TimeoutError:
            if opening.done():
                return opening.result()


_running: "Final[weakref.WeakSet[LoopThread]]" = weakref.WeakSet()
# Including those that another thread is starting when this one forks.
_all: "Final[weakref.WeakSet[LoopThread]]" = weakref.WeakSet()
# Objects that a forked child inherited: never finalised, since their sockets are the parent's.
_inherited: Final[list[object]] = []


def _close_all() -> None:
    for thread in tuple(_running):
        thread.close()


def _forget_all() -> None:
    start_lock.release()
    for thread in tuple(_all):
        thread.forget()
    _running.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=start_lock.acquire, after_in_parent=start_lock.release, after_in_child=_forget_all)
