"""Errors about what is paid for: a submission, a task, a file, or a run of many. No I/O."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

import attrs

from musicapi_async._bounds import bounded_body
from musicapi_async.errors.base import MusicAPIError, resumption_of, short_code, short_message, short_reason

if TYPE_CHECKING:
    from musicapi_async.results import Clip

__all__ = [
    "BudgetExceededError",
    "BulkStoppedError",
    "DownloadError",
    "JournalError",
    "NotReadyError",
    "TaskFailedError",
    "TaskTimeoutError",
    "UncertainSubmissionError",
]

REFUND_SENTENCES: Final[dict[bool | None, str]] = {
    True: "its credits were refunded",
    False: "its credits were not refunded",
    None: "the response does not say whether its credits were refunded: check your balance",
}


@attrs.define(slots=False, repr=False)
class UncertainSubmissionError(MusicAPIError):
    """A paid request was sent, and no response says whether the service accepted it.

    Raised when the connection breaks or the time is up after the request was sent, and for a response that reports
    neither a task nor a refusal, such as a 500. It is not sent again: a repeated request could be charged twice.
    ``client.investigate(error)`` compares the balance with the last one that was fetched; the service's dashboard shows
    the outcome.

    ```python
    from musicapi_sync import MusicAPI, errors

    with MusicAPI() as client:
        client.account.credits()  # a balance to compare with
        try:
            task = client.sonic.describe(description="lofi rain")
        except errors.UncertainSubmissionError as error:
            print(error.when, error.request, client.investigate(error).verdict)
    ```
    """

    _advice: ClassVar[str] = "Compare your credits (client.investigate(error)) before you send it again"

    attempted: str
    """The method and the path of the request."""
    request: object
    """The request value, such as a ``sonic.Create``."""
    reason: str = attrs.field(converter=short_reason)
    """The failure that occurred instead of a usable response; at most 1000 characters."""
    when: datetime
    """The time at which the request was sent, in UTC."""
    status: int | None = None
    """The status of the response; None without a response."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, cut to its informative part where it exceeds 4000 bytes, or the first 4000 bytes of another
    response; None without one."""
    balance: float | None = None
    """The credits that ``client.account.credits()`` last returned to this client; None when it was not called."""
    balance_at: datetime | None = None
    """The time of that balance, in UTC; None together with ``balance``."""
    reference: str | None = attrs.field(default=None, repr=False)
    """The reference in the URL to which the service reports the submission, for ``client.webhooks.recover(error)``;
    None where it reports to no URL of this client."""

    def __str__(self) -> str:
        return self._sentences(
            f"{self.attempted} at {self.when:%Y-%m-%d %H:%M:%S %Z} may have been accepted and charged: {self.reason}; "
            "it was not sent again"
        )


@attrs.define(slots=False, repr=False)
class TaskFailedError(MusicAPIError):
    """The task has failed, as the service reports.

    Raised by a wait for a task of which nothing can be used. Where one clip of two has failed, the wait returns the
    other one, and ``songs.failed`` holds the failed one.

    ```python
    from musicapi_sync import MusicAPI, errors

    with MusicAPI() as client:
        try:
            songs = client.sonic.describe(description="lofi rain").wait()
        except errors.TaskFailedError as error:
            print(error.task_id, error.message, error.refunded)
    ```
    """

    _advice: ClassVar[str] = "Submitting the request again is a new payment"

    family: str
    """The family of the task's operation, such as ``sonic``."""
    task_id: str
    """The id of the task."""
    message: str = attrs.field(converter=short_message)
    """The service's own sentence, at most 500 characters."""
    type: str = attrs.field(default="failed", converter=short_code)
    """The service's name for the failure: ``failed``, ``timeout``, ``forbidden``, ``api_error``, or another one."""
    refunded: bool | None = None
    """True when the response clearly reports that the credits were refunded, False when it reports that they were not,
    None when it does not say (the service documents that failed tasks are refunded)."""
    status: int | None = None
    """The status of the response; None where it is not known."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, cut to its informative part where it exceeds 4000 bytes; None without one."""

    def __str__(self) -> str:
        refund = REFUND_SENTENCES[self.refunded]
        failure = f"the service gave up on {self.family} task {self.task_id}: {self.message} ({self.type})"
        return self._sentences(f"{failure}; {refund}")


