"""Notices of paid tasks that are left after an interruption or a closing: in the log, on the exception, on stderr."""

from typing import Final

from musicapi_async._logger import logger
from musicapi_async._notices import warn_without_log

__all__ = ["NOT_DELIVERED", "note", "warn"]

NOT_DELIVERED: Final = "not delivered"


def warn(sentence: str) -> None:
    """Log a warning; where logging is not set up, write it to standard error."""
    logger.warning("%s", sentence)
    warn_without_log(sentence)


def note(error: BaseException, *sentences: str | None) -> None:
    """Add notes on left tasks to an exception, and log them as well: a SystemExit is shown without its notes."""
    for sentence in dict.fromkeys(filter(None, sentences)):
        error.add_note(sentence)
        warn(sentence)
