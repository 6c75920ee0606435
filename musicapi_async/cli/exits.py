"""Exit codes, and the one sentence that explains a failure."""

import asyncio
import os
import traceback
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import errors

__all__ = [
    "EXIT_CODES",
    "Failure",
    "IncompleteError",
    "PendingTaskError",
    "UsageError",
    "exit_code_table",
    "explain",
    "hide_key",
]

BUG: Final = 1
USAGE: Final = 2
NO_KEY: Final = 3
STOPPED: Final = 130


class UsageError(Exception):
    """The command line asks for something that cannot be done; the text says what to change."""


class IncompleteError(Exception):
    """A bulk run has ended with some songs missing; the text says how many and what to do."""


# From the special to the general: the first match is used.
EXIT_CODES: Final = (
    (USAGE, "an option or a field of the request is invalid", (errors.InvalidRequestError,)),
    (NO_KEY, "the API key is missing or was rejected", (errors.AuthenticationError,)),
    (
        4,
        "not enough credits, no subscription, or --max-credits reached",
        (errors.InsufficientCreditsError, errors.SubscriptionError, errors.BudgetExceededError),
    ),
    (5, "the request was refused, for example by moderation", (errors.PermissionDeniedError,)),
    (6, "the task was not found, or the operation is retired", (errors.NotFoundError, errors.RetiredError)),
    (
        7,
        "no connection, too many requests, or a failure of the service",
        (
            errors.ConnectionFailedError,
            errors.APIStatusError,
            errors.UnreadableReplyError,
            errors.BulkStoppedError,
        ),
    ),
    (8, "the task failed", (errors.TaskFailedError,)),
    (9, "the timeout expired; the task is still running on the server", (errors.TaskTimeoutError,)),
    (10, "uncertain: the request may or may not have been accepted and charged", (errors.UncertainSubmissionError,)),
    (11, "a file could not be downloaded or written", (errors.DownloadError, errors.JournalError, OSError)),
    (12, "the bulk run ended with some songs missing", (IncompleteError,)),
)
MIN_KEY_LENGTH: Final = 6
"""A shorter key is not hidden: it would match parts of ordinary words."""


class PendingTaskError(Exception):
    """A command ended before its task was downloaded; the cause says why, ``resume`` is the command that resumes it.

    ``resume`` is None for a task of the embedded sandbox, which ended with the command.
    """

    def __init__(self, family: str, task_id: str, resume: str | None) -> None:
        super().__init__(family, task_id, resume)
        self.family = family
        self.task_id = task_id
        self.resume = resume


@attrs.frozen(kw_only=True)
class Failure:
    """How a command failed: its exit code and an explanation, with the task and how to resume it where there is one."""

    code: int
    error_type: str
    message: str
    task_id: str | None = None
    resume: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the ``error`` object of ``--json``."""
        fields = {"code": self.code, "kind": self.error_type, "message": self.message}
        return fields | {name: value for name in ("task_id", "resume") if (value := getattr(self, name)) is not None}


def explain(error: BaseException) -> Failure:
    """Return the exit code and explanation for an error that ended a command."""
    if not isinstance(error, PendingTaskError):
        task_id = getattr(error, "task_id", None)
        return Failure(code=_code(error), error_type=_error_type(error), message=_message(error), task_id=task_id)
    cause = error.__cause__ or error
    task = f"{error.family} task {error.task_id}"
    if error.resume is None:
        hint = f"{task} ended with the embedded sandbox; nothing was charged"
    else:
        hint = f"{task} is paid for and not lost; resume it with: {error.resume}"
    return Failure(
        code=_code(cause),
        error_type=_error_type(cause),
        message=f"{_message(cause)}; {hint}",
        task_id=error.task_id,
        resume=error.resume,
    )


def exit_code_table() -> str:
    """Return the exit codes and their meanings, one per line."""
    rows = [(0, "success"), (BUG, "an unexpected error: a bug in this command")]
    rows += [(code, meaning) for code, meaning, _ in EXIT_CODES]
    rows += [(129, "stopped by SIGHUP: the terminal was closed")]
    rows += [(STOPPED, "stopped by Ctrl-C"), (STOPPED + 13, "stopped by SIGTERM")]
    return "\n".join(["Exit codes:", *(f"{code:>4}  {meaning}" for code, meaning in rows)])


def hide_key(text: str) -> str:
    """Return the text without the API key, in case a service repeats it in an error."""
    key = os.environ.get("MUSICAPI_KEY", "").strip().strip("\"'").rpartition(" ")[2]
    return text.replace(key, "[the key]") if len(key) >= MIN_KEY_LENGTH else text


def _code(error: BaseException) -> int:
    if isinstance(error, asyncio.CancelledError):
        return STOPPED
    if isinstance(error, UsageError):
        return USAGE
    if _is_about_the_key(error):
        return NO_KEY
    return next((code for code, _, error_types in EXIT_CODES if isinstance(error, error_types)), BUG)


def _error_type(error: BaseException) -> str:
    return "Stopped" if isinstance(error, asyncio.CancelledError) else type(error).__name__


def _is_about_the_key(error: BaseException) -> bool:
    return isinstance(error, errors.InvalidRequestError) and error.field == "api_key"


def _message(error: BaseException) -> str:
    """Return the error's message, reworded for a command line where the original speaks of Python."""
    message = str(error)
    match error:
        case asyncio.CancelledError():
            message = "stopped"
        case errors.TaskTimeoutError():
            last = f" (last status: {error.last_seen})" if error.last_seen else ""
            message = f"not finished after {error.waited:g} s{last}"
        case errors.AuthenticationError():
            message = (
                f"{error.message.rstrip('.')} (status {error.status}); "
                "check that MUSICAPI_KEY is right and belongs to this host"
            )
        case errors.InsufficientCreditsError():
            message = f"{error.message.rstrip('.')} (status {error.status}); 'musicapi credits' shows the balance"
        case errors.InvalidRequestError() if _is_about_the_key(error) and not os.environ.get("MUSICAPI_KEY"):
            message = (
                "no API key: set MUSICAPI_KEY (your key is in the service's dashboard), "
                "or try it without a key: musicapi generate 'an idea' --sandbox"
            )
        case errors.MusicAPIError() | UsageError() | IncompleteError():
            pass
        case OSError() if error.strerror:
            message = f"cannot write {error.filename}: {error.strerror}" if error.filename else error.strerror
        case _:
            message = _unexpected(error)
    return message


def _unexpected(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{where}: {error}; this is a bug in musicapi, please report it"
