"""Notices of paid tasks that an interruption or a closing leaves: in the log, on the exception, on standard error."""

import contextlib
import logging
from typing import Final

from musicapi_async._notices import warn_without_log

__all__ = ["NOT_DELIVERED", "note", "warn"]

logger: Final = logging.getLogger("musicapi")
NOT_DELIVERED: Final = "not delivered"


def warn(sentence: str) -> None:
    """Log a warning; where logging is not set up, write it to standard error."""
    # A handler that fails must not take the place of the warning.
    with contextlib.suppress(Exception):
        logger.warning("%s", sentence)
    warn_without_log(sentence)


def note(error: BaseException, *sentences: str | None) -> None:
    """Add to an exception what it leaves at the service, and warn of it: a SystemExit is shown without its notes."""
    for sentence in dict.fromkeys(filter(None, sentences)):
        error.add_note(sentence)
        warn(sentence)
