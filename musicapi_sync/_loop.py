"""A running loop thread: how it is started, and how calls get in and are stopped."""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any, Final, Self

import attrs
from anyio.from_thread import BlockingPortal, start_blocking_portal

import musicapi_async
from musicapi_async.errors import ClientClosedError
from musicapi_sync._call import Call

__all__ = ["Loop", "end_loop", "end_run", "interrupt", "is_starting_thread", "start_call", "start_loop", "starting"]

STARTING: Final = "musicapi-start"
RUNNING: Final = "musicapi-loop"

# Held by whoever starts a loop, and by whoever forks: modules are imported on the way, and a child that was forked in
# the middle of an import would wait for it for ever.
starting: Final = threading.RLock()


@attrs.frozen
class Loop:
    """A running loop thread: the way into it, its client, its number, and what ends it."""

    portal: BlockingPortal
    events: asyncio.AbstractEventLoop
    client: musicapi_async.MusicAPI
    thread: int
    stack: ExitStack
    under_way: set[asyncio.Task[None]] = attrs.field(factory=set)

    @classmethod
    def open(cls, settings: musicapi_async.Settings) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio", name=RUNNING))
            # Built inside the loop, so that nothing in it belongs to another one.
            client = portal.call(_make_client, settings)
            events = portal.call(asyncio.get_running_loop)
            return cls(portal, events, client, portal.call(threading.get_ident), stack.pop_all())


def start_loop(settings: musicapi_async.Settings) -> "Future[Loop]":
    """Start a loop thread from a thread of its own: a Ctrl-C or a signal handler here would find it half begun.

    Returns at once; the loop comes with the future.
    """
    started: Future[Loop] = Future()

    def start() -> None:
        try:
            with starting:
                started.set_result(Loop.open(settings))
        except BaseException as error:  # noqa: BLE001 - raised to the caller
            started.set_exception(error)

    threading.Thread(target=start, name=STARTING, daemon=True).start()
    return started


def end_loop(started: "Future[Loop]") -> None:
    """End a loop that was started in vain."""
    if started.exception() is None:
        started.result().stack.close()


def is_starting_thread() -> bool:
    """Return whether this thread is one that starts a loop, or will run it: it must not wait for the start."""
    return threading.current_thread().name in {STARTING, RUNNING}


def end_run(loop: Loop, run: musicapi_async.Run[Any]) -> None:
    """Have a run that was dropped end by itself; never waits, so that it may be called from a finalizer."""

    def begin() -> None:
        ending = loop.events.create_task(run.aclose())
        loop.under_way.add(ending)
        ending.add_done_callback(loop.under_way.discard)

    # The loop has ended, and the run with it.
    with suppress(RuntimeError):
        loop.events.call_soon_threadsafe(begin)


def interrupt(loop: Loop, call: Call[Any]) -> None:
    """Stop a call, and wait a moment for its end."""
    try:
        loop.portal.start_task_soon(call.stop, loop.client)
        if not call.settle():
            loop.events.call_soon_threadsafe(call.cancel)
            call.settle()
    except RuntimeError:  # the portal has stopped meanwhile, and the call with it
        return


def start_call(loop: Loop, call: Call[Any]) -> None:
    """Begin a call; its events and its end come out of its queue."""
    try:
        loop.events.call_soon_threadsafe(call.start, loop.client, loop.under_way)
    except RuntimeError:  # another thread has closed the client since
        raise ClientClosedError from None


async def _make_client(settings: musicapi_async.Settings) -> musicapi_async.MusicAPI:
    return musicapi_async.MusicAPI(**attrs.asdict(settings, recurse=False))
