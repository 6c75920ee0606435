"""Exit codes, and the one sentence that explains a failure."""

import asyncio
import errno
import os
import traceback
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import errors
from musicapi_async._secrets import without_password

__all__ = [
    "EXIT_CODES",
    "Failure",
    "IncompleteError",
    "PendingTaskError",
    "UsageError",
    "cannot_listen",
    "describe",
    "exit_code_table",
    "explain",
    "hide_secrets",
]

BUG: Final = 1
USAGE: Final = 2
NO_KEY: Final = 3
STOPPED: Final = 130


class UsageError(Exception):
    """The command line is not valid; the text says what to change."""


class IncompleteError(Exception):
    """A bulk run has ended with some songs missing; the text says how many and what to do."""


# From the special to the general: the first match is used.
EXIT_CODES: Final = (
    (
        USAGE,
        "an option or a field is invalid, or an extra is not installed",
        (errors.InvalidRequestError, errors.MissingExtraError),
    ),
    (NO_KEY, "the API key is missing or was rejected", (errors.AuthenticationError,)),
    (
        4,
        "too few credits, no subscription, or --max-credits reached",
        (errors.InsufficientCreditsError, errors.SubscriptionError, errors.BudgetExceededError),
    ),
    (5, "the request was refused, for example by moderation", (errors.PermissionDeniedError,)),
    (6, "the task was not found, or the operation is retired", (errors.NotFoundError, errors.RetiredError)),
    (
        7,
        "no connection, rate limit, or failure of the service",
        (
            errors.ConnectionFailedError,
            errors.APIStatusError,
            errors.InvalidResponseError,
            errors.BulkStoppedError,
        ),
    ),
    (8, "the task failed", (errors.TaskFailedError,)),
    (9, "timeout; the task is still running on the server", (errors.TaskTimeoutError,)),
    (10, "uncertain: the request may have been accepted and charged", (errors.UncertainSubmissionError,)),
    (
        11,
        "a file could not be downloaded, written or tagged",
        (errors.DownloadError, errors.JournalError, errors.TagError, OSError),
    ),
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
    """The failure of a command: its exit code and explanation, its task and the command that resumes it, if any."""

    code: int
    error_type: str
    message: str
    task_id: str | None = None
    resume: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the ``error`` object of ``--json``."""
        fields = {"code": self.code, "type": self.error_type, "message": self.message}
        return fields | {name: value for name in ("task_id", "resume") if (value := getattr(self, name)) is not None}


def explain(error: BaseException) -> Failure:
    """Return the exit code and explanation for an error that ended a command."""
    if not isinstance(error, PendingTaskError):
        task_id = getattr(error, "task_id", None)
        return Failure(code=_code(error), error_type=_error_type(error), message=describe(error), task_id=task_id)
    cause = error.__cause__ or error
    is_named = isinstance(cause, errors.TaskTimeoutError)
    task = "it" if is_named else f"{error.family} task {error.task_id}"
    if error.resume is None:
        hint = f"{task} ended with the embedded sandbox; nothing was charged"
    else:
        state = "still running on the server" if is_named else "not lost"
        hint = f"{task} is paid for and {state}; resume it with: {error.resume}"
    return Failure(
        code=_code(cause),
        error_type=_error_type(cause),
        message=f"{describe(cause)}; {hint}",
        task_id=error.task_id,
        resume=error.resume,
    )


def cannot_listen(what: str, error: OSError, options: str = "--port or --host") -> UsageError:
    """Return the error of a command whose server cannot listen at the address that these options name."""
    # asyncio's own text repeats the address in Python's notation.
    reason = "the port is already in use" if error.errno == errno.EADDRINUSE else error.strerror or error
    return UsageError(f"{what} cannot listen: {reason}; try another {options}")


def exit_code_table() -> str:
    """Return the exit codes and their meanings, one per line."""
    rows = [(0, "success"), (BUG, "an unexpected error: a bug in this command")]
    rows += [(code, meaning) for code, meaning, _ in EXIT_CODES]
    rows += [(129, "stopped by SIGHUP: the terminal was closed")]
    rows += [(STOPPED, "stopped by Ctrl-C"), (STOPPED + 13, "stopped by SIGTERM")]
    return "\n".join(["Exit codes:", *(f"{code:>4}  {meaning}" for code, meaning in rows)])


def hide_secrets(text: str) -> str:
    """Return the text without the API key, in case a service repeats it in an error, and passwords in addresses."""
    key = os.environ.get("MUSICAPI_KEY", "").strip().strip("\"'").rpartition(" ")[2]
    return without_password(text.replace(key, "[the key]") if len(key) >= MIN_KEY_LENGTH else text)


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


def describe(error: BaseException) -> str:
    """Return an error's message for a user of the command line: without Python names, and with what to do next."""
    match error:
        case asyncio.CancelledError():
            return "stopped"
        case errors.MusicAPIError():
            return _describe_api_error(error)
        case UsageError() | IncompleteError():
            return str(error)
        case OSError() if error.strerror:
            return f"cannot write {error.filename}: {error.strerror}" if error.filename else error.strerror
        case _:
            return _unexpected(error)


def _describe_api_error(error: errors.MusicAPIError) -> str:
    message = str(error)
    match error:
        case errors.TaskTimeoutError():
            last = f" (last status: {error.last_seen})" if error.last_seen else ""
            message = f"{error.family} task {error.task_id} is not finished after {error.waited:g} s{last}"
        case errors.UncertainSubmissionError():
            named = f"; the response names {', '.join(error.task_ids)}" if error.task_ids else ""
            message = (
                f"a paid request sent at {error.when:%H:%M:%S %Z} may have been accepted and charged: {error.reason}; "
                f"it was not sent again; check the service's dashboard and 'musicapi credits' before you do so{named}"
            )
        case errors.AuthenticationError():
            advice = "check that MUSICAPI_KEY is right and belongs to this host"
            message = f"{_reason(error)}; {advice}"
        case errors.InsufficientCreditsError():
            message = f"{_reason(error)}; 'musicapi credits' shows the balance"
        case errors.NotFoundError():
            advice = "check the id and --family, and that MUSICAPI_KEY and MUSICAPI_BASE_URL are those of the task"
            message = f"{_reason(error)}; {advice}"
        case errors.BudgetExceededError():
            message = (
                f"--max-credits is {error.limit:g} and {error.spent:g} are spent; the next song costs {error.price:g}, "
                "so nothing more is sent; raise the limit to continue"
            )
        case errors.GatewayError():
            message = message.replace("Check base_url", "Check MUSICAPI_BASE_URL")
        case errors.InvalidRequestError():
            message = _describe_invalid(error)
    return message


def _describe_invalid(error: errors.InvalidRequestError) -> str:
    if _is_about_the_key(error) and not os.environ.get("MUSICAPI_KEY"):
        return (
            "no API key: set MUSICAPI_KEY (your key is in the service's dashboard), "
            "or try it without a key: musicapi generate 'an idea' --sandbox"
        )
    # A command takes the address from the environment alone.
    return str(error).replace("base_url", "MUSICAPI_BASE_URL", 1) if error.field == "base_url" else str(error)


def _reason(error: errors.APIStatusError) -> str:
    return f"{error.message.rstrip('.')} (status {error.status})"


def _unexpected(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{where}: {error}; this is a bug in musicapi, please report it"
