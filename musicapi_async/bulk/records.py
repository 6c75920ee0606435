"""Records of requests: the states that they pass through, and what each transition costs. No I/O."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

if TYPE_CHECKING:
    from musicapi_async._request import TaskRequest

__all__ = [
    "ENDED",
    "NO_CHANGES",
    "TRANSITIONS",
    "UNFINISHED",
    "Attempt",
    "Changes",
    "Planned",
    "Record",
    "State",
    "attempts_after",
    "charged_after",
    "was_unpaid",
]

State = Literal["planned", "sending", "accepted", "finished", "saved", "failed", "refunded", "uncertain", "refused"]

TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    # A record that waits, for a slot or after a 429, is planned: it cannot have been sent.
    "planned": frozenset({"sending", "refused"}),
    # Written before the first byte leaves. Back to planned only where it was certainly not accepted.
    "sending": frozenset({"accepted", "planned", "refused", "uncertain"}),
    # Saved at once where no file is written.
    # Uncertain again where the user gave a wrong id, or the service no longer knows the task.
    "accepted": frozenset({"finished", "saved", "failed", "refunded", "uncertain"}),
    "finished": frozenset({"saved"}),
    "saved": frozenset(),
    # Its credits are gone, or it is unknown whether they were refunded. Sent again only when the user says so.
    "failed": frozenset({"planned"}),
    # Sent again, up to the attempts of a run.
    "refunded": frozenset({"planned"}),
    # Resolved by the user: sent again, found under an id, or abandoned; or found by an event that a poll confirms.
    "uncertain": frozenset({"planned", "accepted", "failed"}),
    # Sent again when the user says so, or has corrected the request.
    "refused": frozenset({"planned"}),
}
"""The states that each state may change to."""
UNFINISHED: Final[tuple[State, ...]] = ("accepted", "finished")
"""Paid for, and not yet saved completely: a run resumes these first."""
ENDED: Final[tuple[State, ...]] = tuple(
    state for state in TRANSITIONS if state not in {"planned", "sending", *UNFINISHED}
)


@attrs.frozen(kw_only=True)
class Planned:
    """A request planned under a key, by which every run recognizes it."""

    key: str
    """The key: given by the user, or automatic."""
    operation: str
    """The name of its operation, such as ``sonic.create``."""
    request: Mapping[str, Any]
    """The request as it is sent: its fields under their wire names."""
    key_version: int = 0
    """The version of the rule that made the key; 0 for a key given by the user."""

    @staticmethod
    def of(key: str, request: "TaskRequest[Any]") -> "Planned":
        """Return a request planned under a custom key, by which later runs find its record."""
        return Planned(key=key, operation=request.operation_name, request=request.to_wire())


@attrs.frozen(kw_only=True)
class Changes:
    """Values to set in a record, with a transition or without one. None leaves a value as it is."""

    task_id: str | None = None
    """The id of its task."""
    reason: str | None = None
    """A sentence about a failure, refusal or resolution."""
    clips: Sequence[Mapping[str, Any]] | None = None
    """The clips of its result, as JSON objects."""
    files: Sequence[str] | None = None
    """The names of its saved files."""
    charge: float | None = None
    """Credits this request is expected to cost; given with the transition to ``sending``."""
    overdue_at: float | None = None
    """Time at which its task exceeded the time limit of a run."""
    reference: str | None = attrs.field(default=None, repr=False)
    """The reference in the URL to which the service reports the request; given with the transition to ``sending``."""
    lasts: float | None = None
    """Seconds in which such a task has most probably ended, None when unknown: so long an uncertain one counts as in
    flight; given with the transition to ``sending``."""
    was_not_accepted: bool = False
    """True when the user states that an uncertain request was not accepted; given with the transition to
    ``planned``."""


NO_CHANGES: Final = Changes()


@attrs.frozen(kw_only=True)
class Record(Planned):
    """A planned request and its progress. Times are seconds since 1970."""

    number: int
    """Position in the order of planning, from 1."""
    state: State
    """``planned``, ``sending``, ``accepted``, ``finished`` (not all files saved yet), ``saved``, ``failed``,
    ``refunded``, ``uncertain`` or ``refused``."""
    former_key: str | None = None
    """The automatic key it had in a journal of an older format, by which it is also found; None without one."""
    task_id: str | None = None
    """The id of its latest task; None before a request was accepted."""
    attempts: int = 0
    """Number of times it was, or may have been, accepted."""
    refunds: int = 0
    """Number of times its credits were refunded."""
    charge: float | None = None
    """Credits it was expected to cost when it was last sent; None when it was never sent, or the price is unknown."""
    charged: float = 0.0
    """Credits that all its attempts have, or may have, cost, without refunds."""
    reason: str | None = None
    """A sentence about its last failure, refusal or resolution; None or empty without one."""
    sent_at: float | None = None
    """Time at which it was last sent; None before."""
    accepted_at: float | None = None
    """Time at which it was last accepted; None before."""
    ended_at: float | None = None
    """Time of its last transition to a state other than ``sending`` and ``accepted``; None before."""
    overdue_at: float | None = None
    """Time at which its task exceeded the time limit of a run; None when it has not."""
    clips: Sequence[Mapping[str, Any]] = ()
    """The clips of its result, as JSON objects."""
    files: Sequence[str] = ()
    """The names of its saved files, in the output folder."""
    reference: str | None = attrs.field(default=None, repr=False)
    """The reference in the URL to which the service reports its latest attempt; None where it reports to none."""

    @property
    def is_overdue(self) -> bool:
        """True when its task has exceeded the time limit of a run and has not ended yet."""
        # An earlier attempt may have been overdue as well.
        return self.state == "accepted" and self.overdue_at is not None and self.overdue_at >= (self.accepted_at or 0.0)

    def files_by_clip(self) -> list[list[str]]:
        """Return the files of each clip in turn, each group ending with its ``.json``; the last one is incomplete."""
        groups: list[list[str]] = [[]]
        for name in map(str, self.files):
            groups[-1].append(name)
            if name.lower().endswith(".json"):
                groups.append([])
        return groups


@attrs.frozen(kw_only=True)
class Attempt:
    """A submission of a record whose events the service reports."""

    reference: str = attrs.field(repr=False)
    """The reference in the URL of its events."""
    record: Record
    """The record as it is now; it may have been sent again since."""
    task_id: str | None = None
    """The id of the task that it started; None where no response or event has named one."""
    is_extra: bool = False
    """True when its task was found after the record was sent again or given up: its song is paid for besides."""
    files: Sequence[str] | None = None
    """The names of the saved files of such a song; None while it is not saved."""


def attempts_after(record: Record, state: State, changes: Changes) -> int:
    """Return how often a record was accepted, or may have been, after a transition."""
    # An uncertain request that is sent again may have been charged already.
    is_more = state == "accepted" or (record.state == "uncertain" and not was_unpaid(record, state, changes))
    return record.attempts + is_more - (record.state == "accepted" and state == "uncertain")


def charged_after(record: Record, state: State, changes: Changes) -> float:
    """Return the credits a record has cost, or may have, after a transition.

    A charge counts from the moment its request may leave. It is taken back only where the request was certainly not
    accepted, also as the user decided, or its credits were refunded; an uncertain one that is sent again counts twice.
    """
    if state == "sending":
        return record.charged + (changes.charge or 0.0)
    is_taken_back = state == "refunded" or was_unpaid(record, state, changes)
    return max(0.0, record.charged - (record.charge or 0.0)) if is_taken_back else record.charged


def was_unpaid(record: Record, state: State, changes: Changes) -> bool:
    """Return whether the last attempt is known not to have been accepted, by the service or by the user's decision."""
    if record.state == "uncertain":
        return state == "planned" and changes.was_not_accepted
    return record.state == "sending" and state in {"planned", "refused"}
