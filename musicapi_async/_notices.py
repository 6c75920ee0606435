"""Notices of paid tasks that are left running, and how to resume them: in the log, on exceptions, on standard error.

Also the call of a user's hook, and the sentence on a client in another event loop, which several modules raise.
"""

import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Final, TypeVar

from musicapi_async._logger import logger

__all__ = ["ANOTHER_LOOP", "MAX_NAMED", "RUNNING", "call_hook", "describe_tasks", "note_tasks", "warn_without_log"]

T = TypeVar("T")

MAX_NAMED: Final = 20
"""Maximum number of tasks named in a sentence; the rest are counted."""
RUNNING: Final = "still running on the server"
ANOTHER_LOOP: Final = (
    "this client was first used in another event loop: make one client for each loop, "
    "or use musicapi_sync, which brings its own"
)


def call_hook(name: str, hook: Callable[[T], object] | None, value: T, subject: object) -> None:
    """Call a hook of the settings, if there is one; log an exception of it, with what it was called about."""
    if hook is not None:
        try:
            hook(value)
        except Exception as failure:  # noqa: BLE001 - a hook must not cost what was paid for
            logger.log(logging.ERROR, "%s failed (%r) on: %s", name, failure, subject, exc_info=failure)


def describe_tasks(resumptions: Collection[str], state: str = RUNNING) -> str:
    """Return a sentence on paid tasks in this state; ``resumptions`` are the expressions that resume them."""
    count = len(resumptions)
    tasks = "1 paid task is" if count == 1 else f"{count} paid tasks are"
    more = f" and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
    return f"{tasks} {state}: resume with {', '.join(islice(resumptions, MAX_NAMED))}{more}"


def note_tasks(error: BaseException, running: Mapping[str, str]) -> None:
    """Add to an exception that leaves a client's block a note of the tasks still running, unless it names them.

    ``running`` maps task ids to the expressions that resume them.
    """
    messages = [str(error)]
    for one in filter(None, (error, error.__cause__, error.__context__)):
        messages += getattr(one, "__notes__", ())
    text = "\n".join(messages)
    if new := [resumption for task_id, resumption in running.items() if task_id not in text]:
        error.add_note(describe_tasks(new))


def warn_without_log(sentence: str) -> None:
    """Write a warning to standard error where logging is not set up.

    Libraries are silent then, and so is the rest of this one; but these ids are recorded nowhere else.
    """
    with contextlib.suppress(Exception):
        if logger.is_enabled_for(logging.WARNING) and logging.lastResort is not None and not _has_handler():
            place = (logger.logger.name, logging.WARNING, __file__, 0)
            logging.lastResort.handle(logging.LogRecord(*place, "musicapi: %s", (sentence,), None))


def _has_handler() -> bool:
    """Return whether a warning is handled; the package's own handler, a NullHandler, does not count."""
    place: logging.Logger | None = logger.logger
    while place is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in place.handlers):
            return True
        place = place.parent if place.propagate else None
    return False
