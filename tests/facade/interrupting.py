"""Ctrl-C at a moment that a test chooses."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

__all__ = ["NEEDS_SIGNALS", "interrupted_when"]

NEEDS_SIGNALS = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends the signal to one thread")


@contextmanager
def interrupted_when(
    is_time: Callable[[], object], *, times: int = 1
) -> Iterator[pytest.ExceptionInfo[KeyboardInterrupt]]:
    """Press Ctrl-C when it is time, so many times, a moment apart; and catch what comes of it."""
    main_thread = threading.get_ident()

    def interrupt() -> None:
        moment = threading.Event()
        while not is_time():
            moment.wait(0.005)
        signal.pthread_kill(main_thread, signal.SIGINT)
        for _ in range(times - 1):
            moment.wait(0.2)
            signal.pthread_kill(main_thread, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt, daemon=True)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        yield caught
    interrupting.join()
