"""Records of requests, their states and transitions, and the ``Journal`` protocol that stores them durably. No I/O."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeGuard

import attrs

from musicapi_async.bulk.inbox import EventInbox
from musicapi_async.errors import JournalError

if TYPE_CHECKING:
    from musicapi_async._request import TaskRequest

__all__ = [
    "ENDED",
    "INCOMPLETE",
    "NO_CHANGES",
    "OTHER_CHARGES",
    "OUT",
    "OUTPUT",
    "PAGE_SIZE",
    "PLAN",
    "SERVICE",
    "TRANSITIONS",
    "UNFINISHED",
    "Attempt",
    "Changes",
    "ClaimExpiredError",
    "Closable",
    "Journal",
    "Planned",
    "Record",
    "RecordTakenError",
    "SharedJournal",
    "State",
    "attempts_after",
    "charged_after",
    "is_shared",
    "records_in",
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
PAGE_SIZE: Final = 200
"""Records that are read at once."""
INCOMPLETE: Final = "incomplete"
"""Name of the value that is true in a journal that has lost entries: what it does not know may have been sent."""
OTHER_CHARGES: Final = "other charges"
"""Name of the value that holds the credits charged for requests that have no record."""
OUT: Final = "out"
"""Name of the value that holds the folder of the last run, or its address, where a report finds the songs."""
PLAN: Final = "plan"
"""Name of the value that holds the options of the plan."""
SERVICE: Final = "service"
"""Name of the value that holds the host of the service that the journal's tasks run on."""

OUTPUT: Final = "output"
"""Name of the value that holds the address where the files of the last run are; None where they are in a folder."""


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


class RecordTakenError(JournalError):
    """A record was changed by another worker, or by the user, and is not this worker's any more."""


class ClaimExpiredError(JournalError):
    """A claimed record was not sent in time, and may not be sent on this claim: another worker may have it."""


class Closable(Protocol):
    """A run on a journal, which is closed before the journal is."""

    async def aclose(self) -> None:
        """Stop the run at once."""
        ...


