"""Paid tasks of a client that were not seen to end: logged when accepted, named when the client closes."""

import contextlib
import logging
from collections.abc import Mapping
from itertools import islice
from typing import Final, Protocol, TypeVar

from musicapi_async._notices import MAX_NAMED, RUNNING, describe_tasks
from musicapi_async.errors import MusicAPIError

__all__ = ["Unfinished", "fresh", "log", "log_tasks"]

E = TypeVar("E", bound=BaseException)

logger: Final = logging.getLogger("musicapi")

MAX_TASKS: Final = 100_000
"""The oldest of more are forgotten, and only counted."""
MAX_LINES: Final = 50


class Resumable(Protocol):
    """The rule by which tasks of an operation are resumed."""

    @property
    def family(self) -> str:
        """The family of the operation."""
        ...

    def resumption(self, task_id: str, /) -> str:
        """Return how one is resumed, as it is written in Python."""
        ...


class Unfinished:
    """The paid tasks of a client that were not seen to end, by id."""

    def __init__(self) -> None:
        self._tasks: dict[str, Resumable] = {}
        self._forgotten = 0

    def accept(self, task_id: str, rule: Resumable, *, is_kept: bool = True) -> None:
        """Log a task that was just accepted; keep it, unless its end is reported to a webhook."""
        if logger.isEnabledFor(logging.INFO):
            log(logging.INFO, f"{rule.family} task {task_id} was accepted: {rule.resumption(task_id)}", task_id)
        if is_kept:
            self.add(task_id, rule)

    def add(self, task_id: str, rule: Resumable) -> None:
        """Keep a task that was polled, and is not finished."""
        if len(self._tasks) >= MAX_TASKS and task_id not in self._tasks:
            del self._tasks[next(iter(self._tasks))]
            self._forgotten += 1
        self._tasks[task_id] = rule

    def end(self, task_id: str) -> None:
        """Forget a task that was seen to end."""
        self._tasks.pop(task_id, None)

    def report(self) -> dict[str, str]:
        """Log, once, what is still running when the client has closed, a bounded number of lines and ids.

        Returns how each is resumed, by id.
        """
        left = {task_id: rule.resumption(task_id) for task_id, rule in self._tasks.items()}
        more, self._tasks, self._forgotten = self._forgotten, {}, 0
        log_tasks(left, RUNNING, more)
        return left


def log_tasks(resumptions: Mapping[str, str], what: str, more: int = 0) -> None:
    """Log paid tasks, by id with how they are resumed, at WARNING: a bounded number of lines and ids."""
    shown = iter(resumptions.items())
    for _ in range(MAX_LINES):
        if not (line := dict(islice(shown, MAX_NAMED))):
            break
        log(logging.WARNING, describe_tasks(line.values(), what), *line)
    more += max(0, len(resumptions) - MAX_NAMED * MAX_LINES)
    if more:
        log(logging.WARNING, f"{more} more paid tasks are {what}: the log names them where they were accepted")


def log(level: int, sentence: str, *task_ids: str) -> None:
    """Log a sentence on tasks; a handler that fails must not cost what was paid for.

    The record carries ``task_ids``, for handlers that want them apart.
    """
    with contextlib.suppress(Exception):
        logger.log(level, "%s", sentence, extra={"task_ids": task_ids})


def fresh(error: E) -> E:
    """Return a copy of an error of ours, to be raised: one that is raised again and again grows its traceback."""
    if not isinstance(error, MusicAPIError):
        return error
    again = type(error)(*error.args)
    again.__dict__.update(error.__dict__)
    if notes := error.__dict__.get("__notes__"):
        again.__notes__ = list(notes)
    again.__cause__, again.__context__ = error.__cause__, error.__context__
    again.__suppress_context__ = error.__suppress_context__
    return again.with_traceback(error.__traceback__)
