"""Notices of paid tasks that an interruption or a closing leaves: in the log, on the exception, on standard error."""

import contextlib
import logging
from typing import Final

__all__ = ["NOT_DELIVERED", "note", "warn", "warn_without_log"]

logger: Final = logging.getLogger("musicapi")
NOT_DELIVERED: Final = "not delivered"


def warn(sentence: str) -> None:
    """Log a warning. Where logging is not set up, Python's last resort writes it to standard error.

    Libraries keep silent then, and so does the rest of this one; but these are ids that nobody else has.
    """
    # A handler that fails must not take the place of the warning.
    with contextlib.suppress(Exception):
        logger.warning("%s", sentence)
    warn_without_log(sentence)


def warn_without_log(sentence: str) -> None:
    """Write a warning to standard error where logging is not set up."""
    with contextlib.suppress(Exception):
        if logger.isEnabledFor(logging.WARNING) and logging.lastResort is not None and not _has_handler():
            place = (logger.name, logging.WARNING, __file__, 0)
            logging.lastResort.handle(logging.LogRecord(*place, "musicapi: %s", (sentence,), None))


def note(error: BaseException, *sentences: str | None) -> None:
    """Add to an exception what it leaves at the service, and warn of it: a SystemExit is shown without its notes."""
    for sentence in dict.fromkeys(filter(None, sentences)):
        error.add_note(sentence)
        warn(sentence)


def _has_handler() -> bool:
    """Return whether a warning gets anywhere; the package's own handler, as a library's should, drops it."""
    place: logging.Logger | None = logger
    while place is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in place.handlers):
            return True
        place = place.parent if place.propagate else None
    return False
