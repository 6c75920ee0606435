"""What one look at a task tells: pure (contract, decisions 7 to 10)."""

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar, cast

import attrs

from musicapi_async._request import TaskRequest
from musicapi_async._tasks.shapes import Seen, Status, see
from musicapi_async._transport.decoding import (
    NOT_READY,
    REFUND_KEYS,
    is_not_ready,
    is_refunded,
    read_body,
    read_object,
    read_refund,
)
from musicapi_async._transport.error_bodies import message_in
from musicapi_async._transport.response import Response, start_of
from musicapi_async.errors import InvalidRequestError, TaskFailedError
from musicapi_async.results import Clip, Songs
from musicapi_async.results.clip import FAILED
from musicapi_async.wire.json import read_json

__all__ = ["Status", "TaskRule", "TaskState", "read_state", "settled"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

FAILURE_TYPES: Final = frozenset({"failed", "timeout", "forbidden", "api_error"})
FAILURE_WORDS: Final = frozenset({"FAILED", "FAILURE"})
INNER_FAILURE_WORDS: Final = FAILURE_WORDS | {"ERROR"}
INNER: Final = ("data", "handledData")
NOTHING: Final[Mapping[str, object]] = {}
NOTHING_SEEN: Final = Seen("waiting")
REST: Final = frozenset({"status", *REFUND_KEYS, "data", "handledData"})
TELLING: Final = REST - {"data"} | {"type", "error", "detail", "msg"}
"""Where a look can tell of a failure, besides its message and its data."""
QUIET: Final = (None, "success")
FAILED_BY_TIMEOUT: Final = "task failed due to timeout"


@attrs.frozen(kw_only=True)
class TaskState(Generic[R_co]):
    """One look at a task.

    - ``status``: ``waiting`` (nothing to see yet), ``running`` (there are clips, not all done), ``incomplete`` (all
      that is there is done, but fewer clips than promised, or one without its file: worth a few more looks),
      ``finished``, ``failed``.
    - ``clips``: what is there now, running clips with their ``stream_url`` included.
    - ``result``: set when finished; when incomplete, what would be handed over.
    - ``error``: set when failed. ``raw``: the service's reply.
    """

    task_id: str
    family: str
    status: Status
    error: TaskFailedError | None = None
    _raw: Mapping[str, object] | bytes = attrs.field(factory=dict, repr=False, hash=False, alias="raw")
    _seen: Seen = attrs.field(default=NOTHING_SEEN, repr=False, eq=False, alias="seen")

    @property
    def raw(self) -> Mapping[str, object]:
        """The service's reply."""
        if not isinstance(self._raw, bytes):
            return self._raw
        # It is kept as it came: read into objects it takes four times the room.
        body = read_json(self._raw)
        return body if isinstance(body, dict) else {}

    @property
    def clips(self) -> tuple[Clip, ...]:
        """What is there of the clips."""
        return self._seen.clips

    @property
    def result(self) -> R_co | None:
        """What the task made."""
        is_there = self.error is None and self.status in {"incomplete", "finished"}
        return cast("R_co | None", self._seen.result) if is_there else None

    @property
    def is_done(self) -> bool:
        """True when the service will not go on with this task."""
        return self.status in {"finished", "failed"}


@attrs.frozen
class TaskRule(Generic[R_co]):
    """How tasks of an operation are looked at: for how many clips of what, where, and what to use instead of it."""

    family: str
    promised: int
    result: "type[Any]"
    look: str
    instead: str
    called: str
    """The request class as users write it."""

    @classmethod
    def of(cls, request: type[TaskRequest[R_co]]) -> "TaskRule[R_co]":
        """Return the rule of an operation; its tasks share it."""
        rule = _rules.get(request)
        if rule is None:
            family = request.family()
            called = f"{family}.{request.__name__}"
            rule = cls(family, request.promised, request.result, request.look_path(), request.instead, called)
            _rules[request] = rule
        return cast("TaskRule[R_co]", rule)

    @classmethod
    def of_songs(cls, family: str) -> "TaskRule[Any]":
        """Return the rule of a family's songs, whatever operation they come from: it resumes them."""
        return cls(family, 0, Songs, "", "", "")

    def resumption(self, task_id: str) -> str:
        """Write how a task is taken up again."""
        if self.result is Songs:
            return f"client.{self.family}.task({task_id!r})"
        return f"client.resume({self.called}, {task_id!r})"


_rules: Final[dict[type[TaskRequest[Any]], TaskRule[Any]]] = {}


def read_state(task_id: str, rule: TaskRule[R_co], attempted: str, reply: Response) -> TaskState[R_co]:
    """Read a look's reply.

    Raises the typed error of a reply that tells nothing about the task: a bare 5xx, an unknown id, no JSON.
    """
    parsed = read_body(reply)
    told = parsed if isinstance(parsed, dict) else {"error": parsed or start_of(reply)}
    if failure := _failure_in(task_id, rule.family, reply.status, told):
        return TaskState(task_id=task_id, family=rule.family, status="failed", error=failure, raw=told)
    body = told if reply.status == NOT_READY else read_object(attempted, reply, parsed)
    if rule.result is Songs and isinstance(data := body.get("data"), dict) and data.get("persona_id"):
        message = f"{rule.family} task {task_id} made a voice: client.resume(sonic.CreateVoice, {task_id!r})"
        raise InvalidRequestError(message, "task_id", task_id, "a task of songs")
    seen = NOTHING_SEEN if is_not_ready(reply, body) else see(rule.result, rule.promised, body, reply.content)
    state: TaskState[R_co] = TaskState(
        task_id=task_id, family=rule.family, status=seen.status, raw=reply.content, seen=seen
    )
    return _or_failed(state, body) if seen.status in {"incomplete", "finished"} else state


def settled(state: TaskState[R_co]) -> TaskState[R_co]:
    """Take a state as final that nothing more will come of: hand over what is there."""
    if state._seen.grace is None:
        return state
    status: Status = "failed" if state.error else "finished"
    return attrs.evolve(state, status=status)


def _or_failed(state: TaskState[R], body: Mapping[str, object]) -> TaskState[R]:
    """Return the state; where every clip failed, the failure (decision 9)."""
    if not state.clips or any(clip.state != FAILED for clip in state.clips):
        return state
    reason = next((clip.error for clip in state.clips if clip.error), "every clip failed")
    error = TaskFailedError(state.family, state.task_id, reason, "failed", read_refund(body, reason), None, body)
    status: Status = "failed" if state.status == "finished" else "incomplete"
    return attrs.evolve(state, status=status, error=error)


def _failure_in(task_id: str, family: str, status: int, body: Mapping[str, object]) -> TaskFailedError | None:
    """Find the service's word that it gave up, in a body of any status."""
    kind = body.get("type")
    # Most looks need not be searched.
    if kind == "not_ready" and REST.isdisjoint(body):
        return None
    if TELLING.isdisjoint(body) and body.get("message") in QUIET and not isinstance(body.get("data"), dict):
        return None
    message = message_in(body)
    # Studio tells of its task inside, under one of two names.
    inside = next((inner for name in INNER if isinstance(inner := body.get(name), dict) and inner), NOTHING)
    is_type = isinstance(kind, str) and kind in FAILURE_TYPES
    timed_out = message is not None and message[:4].lower() == "task" and message.lower().startswith(FAILED_BY_TIMEOUT)
    fail_reason = inside.get("fail_reason")
    # Outside, "error" is also what a gateway says of itself.
    by_word = _word(body) in FAILURE_WORDS or _word(inside) in INNER_FAILURE_WORDS
    if not (is_type or timed_out or by_word or fail_reason or is_refunded(body)):
        return None
    error_type = str(kind) if is_type else "timeout" if timed_out else "failed"
    reason = (str(fail_reason) if fail_reason else None) or message_in(inside) or message or "it gave no reason"
    return TaskFailedError(family, task_id, reason, error_type, read_refund(body, reason), status, body)


def _word(place: Mapping[str, object]) -> str:
    word = place.get("status")
    return word.upper() if isinstance(word, str) else ""
