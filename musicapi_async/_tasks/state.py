"""What one look at a task tells: pure (contract, decisions 7 to 10)."""

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, TypeVar

import attrs

from musicapi_async._operation import TaskRequest
from musicapi_async._transport.replies import FIRST_BYTES, Reply, message_in, read_body, read_object
from musicapi_async._transport.wire import read_result
from musicapi_async.errors import TaskFailedError
from musicapi_async.results import Clip
from musicapi_async.results.clip import FAILED, SUCCEEDED
from musicapi_async.results.lenient import items

__all__ = ["Status", "TaskRule", "TaskState", "read_state", "settled"]

R_co = TypeVar("R_co", covariant=True)

Status = Literal["waiting", "running", "incomplete", "finished", "failed"]

NOT_READY: Final = 202
FAILURE_TYPES: Final = frozenset({"failed", "timeout", "forbidden", "api_error"})
FAILURE_WORDS: Final = frozenset({"FAILED", "FAILURE"})
REFUND_KEYS: Final = ("already_refunded", "refund_processed")
# Only close before the word: "it could not be made; its credits were refunded" says that they were.
NOT_REFUNDED: Final = re.compile(r"(?:\bnot|\bnever|n\Wt)\s+(?:\w+\s+){0,3}refunded", re.IGNORECASE)
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
    clips: tuple[Clip, ...] = ()
    result: R_co | None = None
    error: TaskFailedError | None = None
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, eq=False)

    @property
    def is_done(self) -> bool:
        """True when the service will not go on with this task."""
        return self.status in {"finished", "failed"}


@attrs.frozen
class TaskRule(Generic[R_co]):
    """How tasks of an operation are looked at: where, for how many clips, and what they become."""

    family: str
    promised: int
    result: "type[Any]"

    @classmethod
    def of(cls, request: type[TaskRequest[R_co]]) -> "TaskRule[R_co]":
        """Return the rule of an operation: its family is the first part of its path."""
        return cls(family=request.path.split("/")[1], promised=request.promised, result=request.result)


def read_state(task_id: str, rule: TaskRule[R_co], attempted: str, reply: Reply) -> TaskState[R_co]:
    """Read a look's reply.

    Raises the typed error of a reply that tells nothing about the task: a bare 5xx, an unknown id, no JSON.
    """
    parsed = read_body(reply)
    told = parsed if isinstance(parsed, dict) else {"error": parsed or _start_of(reply)}
    if failure := _failure_in(task_id, rule.family, reply.status, told):
        return TaskState(task_id=task_id, family=rule.family, status="failed", error=failure, raw=told)
    body = read_object(attempted, reply, parsed)
    rows = () if reply.status == NOT_READY or body.get("type") == "not_ready" else items(body.get("data"))
    clips = tuple(read_result(row, Clip) for row in rows)
    status = _status_of(clips, rule.promised)
    state: TaskState[R_co] = TaskState(task_id=task_id, family=rule.family, status=status, clips=clips, raw=body)
    return _with_result(state, rule) if status in {"incomplete", "finished"} else state


def settled(state: TaskState[R_co]) -> TaskState[R_co]:
    """Take an incomplete state as final: hand over what is there."""
    return (
        attrs.evolve(state, status="failed" if state.error else "finished") if state.status == "incomplete" else state
    )


def _status_of(clips: tuple[Clip, ...], promised: int) -> Status:
    if not clips:
        return "waiting"
    if not all(clip.is_done for clip in clips):
        return "running"
    whole = len(clips) >= promised and all(clip.audio_url for clip in clips if clip.state == SUCCEEDED)
    return "finished" if whole else "incomplete"


def _with_result(state: TaskState[R_co], rule: TaskRule[R_co]) -> TaskState[R_co]:
    """Add the result; where every clip failed, the failure (decision 9)."""
    if any(clip.state != FAILED for clip in state.clips):
        result: R_co = rule.result.from_clips(state.clips)
        return attrs.evolve(state, result=result)
    reason = next((clip.error for clip in state.clips if clip.error), "every clip failed")
    error = TaskFailedError(
        rule.family, state.task_id, reason, "failed", _refund_in(state.raw, reason), None, state.raw
    )
    return attrs.evolve(state, status="failed" if state.status == "finished" else "incomplete", error=error)


def _failure_in(task_id: str, family: str, status: int, body: Mapping[str, object]) -> TaskFailedError | None:
    """Find the service's word that it gave up, in a body of any status."""
    kind = body.get("type")
    message = message_in(body)
    timed_out = message is not None and message.lower().startswith(FAILED_BY_TIMEOUT)
    is_type = isinstance(kind, str) and kind in FAILURE_TYPES
    word = body.get("status")
    failed = is_type or body.get("already_refunded") is True or (isinstance(word, str) and word in FAILURE_WORDS)
    if not failed and not timed_out:
        return None
    told = str(kind) if is_type else "timeout" if timed_out else "failed"
    reason = message or "it gave no reason"
    return TaskFailedError(family, task_id, reason, told, _refund_in(body, reason), status, body)


def _start_of(reply: Reply) -> str:
    return reply.content[:FIRST_BYTES].decode("utf-8", "replace")


def _refund_in(body: Mapping[str, object], message: str) -> bool | None:
    told = next((value for key in REFUND_KEYS if isinstance(value := body.get(key), bool)), None)
    says_so = "refunded" in message.lower() and not NOT_REFUNDED.search(message)
    return True if told is None and says_so else told
