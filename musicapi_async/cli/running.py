"""Runs a command's coroutine: signals, errors, exit code."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType, TracebackType
from typing import Any, Final, Self, TypeAlias

import attrs

from musicapi_async.cli.exits import explain
from musicapi_async.cli.screen import Screen

__all__ = ["SIGINT_EXIT", "SIGNAL_EXIT", "Command", "fail", "run_command"]

Command: TypeAlias = Callable[[Screen], Coroutine[object, None, None]]
Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None

# SIGHUP: the terminal was closed, or its connection broke. SIGBREAK: the same on Windows. Each system has its own.
STOPPING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
SIGHUP: Final[int | None] = getattr(signal, "SIGHUP", None)
SIGNAL_EXIT: Final = 128
SIGINT_EXIT: Final = SIGNAL_EXIT + signal.SIGINT


def run_command(command: Command, *, as_json: bool = False) -> int:
    """Run a command to its end, show how it ended, and return the exit code."""
    screen = Screen(as_json=as_json)
    # Left when all is told: a signal that comes late must not take the words away.
    with _Stops() as stops:
        try:
            with screen:
                asyncio.run(stops.watch(command, screen))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a user gets a sentence, never a traceback
            return fail(screen, error, SIGNAL_EXIT + stops.received if stops.received else None)
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


class _Stops:
    """Turns the signals that end a command into a cancellation, so that requests in flight get their responses.

    The signals are the command's from its beginning until this is left. SIGHUP stays ignored under ``nohup``.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[signal.Signals, Handler] = {}

    async def watch(self, command: Command, screen: Screen) -> None:
        """Run the command; each signal cancels what it is doing then."""
        loop = asyncio.get_running_loop()
        working = asyncio.current_task()

        def stop(number: int, _: FrameType | None) -> None:
            # Not when the work is done: all that is left is to say so.
            if working is not None and not working.done() and not self._is_repeated_hangup(number):
                self.received = number
                loop.call_soon_threadsafe(working.cancel, number)

        for number in STOPPING:
            if not (number == SIGHUP and signal.getsignal(number) is signal.SIG_IGN):
                self._before[number] = signal.signal(number, stop)
        await command(screen)

    def _is_repeated_hangup(self, number: int) -> bool:
        """Return whether a signal belongs to a stop that is under way already, and asks for nothing more.

        A terminal that closes sends SIGHUP more than once (the kernel, then the shell), and a system that ends a
        session sends SIGTERM and SIGHUP together: none of these is a user who wants to leave at once.
        """
        if SIGHUP is None or not self.received:
            return False
        return number == SIGHUP or (self.received == SIGHUP and number != signal.SIGINT)

    def __enter__(self) -> Self:
        """Leave the signals as they are: nothing is under way yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
