"""Notices of paid tasks that an interruption or a closing leaves: in the log, on the exception, on standard error."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["not_delivered", "note", "note_running", "still_running", "warn", "warn_without_log"]

logger: Final = logging.getLogger("musicapi")
MAX_IDS: Final = 20


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


def not_delivered(resumptions: Sequence[str]) -> str:
    """Return a sentence on tasks of runs that were paid for and not returned; of many, the rest is counted."""
    more = f" and {len(resumptions) - MAX_IDS} more" if len(resumptions) > MAX_IDS else ""
    return f"paid for and not delivered, resume with: {', '.join(resumptions[:MAX_IDS])}{more}"


def still_running(resumptions: Sequence[str]) -> str:
    """Return a sentence on paid tasks that were not seen to end; of many, the rest is counted."""
    count = len(resumptions)
    tasks = "1 paid task is" if count == 1 else f"{count} paid tasks are"
    more = f" and {count - MAX_IDS} more" if count > MAX_IDS else ""
    return f"{tasks} still running on the server: resume with {', '.join(resumptions[:MAX_IDS])}{more}"


def note_running(error: BaseException, running: Mapping[str, str]) -> None:
    """Add to an exception that leaves a client's block the paid tasks that it does not name yet."""
    known = [str(error)]
    for one in filter(None, (error, error.__cause__, error.__context__)):
        known += getattr(one, "__notes__", ())
    text = "\n".join(known)
    if new := [resumption for task_id, resumption in running.items() if task_id not in text]:
        error.add_note(still_running(new))


def _has_handler() -> bool:
    """Return whether a warning gets anywhere; the package's own handler, as a library's should, drops it."""
    place: logging.Logger | None = logger
    while place is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in place.handlers):
            return True
        place = place.parent if place.propagate else None
    return False
