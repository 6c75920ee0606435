"""What sleeps and tries again: backoff, over the rules of retry.py; for requests and for files."""

import warnings
from collections.abc import Generator
from typing import Any, Protocol

import backoff

__all__ = ["RepeatError", "Tries", "repeating"]


class RepeatError(Exception):
    """Carries a failure that may be repeated, and how long to wait before."""

    def __init__(self, failure: Exception, wait: float) -> None:
        super().__init__(failure, wait)
        self.failure = failure
        self.wait = wait


class Tries(Protocol):
    """The attempts at one thing so far."""

    due: RepeatError | None
    """A repetition that is due, and was not waited for yet."""

    async def once(self) -> object:
        """Try once; raises RepeatError when another try is due, else the error to hand on."""
        ...


def _waits() -> Generator[float, Any, None]:  # backoff sends it each RepeatError
    asked = yield 0.0
    while True:
        asked = yield asked.wait


async def _try(tries: Tries) -> object:
    due, tries.due = tries.due, None
    if due is not None:
        raise due
    return await tries.once()


with warnings.catch_warnings():
    # backoff calls asyncio.iscoroutinefunction, deprecated since Python 3.14, when it decorates.
    warnings.filterwarnings("ignore", message=".*iscoroutinefunction.*", category=DeprecationWarning)
    # The rules are ours (retry.py); backoff sleeps and tries again. Built once: building costs more than calling.
    repeating = backoff.on_exception(_waits, RepeatError, jitter=None, logger=None)(_try)