class Journal(Protocol):
    """Durable store of records. A transition that was awaited survives everything after it, a power cut included."""

    @property
    def name(self) -> str:
        """The name of the journal in error messages."""
        ...

    @property
    def inbox(self) -> EventInbox:
        """The events of its tasks that were received and not handled yet."""
        ...

    @property
    def work_folder(self) -> Path:
        """The local folder in which files are completed before they are uploaded; it need not exist."""
        ...

    @property
    def runs(self) -> "set[Closable]":
        """The runs to close before the journal is closed."""
        ...

    async def new_plan(self) -> int:
        """Return the number of a new plan."""
        ...

    async def plan(self, requests: Sequence[Planned], plan: int | None = None) -> int:
        """Add requests to a plan, by default the active one; return how many of them were new.

        A key that the journal has already is not added again. Once the plan is active, the record's request is the one
        given now; a record that was sent keeps the request as it was sent, and the one given now is used if it is ever
        sent again. Raises InvalidRequestError for a key that is in a new plan already.
        """
        ...

    async def activate_plan(self, plan: int | None = None) -> int:
        """Have ``claim`` begin again with the records of this plan alone, or of the last one; return its number."""
        ...

    async def claim(self, count: int) -> Sequence[Record]:
        """Return the next planned records that were not claimed yet, at most ``count``."""
        ...

    async def transition(self, record: Record, state: State, changes: Changes = ...) -> Record:
        """Change the state of a record, with further changes, and return it as it is now.

        Raises JournalError when the transition is not allowed, or the record is not in the state it is passed with.
        """
        ...

    async def turn(self) -> None:
        """Wait until it may be a submission's turn within the limits that the journal keeps for all its workers."""
        ...

    async def start_sending(self, record: Record, changes: Changes) -> Record | None:
        """Claim a planned record: change its state to ``sending``, and return it as it is now.

        None while a limit of the plan is reached: ``turn`` comes first again. Raises RecordTakenError when the record
        is not planned any more.
        """
        ...

    def check_claim(self, record: Record) -> None:
        """Raise ClaimExpiredError when a claimed record may not be sent any more, right before its first byte."""
        ...

    async def slow_down(self, seconds: float) -> None:
        """Have no record sent for so many seconds: the service has refused one by a 429."""
        ...

    async def update(self, record: Record, changes: Changes) -> Record:
        """Apply changes to a record that stays in its state, and return it as it is now."""
        ...

    async def records(
        self, state: State, after: int = 0, count: int = 1000, *, in_current_plan: bool = False
    ) -> Sequence[Record]:
        """Return records in a state, in their order, at most ``count`` with numbers above ``after``.

        With ``in_current_plan`` only those that the active plan asks for.
        """
        ...

    async def attempt(self, reference: str) -> Attempt | None:
        """Return the attempt with a reference; None when the journal has none."""
        ...

    async def open_references(self, count: int) -> Sequence[str]:
        """Return the references of uncertain records, and the last ``count`` of earlier attempts without a task."""
        ...

    async def has_task(self, task_id: str, besides: str) -> bool:
        """Return whether a task is that of a record, or of an attempt other than the one of reference ``besides``."""
        ...

    async def extras(self) -> Sequence[Attempt]:
        """Return the attempts whose songs are paid for besides those of their records."""
        ...

    async def record_extra(self, reference: str, task_id: str, files: Sequence[str] | None = None) -> None:
        """Record the task of an attempt whose song is paid for besides, and its files when they are saved."""
        ...

    async def counts(self) -> Mapping[State, int]:
        """Return the number of records in each state."""
        ...

    async def charged(self) -> Mapping[str, int]:
        """Return how often each operation was, or may have been, paid for, without refunds."""
        ...

    async def charge_unpriced(self, prices: Mapping[str, float]) -> None:
        """Charge the attempts of records that have no charge of their own, at these prices by operation."""
        ...

    async def total_charged(self) -> float:
        """Return the credits that all records have, or may have, cost, without refunds."""
        ...

    async def remember(self, name: str, value: object) -> None:
        """Store a JSON value under a name, for later runs."""
        ...

    async def remember_once(self, name: str, value: object) -> Any:
        """Store a JSON value under a name that has none, and return the stored one: the same for all workers."""
        ...

    async def recall(self, name: str) -> Any:
        """Return the value stored under a name, or None."""
        ...


class SharedJournal(Journal, Protocol):
    """Journal that several workers use at once; a run joins it as one of them."""

    async def join(self, on_change: Callable[[], object] | None = None) -> None:
        """Register as a worker, and record the ids that an earlier one could not record.

        ``on_change`` is called when there may be something to claim, or nothing left; a hint, which may be missed.
        """
        ...

    async def beat(self, name: str) -> tuple[Sequence[Record], Any]:
        """Send a heartbeat; return records whose tasks this worker has to collect now, and the value under a name.

        The worker of these records has stopped, or has given them back.
        """
        ...

    def hurry(self) -> None:
        """Wait for a lost database no longer than a few seconds from now: the worker ends."""
        ...

    async def leave(self) -> None:
        """Give back what this worker has, for others to resume."""
        ...

    async def is_left(self) -> bool:
        """Return whether there is something to send or to collect, by any worker."""
        ...

    async def charge_besides(self, credits: float) -> None:
        """Count the credits of a paid request that has no record; raises BudgetExceededError above the limit."""
        ...

    def limit(self, *, in_flight: int, max_credits: float | None, create_rate: float | None) -> None:
        """Set the limits of the plan, which hold over all workers."""
        ...


def is_shared(journal: Journal) -> TypeGuard[SharedJournal]:
    """Return whether several workers may use a journal at once."""
    return hasattr(journal, "beat")


async def records_in(journal: Journal, state: State, *, in_current_plan: bool = False) -> AsyncGenerator[Record, None]:
    """Yield a journal's records in a state, in their order; only those of the active plan if ``in_current_plan``."""
    after = 0
    while found := await journal.records(state, after, PAGE_SIZE, in_current_plan=in_current_plan):
        for record in found:
            yield record
        after = found[-1].number