@attrs.define(slots=False, repr=False)
class TaskTimeoutError(MusicAPIError, TimeoutError):
    """A wait timed out; the task is paid for and still running on the server.

    Raised by a wait at its ``timeout``. Waiting again is free, from any process.

    ```python
    from musicapi_sync import MusicAPI, errors

    with MusicAPI() as client:
        task = client.sonic.describe(description="lofi rain")
        try:
            songs = task.wait(timeout=120)
        except errors.TaskTimeoutError as error:
            print(error.task_id, error.clips)
            songs = client.sonic.task(error.task_id).wait()
    ```
    """

    _advice: ClassVar[str] = "Wait again, or resume it later with {resumption}"

    family: str
    """The family of the task's operation, such as ``sonic``."""
    task_id: str
    """The id of the task."""
    waited: float
    """Seconds that this wait took."""
    last_seen: str | None = None
    """The status of the task at the last poll; None when no poll succeeded."""
    resumption: str = attrs.field(
        default=attrs.Factory(lambda self: resumption_of(self.family, self.task_id), takes_self=True)
    )
    """The Python expression that resumes the task, for a client named ``client``."""
    clips: "tuple[Clip, ...]" = ()
    """The clips that were finished at the last poll; empty where none was."""

    def __str__(self) -> str:
        seen = f", last seen {self.last_seen}" if self.last_seen else ""
        if self.clips:
            seen += f", {len(self.clips)} clip{'s'[: len(self.clips) != 1]} of it finished (error.clips)"
        return self._sentences(
            f"{self.family} task {self.task_id} is not finished after {self.waited:g} s{seen}; it is paid for and "
            "still running on the server"
        )


@attrs.define(slots=False, repr=False)
class NotReadyError(MusicAPIError, TimeoutError):
    """A file is still being prepared, and is paid for.

    Raised by ``sonic.midi`` and ``sonic.download`` when the file is not ready after three minutes.
    """

    _advice: ClassVar[str] = "Try again later"

    attempted: str
    """The method and the path of the request."""
    waited: float = 0.0
    """Seconds since the first request for the file."""

    def __str__(self) -> str:
        return self._sentences(f"{self.attempted}: still being prepared after {self.waited:g} s")


@attrs.define(slots=False, repr=False)
class DownloadError(MusicAPIError):
    """A file could not be fetched or written; nothing is left under its final name.

    Raised by ``client.download``, ``client.read`` and ``client.stream`` when the attempts are used up, the file is
    refused or is not what its host announced, or the disk does not take it.
    """

    _advice: ClassVar[str] = "Downloading again is free"

    source: str
    """The URL, or the clip."""
    path: str | None
    """The target file; None if the error occurred before it was determined."""
    reason: str = attrs.field(converter=short_reason)
    """The failure; at most 1000 characters."""
    status: int | None = None
    """The status of the response; None without a response."""

    def __str__(self) -> str:
        target = f" to {self.path}" if self.path else ""
        return self._sentences(f"cannot download {self.source}{target}: {self.reason}")


@attrs.define(slots=False, repr=False)
class BudgetExceededError(MusicAPIError):
    """A bulk run submits nothing more: the next song would exceed its credit limit.

    Raised by ``bulk.run`` after the outcomes of all tasks in flight.
    """

    _advice: ClassVar[str] = "A run with a higher limit continues from here"

    limit: float
    """The limit in credits (``max_credits``)."""
    spent: float
    """Credits spent so far, in all runs on the journal."""
    price: float
    """Price of the next song in credits."""

    def __str__(self) -> str:
        return self._sentences(
            f"max_credits is {self.limit:g}, {self.spent:g} are spent, and the next song costs {self.price:g}: "
            "nothing more is submitted"
        )


@attrs.define(slots=False, repr=False)
class BulkStoppedError(MusicAPIError):
    """A bulk run submits nothing more; its paid requests are in its journal.

    Raised by ``bulk.run`` when so many tasks in a row do not finish in time, or cannot be found, that the cause is
    hardly the requests themselves.
    """

    _advice: ClassVar[str] = "A later run resumes the paid tasks"

    reason: str
    """The observation that stopped it."""

    def __str__(self) -> str:
        return self._sentences(f"{self.reason}. Nothing more is submitted")


@attrs.define(slots=False, repr=False)
class JournalError(MusicAPIError):
    """A bulk run's journal cannot be used; nothing was sent because of it.

    Raised when the journal is in use by another run, belongs to another service or another version of this package, is
    damaged, or cannot be read or written. The reason says what to do.
    """

    path: str
    """The file of the journal, or its name."""
    reason: str
    """Why it cannot be used."""

    def __str__(self) -> str:
        return self._sentences(f"the journal {self.path}: {self.reason}")
