"""How a command ends: its exit code, and one sentence on why."""

import asyncio
import os
import traceback
from pathlib import Path
from typing import Final

import attrs

from musicapi_async import errors

__all__ = ["EXITS", "Failure", "IncompleteError", "LeftAliveError", "UsageError", "explain", "hide_key", "table"]

BUG: Final = 1
USAGE: Final = 2
NO_KEY: Final = 3
STOPPED: Final = 130


class UsageError(Exception):
    """The command line asks for something that cannot be done; its text is the sentence."""


class IncompleteError(Exception):
    """A bulk run has come to its end, and not every song was made; its text is the sentence."""


# From the special to the general: the first that fits is taken.
EXITS: Final = (
    (USAGE, "the command line or a field of the request is wrong", (errors.InvalidRequestError,)),
    (NO_KEY, "no API key, or the service does not know it", (errors.AuthenticationError,)),
    (
        4,
        "not enough credits, no subscription, or --max-credits reached",
        (errors.InsufficientCreditsError, errors.SubscriptionError, errors.BudgetExceededError),
    ),
    (5, "refused, for example by moderation", (errors.PermissionDeniedError,)),
    (6, "no such task, or no longer offered", (errors.NotFoundError, errors.RetiredError)),
    (
        7,
        "no connection, too many requests, or the service is in trouble",
        (
            errors.ConnectionFailedError,
            errors.APIStatusError,
            errors.UnreadableReplyError,
            errors.BulkStoppedError,
        ),
    ),
    (8, "the task failed", (errors.TaskFailedError,)),
    (9, "not finished in time; the task is still running on the server", (errors.TaskTimeoutError,)),
    (10, "nobody can tell whether the paid request was accepted", (errors.UncertainSubmissionError,)),
    (11, "a file could not be fetched or written", (errors.DownloadError, errors.JournalError, OSError)),
    (12, "a bulk run ended, and some songs are missing", (IncompleteError,)),
)
SHORTEST_KEY: Final = 6
"""A shorter key is hidden nowhere: it would be a part of ordinary words."""


class LeftAliveError(Exception):
    """A command ended before its task was fetched; the cause is why, ``resume`` the command that goes on with it.

    ``resume`` is None when the task cannot be taken up again: it was the embedded sandbox's.
    """

    def __init__(self, family: str, task_id: str, resume: str | None) -> None:
        super().__init__(family, task_id, resume)
        self.family = family
        self.task_id = task_id
        self.resume = resume


@attrs.frozen(kw_only=True)
class Failure:
    """The end of a command that did not do what it was asked for."""

    code: int
    kind: str
    sentence: str
    task_id: str | None = None
    resume: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return what ``--json`` tells of it."""
        told = {"code": self.code, "kind": self.kind, "message": self.sentence}
        return told | {name: value for name in ("task_id", "resume") if (value := getattr(self, name)) is not None}


def explain(error: BaseException) -> Failure:
    """Say how a command ends that was ended by this error."""
    if not isinstance(error, LeftAliveError):
        task_id = getattr(error, "task_id", None)
        return Failure(code=_code(error), kind=_kind(error), sentence=_sentence(error), task_id=task_id)
    cause = error.__cause__ or error
    task = f"{error.family} task {error.task_id}"
    if error.resume is None:
        rest = f"{task} was the embedded sandbox's and ended with it; nothing was paid"
    else:
        rest = f"{task} is paid for and not lost, take it up again with: {error.resume}"
    return Failure(
        code=_code(cause),
        kind=_kind(cause),
        sentence=f"{_sentence(cause)}; {rest}",
        task_id=error.task_id,
        resume=error.resume,
    )


def table() -> str:
    """Return the exit codes and their meanings, a line each."""
    rows = [(0, "done"), (BUG, "a fault in this command"), *((code, meaning) for code, meaning, _ in EXITS)]
    rows += [(129, "stopped by SIGHUP: its terminal was closed")]
    rows += [(STOPPED, "stopped by Ctrl-C"), (STOPPED + 13, "stopped by SIGTERM")]
    return "\n".join(["Exit codes:", *(f"{code:>4}  {meaning}" for code, meaning in rows)])


def hide_key(text: str) -> str:
    """Return the text without the API key, in case a service repeats it in an error."""
    key = os.environ.get("MUSICAPI_KEY", "").strip().strip("\"'").rpartition(" ")[2]
    return text.replace(key, "[the key]") if len(key) >= SHORTEST_KEY else text


def _code(error: BaseException) -> int:
    if isinstance(error, asyncio.CancelledError):
        return STOPPED
    if isinstance(error, UsageError):
        return USAGE
    if _is_about_the_key(error):
        return NO_KEY
    return next((code for code, _, kinds in EXITS if isinstance(error, kinds)), BUG)


def _kind(error: BaseException) -> str:
    return "Stopped" if isinstance(error, asyncio.CancelledError) else type(error).__name__


def _is_about_the_key(error: BaseException) -> bool:
    return isinstance(error, errors.InvalidRequestError) and error.field == "api_key"


def _sentence(error: BaseException) -> str:
    """Return the error's own words, put so that they fit a command line where they speak of Python."""
    sentence = str(error)
    match error:
        case asyncio.CancelledError():
            sentence = "stopped"
        case errors.TaskTimeoutError():
            seen = f", last seen {error.last_seen}" if error.last_seen else ""
            sentence = f"not finished after {error.waited:g} s{seen}"
        case errors.AuthenticationError():
            sentence = f"{error.message} (status {error.status}): check MUSICAPI_KEY, and that it belongs to this host"
        case errors.InsufficientCreditsError():
            sentence = f"{error.message.rstrip('.')} (status {error.status}); 'musicapi credits' shows the balance"
        case errors.InvalidRequestError() if _is_about_the_key(error) and not os.environ.get("MUSICAPI_KEY"):
            sentence = (
                "no API key: set MUSICAPI_KEY (your key is in the service's dashboard), "
                "or try it without one: musicapi generate 'an idea' --sandbox"
            )
        case errors.MusicAPIError() | UsageError() | IncompleteError():
            pass
        case OSError() if error.strerror:
            sentence = f"cannot write {error.filename}: {error.strerror}" if error.filename else error.strerror
        case _:
            sentence = _fault(error)
    return sentence


def _fault(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{where}: {error}; this is a fault in musicapi, please report it"
