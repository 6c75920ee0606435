"""The state of a task, read from the response to one poll; and the rule for polling and reading it. No I/O."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, cast

import attrs

from musicapi_async._request import TaskRequest
from musicapi_async._responses.decoding import (
    NOT_READY,
    OK,
    REFUND_KEYS,
    is_list_alone,
    is_not_ready,
    is_refunded,
    read_body,
    read_object,
    read_refund,
)
from musicapi_async._responses.error_bodies import message_in
from musicapi_async._responses.response import Response, start_of
from musicapi_async._tasks.progress import Status, TaskProgress, Until, parse_progress, ready_part
from musicapi_async.errors import InvalidRequestError, TaskFailedError
from musicapi_async.results import Clip, DownloadFiles, Songs, UploadedClip, Voice
from musicapi_async.results.clip import FAILED
from musicapi_async.wire.json import read_json

__all__ = [
    "ReportedEvent",
    "Status",
    "TaskRule",
    "TaskState",
    "Until",
    "as_final",
    "progress_of",
    "read_event",
    "read_state",
    "ready_result",
]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

COMPLETED: Final = "song.completed"
STREAMING: Final = "song.streaming"
EVENT_RESULTS: Final = (Songs, UploadedClip, DownloadFiles, Voice)
"""The results of the operations that report events."""
FAILURE_TYPES: Final = frozenset({"failed", "timeout", "forbidden", "api_error"})
FAILURE_STATUSES: Final = frozenset({"FAILED", "FAILURE"})
INNER_FAILURE_STATUSES: Final = FAILURE_STATUSES | {"ERROR"}
INNER: Final = ("data", "handledData")
NOTHING: Final[Mapping[str, object]] = {}
NO_PROGRESS: Final = TaskProgress("waiting")
REST: Final = frozenset({"status", *REFUND_KEYS, "data", "handledData"})
REPORTING: Final = REST - {"data"} | {"type", "error", "detail", "msg"}
"""The keys under which a response can report a failure, besides its message and its data."""
QUIET: Final = (None, "success")
FAILED_BY_TIMEOUT: Final = "task failed due to timeout"


@attrs.frozen(kw_only=True)
class TaskState(Generic[R_co]):
    """The state of a task at one poll.

    ``status`` is ``waiting`` (no clips yet), ``running`` (clips, not all of them done), ``incomplete`` (all clips are
    done, but fewer than expected or one without its file: a few more polls follow), ``finished`` or ``failed``.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        state = client.sonic.describe(description="lofi rain").poll()
        print(state.status, [clip.stream_url for clip in state.clips])
    ```
    """

    task_id: str
    """The task's id."""
    family: str
    """The family of its operation, such as ``sonic``."""
    status: Status
    """``waiting``, ``running``, ``incomplete``, ``finished`` or ``failed``."""
    error: TaskFailedError | None = None
    """The failure; None unless the task has failed."""
    _raw: Mapping[str, object] | bytes = attrs.field(factory=dict, repr=False, hash=False, alias="raw")
    _progress: TaskProgress = attrs.field(default=NO_PROGRESS, repr=False, eq=False, alias="progress")

    @property
    def raw(self) -> Mapping[str, object]:
        """The service's response."""
        if not isinstance(self._raw, bytes):
            return self._raw
        # Kept undecoded: as objects it would take four times the memory.
        body = read_json(self._raw)
        return body if isinstance(body, dict) else {}

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips so far, including running ones with their ``stream_url``."""
        return self._progress.clips

    @property
    def result(self) -> R_co | None:
        """The result of a finished task; of an incomplete one, the result so far. None otherwise."""
        has_result = self.error is None and self.status in {"incomplete", "finished"}
        return cast("R_co | None", self._progress.result) if has_result else None

    @property
    def is_done(self) -> bool:
        """True when the task has finished or failed: it will not change any more."""
        return self.status in {"finished", "failed"}


@attrs.frozen(repr=False, eq=False)
class TaskRule(Generic[R_co]):
    """The rule for polling and reading the tasks of an operation, and its replacement where it is retired."""

    family: str
    operation: "type[TaskRequest[R_co]] | None"
    """The request class; None for songs of an unknown operation, which can be named but not polled."""
    expected_clips: int
    result_type: "type[Any]"
    poll_path: str
    replacement: str

    @classmethod
    def of(cls, operation: type[TaskRequest[R_co]]) -> "TaskRule[R_co]":
        """Return the rule of an operation; its tasks share it."""
        rule = _rules.get(operation)
        if rule is None:
            expected, result_type, replacement = operation.expected_clips, operation.result, operation.replacement
            rule = cls(operation.family, operation, expected, result_type, operation.poll_path(), replacement)
            _rules[operation] = rule
        return cast("TaskRule[R_co]", rule)

    @classmethod
    def of_songs(cls, family: str) -> "TaskRule[Any]":
        """Return the rule that resumes a family's songs, whatever their operation."""
        return cls(family, None, 0, Songs, "", "")

    def resumption(self, task_id: str) -> str:
        """Return the Python expression that resumes a task."""
        if self.operation is None or self.result_type is Songs:
            return f"client.{self.family}.task({task_id!r})"
        return f"client.resume({self.family}.{self.operation.__name__}, {task_id!r})"


progress_of: Final[Callable[[TaskState[Any]], TaskProgress]] = attrgetter("_progress")
"""The progress that a state was read from."""
_rules: Final[dict[type[TaskRequest[Any]], TaskRule[Any]]] = {}


def read_state(task_id: str, rule: TaskRule[R_co], attempted: str, response: Response) -> TaskState[R_co]:
    """Read the response to a poll.

    Raises the typed error of a response without information about the task: a bare 5xx, an unknown id, no JSON.
    """
    parsed = read_body(response)
    body: Mapping[str, object]
    if response.status == OK and is_list_alone(parsed):
        body, is_ready = parsed, True
    else:
        reported = parsed if isinstance(parsed, dict) else {"error": parsed or start_of(response)}
        if failure := _failure_in(task_id, rule.family, response.status, reported):
            return TaskState(task_id=task_id, family=rule.family, status="failed", error=failure, raw=reported)
        body = reported if response.status == NOT_READY else read_object(attempted, response, parsed)
        if rule.result_type is Songs and isinstance(data := body.get("data"), dict) and data.get("persona_id"):
            message = f"{rule.family} task {task_id} made a voice: client.resume(sonic.CreateVoice, {task_id!r})"
            raise InvalidRequestError(message, "task_id", task_id, "a task of songs")
        is_ready = not is_not_ready(response, body)
    progress = NO_PROGRESS
    if is_ready:
        progress = parse_progress(rule.result_type, rule.expected_clips, body, response.content)
    state: TaskState[R_co] = TaskState(
        task_id=task_id, family=rule.family, status=progress.status, raw=response.content, progress=progress
    )
    return _or_failed(state, body) if progress.status in {"incomplete", "finished"} else state


@attrs.frozen(repr=False, eq=False)
class ReportedEvent:
    """A verified event of a task: its signed JSON object, and the same as bytes."""

    type: str
    task_id: str | None
    body: Mapping[str, object]
    content: bytes


def read_event(event: ReportedEvent, task_id: str, rule: TaskRule[R_co]) -> TaskState[R_co] | None:
    """Return the state that an event reports, if it is certain; None when a poll has to check it.

    A finished task with every expected clip is certain, and so is a running one that can be streamed.
    """
    if rule.result_type not in EVENT_RESULTS or event.body.get("code", OK) != OK:
        return None
    progress = parse_progress(rule.result_type, rule.expected_clips, event.body, event.content)
    is_whole = event.type == COMPLETED and progress.status == "finished"
    is_streaming = event.type == STREAMING and progress.status == "running" and progress.stage != "waiting"
    if not (is_streaming or (is_whole and not progress.has_failed_clip)):
        return None
    return TaskState(task_id=task_id, family=rule.family, status=progress.status, raw=event.content, progress=progress)


def ready_result(state: TaskState[R_co], until: Until) -> R_co | None:
    """Return the part of an unfinished result that a wait ends with; None when there is none yet."""
    return cast("R_co | None", ready_part(state._progress, until))


def as_final(state: TaskState[R_co]) -> TaskState[R_co]:
    """Return the final state for one that will not change any more, with the result so far."""
    if state._progress.grace is None:
        return state
    status: Status = "failed" if state.error else "finished"
    return attrs.evolve(state, status=status)


def _or_failed(state: TaskState[R], body: Mapping[str, object]) -> TaskState[R]:
    """Return the state; where every clip failed, the failure."""
    # Only where one has failed are the clips parsed here.
    if not state._progress.has_failed_clip or any(clip.state != FAILED for clip in state.clips):
        return state
    reason = next((clip.error for clip in state.clips if clip.error), "every clip failed")
    error = TaskFailedError(state.family, state.task_id, reason, "failed", read_refund(body, reason), None, body)
    status: Status = "failed" if state.status == "finished" else "incomplete"
    return attrs.evolve(state, status=status, error=error)


def _failure_in(task_id: str, family: str, status: int, body: Mapping[str, object]) -> TaskFailedError | None:
    """Return the failure that a body of any status reports; None when it reports none."""
    error_type = body.get("type")
    # Most responses report no failure: skip the search.
    if error_type == "not_ready" and REST.isdisjoint(body):
        return None
    if REPORTING.isdisjoint(body) and body.get("message") in QUIET and not isinstance(body.get("data"), dict):
        return None
    message = message_in(body)
    # Studio reports its task inside, under one of two names.
    inside = next((inner for name in INNER if isinstance(inner := body.get(name), dict) and inner), NOTHING)
    is_known = isinstance(error_type, str) and error_type in FAILURE_TYPES
    timed_out = message is not None and message[:4].lower() == "task" and message.lower().startswith(FAILED_BY_TIMEOUT)
    fail_reason = inside.get("fail_reason")
    # At the top level "error" may also be the status of a gateway.
    has_failed = _status_in(body) in FAILURE_STATUSES or _status_in(inside) in INNER_FAILURE_STATUSES
    if not (is_known or timed_out or has_failed or fail_reason or is_refunded(body)):
        return None
    shown_type = str(error_type) if is_known else "timeout" if timed_out else "failed"
    reason = (str(fail_reason) if fail_reason else None) or message_in(inside) or message or "it gave no reason"
    return TaskFailedError(family, task_id, reason, shown_type, read_refund(body, reason), status, body)


def _status_in(body: Mapping[str, object]) -> str:
    status = body.get("status")
    return status.upper() if isinstance(status, str) else ""
