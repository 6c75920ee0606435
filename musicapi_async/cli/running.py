"""Runs a command's coroutine: its client, signals, an orderly shutdown, the exit code."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

import attrs

from musicapi_async._transport import cancellation
from musicapi_async.cli.exits import explain
from musicapi_async.cli.screen import Screen

if TYPE_CHECKING:
    from musicapi_async import MusicAPI

__all__ = [
    "SIGNAL_EXIT",
    "Command",
    "closing_shielded",
    "fail",
    "open_client",
    "run_command",
    "wait_shielded",
]

T = TypeVar("T")
Command: TypeAlias = Callable[[Screen], Coroutine[object, None, None]]
SignalHandler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None

TASK_SECONDS: Final = 3.0
# SIGHUP: the terminal was closed, or its connection broke. SIGBREAK: the same on Windows. Each system has its own.
STOP_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
SIGHUP: Final[int | None] = getattr(signal, "SIGHUP", None)
SIGNAL_EXIT: Final = 128


def run_command(command: Command, *, as_json: bool = False) -> int:
    """Run a command to its end, show how it ended, and return the exit code."""
    screen = Screen(as_json=as_json)
    # Exited after the last line is written: a late signal must not cut the output short.
    with _StopSignals() as stop:
        try:
            with screen:
                asyncio.run(stop.run(command, screen))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a user gets a sentence, never a traceback
            return fail(screen, error, SIGNAL_EXIT + stop.received if stop.received else None)
        screen.close()
        return 0


def fail(screen: Screen, error: BaseException, code: int | None = None) -> int:
    """Show why a command failed and return its exit code: the error's own, unless another is given."""
    failure = explain(error)
    if code is not None:
        failure = attrs.evolve(failure, code=code)
    screen.fail(failure)
    screen.close()
    return failure.code


@asynccontextmanager
async def open_client(
    *,
    embedded: bool = False,
    credits: float = 1000.0,
    base_url: str | None = None,
    webhook_url: str | None = None,
) -> "AsyncIterator[MusicAPI]":
    """Open a client of the service, or of an embedded sandbox whose account starts with ``credits``."""
    from musicapi_async import MusicAPI  # noqa: PLC0415 - a command that opens none does not pay for it

    if not embedded:
        async with closing_shielded(MusicAPI(base_url=base_url, webhook_url=webhook_url)) as client:
            yield client
        return
    from musicapi_async.sandbox import Sandbox  # noqa: PLC0415 - a web server: imported on use

    # A new seed each time, so that two runs make different songs.
    sandbox = Sandbox(seconds=TASK_SECONDS, credits=credits, seed=secrets.randbits(32))
    async with closing_shielded(sandbox), closing_shielded(sandbox.client(webhook_url=webhook_url)) as client:
        yield client


@asynccontextmanager
async def closing_shielded(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter a context and close it completely, even when a second signal arrives during closing.

    The second signal must not replace the error that the first one caused.
    """
    opened = await context.__aenter__()
    try:
        yield opened
    finally:
        await wait_shielded(context.__aexit__(None, None, None))


async def wait_shielded(awaitable: Awaitable[object]) -> None:
    """Wait for something that ends soon, ignoring cancellations meanwhile; raises what it raises."""
    task = asyncio.ensure_future(awaitable)
    await cancellation.wait_shielded(task)
    await task


class _StopSignals:
    """Turns the signals that end a command into a cancellation, so that requests in flight get their responses.

    The handlers are installed when the command starts and restored on exit. SIGHUP stays ignored under ``nohup``.
    """

    def __init__(self) -> None:
        self.received = 0
        self._previous: dict[signal.Signals, SignalHandler] = {}

    async def run(self, command: Command, screen: Screen) -> None:
        """Run the command; each signal cancels its current await."""
        loop = asyncio.get_running_loop()
        running = asyncio.current_task()

        def stop(number: int, _: FrameType | None) -> None:
            # After the work is done only the output is left to write.
            if running is not None and not running.done() and not self._is_repeated_hangup(number):
                self.received = number
                loop.call_soon_threadsafe(running.cancel, number)

        for number in STOP_SIGNALS:
            if not (number == SIGHUP and signal.getsignal(number) is signal.SIG_IGN):
                self._previous[number] = signal.signal(number, stop)
        await command(screen)

    def _is_repeated_hangup(self, number: int) -> bool:
        """Return whether a signal belongs to a shutdown that has begun already, and does not mean "leave at once".

        A terminal that closes sends SIGHUP more than once (the kernel, then the shell), and a system that ends a
        session sends SIGTERM and SIGHUP together.
        """
        if SIGHUP is None or not self.received:
            return False
        return number == SIGHUP or (self.received == SIGHUP and number != signal.SIGINT)

    def __enter__(self) -> Self:
        """Leave the handlers as they are: nothing runs yet."""
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
