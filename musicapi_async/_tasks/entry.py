"""The poller's record of one task."""

from typing import TYPE_CHECKING, Any, Final

from musicapi_async._logger import logger
from musicapi_async._notices import call_hook
from musicapi_async._tasks.schedule import Polling
from musicapi_async._tasks.state import TaskRule, TaskState
from musicapi_async._transport.retry import RequestClass, RetryDecision, decide
from musicapi_async.errors import (
    ClientClosedError,
    ConnectionFailedError,
    GatewayError,
    InsufficientCreditsError,
    InvalidResponseError,
    NotFoundError,
)
from musicapi_async.results import Clip, Songs

if TYPE_CHECKING:
    # It loads the HTTP library, which only a client needs.
    from musicapi_async._transport.caller import Caller

__all__ = ["Entry"]

NOT_VISIBLE_YET: Final = 60.0
"""Seconds after acceptance in which the service may not know the task yet."""
TRANSIENT: Final = (ConnectionFailedError, GatewayError, InsufficientCreditsError, InvalidResponseError)


class Entry:
    """The poller's record of one task: the rule for polling it, its schedule and its last state."""

    __slots__ = (
        "accepted_at",
        "caller",
        "end",
        "finished_clips",
        "id",
        "is_reported",
        "polling",
        "rule",
        "slot",
        "timing_key",
    )

    def __init__(
        self,
        task_id: str,
        rule: TaskRule[Any],
        caller: "Caller | None",
        timing_key: str = "",
        accepted_at: float | None = None,
        *,
        is_reported: bool = False,
    ) -> None:
        self.id: str = task_id
        self.rule: TaskRule[Any] = rule
        self.caller: "Caller | None" = caller
        """None for an unpickled task, which belongs to no poller."""
        self.timing_key: str = timing_key
        """The key of the duration estimates: tasks with the same key take about as long."""
        self.accepted_at: float | None = accepted_at
        """Event-loop time of its acceptance; None for a task resumed from its id."""
        self.is_reported: bool = is_reported
        """True when the service sends the events of the task to this client."""
        self.end: TaskState[Any] | None = None
        self.finished_clips: tuple[Clip, ...] = ()
        """The clips that were finished at the last poll of an unfinished task."""
        self.polling: Polling | None = None
        """None before the first wait, and after an error that ended all waits."""
        self.slot: int | None = None

    @property
    def resumption(self) -> str:
        """The Python expression that resumes the task."""
        return self.rule.resumption(self.id)

    @property
    def poll_interval(self) -> float | None:
        """The fixed interval of its polls, which a view may set; None for one by the estimates."""
        return None if self.caller is None else self.caller.settings.poll_interval

    @property
    def operation(self) -> str:
        """The name of the operation that started it; of resumed songs only the family is known."""
        named = self.rule.operation
        if self.timing_key or named is None or self.rule.result_type is Songs:
            return self.timing_key.partition(" ")[0] or self.rule.family
        return named.operation_name

    def describe(self) -> dict[str, str | int | bool | None]:
        """Return the attributes of a span, as far as they are known."""
        return {
            "musicapi.task.id": self.id,
            "musicapi.operation": self.operation,
            "musicapi.model": self.timing_key.partition(" ")[2] or None,
            "musicapi.task.state": None if self.end is None else self.end.status,
        }

    def record_end(self, state: TaskState[Any]) -> None:
        """Keep the final state, for later waits."""
        # From now on it cannot be refunded, which matters when an uncertain request is investigated.
        if self.caller is not None:
            self.caller.activity.record_end(self.id, is_failed=state.error is not None)
        self.finished_clips = ()
        self.end = state

    def report(self, state: TaskState[Any]) -> None:
        """Call ``on_poll``; log what it raises, also SystemExit, which would end the event loop under all waits."""
        if self.caller is not None:
            try:
                call_hook("on_poll", self.caller.settings.on_poll, state, self)
            except SystemExit as end:
                logger.error("on_poll raised %r on: %s", end, self)

    def with_resume_hint(self, error: Exception) -> Exception:
        """Return the error that ends a wait, with a note that names the task and how to resume it."""
        if isinstance(error, NotFoundError) and self.accepted_at is None:
            return error  # an id from elsewhere, which may be wrong: nothing says that it was paid for
        note = f"{self} is paid for, and may still be running on the server: {self.resumption}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        return error

    def is_not_visible_yet(self, error: Exception, now: float) -> bool:
        """Return True if a poll did not find the task because it was accepted only a moment ago."""
        if not isinstance(error, NotFoundError) or self.accepted_at is None:
            return False
        return now - self.accepted_at < NOT_VISIBLE_YET

    @staticmethod
    def is_transient(error: Exception) -> bool:
        """Return True if the error of a poll gives no information about the task."""
        # The account's balance does not affect a task that is already paid for.
        return isinstance(error, TRANSIENT) or decide(RequestClass.READ, error) is RetryDecision.RETRY

    def closed_error(self) -> ClientClosedError:
        """Return the error of a wait that ends because its client is closed."""
        return ClientClosedError(self.rule.family, self.id, self.resumption)

    def __str__(self) -> str:
        """Return the family and the id of the task."""
        return f"{self.rule.family} task {self.id}"
