"""Unfinished paid tasks of a client: logged when accepted, named when the client closes."""

import logging
from collections.abc import Mapping
from itertools import islice
from typing import Final, Protocol, TypeVar

from musicapi_async._logger import logger
from musicapi_async._notices import MAX_NAMED, RUNNING, describe_tasks
from musicapi_async.errors import MusicAPIError

__all__ = ["MAX_TASKS", "Unfinished", "fresh", "log", "log_tasks"]

E = TypeVar("E", bound=BaseException)


MAX_TASKS: Final = 100_000
"""The maximum number of remembered tasks; the oldest ones beyond it are only counted."""
MAX_LINES: Final = 50


class Resumable(Protocol):
    """The rule by which tasks of an operation are resumed."""

    @property
    def family(self) -> str:
        """The family of the operation."""
        ...

    def resumption(self, task_id: str, /) -> str:
        """Return the Python expression that resumes a task."""
        ...


class Unfinished:
    """The unfinished paid tasks of a client, by id."""

    def __init__(self) -> None:
        self._tasks: dict[str, Resumable] = {}
        self._forgotten = 0

    def accept(self, task_id: str, rule: Resumable, *, is_kept: bool = True) -> None:
        """Log an accepted task; remember it, unless its end is reported to a webhook."""
        if logger.is_enabled_for(logging.INFO):
            log(logging.INFO, f"{rule.family} task {task_id} was accepted: {rule.resumption(task_id)}", task_id)
        if is_kept:
            self.add(task_id, rule)

    def add(self, task_id: str, rule: Resumable) -> None:
        """Remember an unfinished task."""
        if len(self._tasks) >= MAX_TASKS and task_id not in self._tasks:
            del self._tasks[next(iter(self._tasks))]
            self._forgotten += 1
        self._tasks[task_id] = rule

    def has(self, task_id: str) -> bool:
        """Return whether this is a task that is not known to have ended."""
        return task_id in self._tasks

    def end(self, task_id: str) -> None:
        """Forget a task that has ended."""
        self._tasks.pop(task_id, None)

    def resumptions(self) -> dict[str, str]:
        """Return how each task is resumed, by id."""
        # A copy first: another thread may ask, where the event loop cannot answer any more.
        return {task_id: rule.resumption(task_id) for task_id, rule in self._tasks.copy().items()}

    def report(self) -> dict[str, str]:
        """Log, once, the tasks that are still running when the client has closed, within ``MAX_LINES``.

        Returns the expression that resumes each, by id.
        """
        left = self.resumptions()
        more, self._tasks, self._forgotten = self._forgotten, {}, 0
        log_tasks(left, RUNNING, more)
        return left


def log_tasks(resumptions: Mapping[str, str], state: str, more: int = 0) -> None:
    """Log paid tasks in this state, with the expressions that resume them by id, at WARNING."""
    shown = iter(resumptions.items())
    for _ in range(MAX_LINES):
        if not (line := dict(islice(shown, MAX_NAMED))):
            break
        log(logging.WARNING, describe_tasks(line.values(), state), *line)
    more += max(0, len(resumptions) - MAX_NAMED * MAX_LINES)
    if more:
        log(logging.WARNING, f"{more} more paid tasks are {state}: the log names them where they were accepted")


def log(level: int, sentence: str, *task_ids: str) -> None:
    """Log a sentence on tasks.

    The record carries ``task_ids``, for handlers that want them apart.
    """
    logger.log(level, "%s", sentence, extra={"task_ids": task_ids}, stacklevel=2)


def fresh(error: E) -> E:
    """Return a copy of one of our errors, to be raised: raising the same one repeatedly grows its traceback."""
    if not isinstance(error, MusicAPIError):
        return error
    copy = type(error)(*error.args)
    copy.__dict__.update(error.__dict__)
    if notes := error.__dict__.get("__notes__"):
        copy.__notes__ = list(notes)
    copy.__cause__, copy.__context__ = error.__cause__, error.__context__
    copy.__suppress_context__ = error.__suppress_context__
    return copy.with_traceback(error.__traceback__)
