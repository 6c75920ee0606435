"""One call of an endpoint: its request, and the progress of its attempts. No I/O."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import attrs

from musicapi_async._responses.response import Response
from musicapi_async._tracing import http_attributes
from musicapi_async._transport.retry import RequestClass

__all__ = ["Call", "SubmissionHook"]


class SubmissionHook(Protocol):
    """Hook called around a submission. If a coroutine or ``check`` raises, the request is not sent."""

    async def turn(self) -> None:
        """Wait until it may be this submission's turn; nothing of the client is occupied meanwhile."""
        ...

    async def before_send(self) -> bool:
        """Record that the request is about to be sent; return False when it must wait for another ``turn``."""
        ...

    def check(self) -> None:
        """Raise an error of the package when the request may not be sent any more; nothing is sent then.

        Called right before the first byte is written.
        """
        ...

    async def refused(self, seconds: float) -> None:
        """Record that the service wants no submission of the account for so many seconds."""
        ...

    async def not_accepted(self) -> None:
        """Record that the request was certainly not accepted, and may be sent again."""
        ...

    def accepted(self, task_id: str) -> None:
        """Note the task of a request, before anything can end the call that returns it."""
        ...


@attrs.define(kw_only=True, eq=False)
class Call:
    """One call of an endpoint, which is sent once or several times.

    Times are event-loop time in seconds, except ``sent_at``.
    """

    method: str
    path: str
    attempted: str
    """The method and the path, for errors and the log."""
    body: Mapping[str, object] | None = attrs.field(default=None, repr=False)
    request_class: RequestClass = RequestClass.READ
    """SUBMISSION while an attempt may be charged; polls for a file that is being prepared are free."""
    request: object = attrs.field(default=None, repr=False)
    """The request value, for an UncertainSubmissionError."""
    reference: str | None = attrs.field(default=None, repr=False)
    """The reference in the URL to which the service reports the submission; None where it reports to none of ours."""
    hook: SubmissionHook | None = attrs.field(default=None, repr=False)
    is_retried: bool = True
    """False for a call of a single attempt, whatever its outcome."""
    min_timeout: float = 0.0
    """The minimum time limit of each attempt, in seconds."""
    replacement: str = ""
    """The operation to use when the service has retired this one."""

    attempts: int = 0
    """The number of attempts so far."""
    response: Response | None = attrs.field(default=None, repr=False)
    """The response to the last attempt, whatever its status; None without a complete one."""
    is_uncertain: bool = False
    """True when it is not known whether the request was accepted."""
    deadline: float = 0.0
    """The latest start of a retry."""
    preparing_since: float | None = None
    """The time of the first response that says the file is being prepared; None before."""
    dispatched_at: float = 0.0
    """The time at which the submission left the queue."""
    waited: float = 0.0
    """The seconds it spent in the queue."""
    sent_at: datetime | None = None
    """The time just before the first byte of a submission was written; None while it was certainly not accepted."""
    task_id: str | None = None
    """The id of the accepted task."""
    cancellation: asyncio.CancelledError | None = None
    """The caller's cancellation while its submission was in flight: to be raised after reading the response."""

    def describe(self, base_url: str) -> dict[str, str | int | bool | None]:
        """Return the attributes of its span, as far as they are known."""
        status, request_id = (None, None) if self.response is None else (self.response.status, self.response.request_id)
        return http_attributes(self.method, base_url + self.path, status, self.attempts) | {
            "musicapi.request.id": request_id,
            "musicapi.task.id": self.task_id,
            "musicapi.uncertain": self.is_uncertain or None,
        }

    def note_sent(self) -> None:
        """Note that the first byte of a submission is written next; raises what the hook's ``check`` does."""
        if self.hook is not None:
            self.hook.check()
        self.sent_at = datetime.now(UTC)
