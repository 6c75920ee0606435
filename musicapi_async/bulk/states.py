"""The states of a row and its moves, one pure table; and what everybody who keeps rows must be able to do."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import attrs

from musicapi_async._request import TaskRequest

__all__ = [
    "ENDED",
    "INCOMPLETE",
    "MOVES",
    "UNSETTLED",
    "Facts",
    "Planned",
    "Row",
    "State",
    "Store",
    "attempts_after",
    "charged_after",
    "may_move",
    "rows_in",
]

PAGE: Final = 200
"""Rows that are read at once."""

State = Literal["planned", "sending", "accepted", "finished", "saved", "failed", "refunded", "uncertain", "refused"]

MOVES: Final[Mapping[State, frozenset[State]]] = {
    # What waits, for its turn or after a 429, is planned: nothing of it can have left.
    "planned": frozenset({"sending", "refused"}),
    # Written before the first byte leaves. Back to planned only when it certainly was not accepted.
    "sending": frozenset({"accepted", "planned", "refused", "uncertain"}),
    # Saved at once where no file is written.
    # Uncertain once more where its user gave a wrong id, or the service no longer knows the task.
    "accepted": frozenset({"finished", "saved", "failed", "refunded", "uncertain"}),
    "finished": frozenset({"saved"}),
    "saved": frozenset(),
    # Its credits are gone, or it is unknown whether they were refunded. Tried again only when its user says so.
    "failed": frozenset({"planned"}),
    # Another attempt.
    "refunded": frozenset({"planned"}),
    # Settled by the user alone: sent again, found under an id, or dropped.
    "uncertain": frozenset({"planned", "accepted", "failed"}),
    # When its user says so, or has mended it.
    "refused": frozenset({"planned"}),
}
"""From each state to those it may turn into."""
UNSETTLED: Final[tuple[State, ...]] = ("accepted", "finished")
"""Paid for, and not all on disk yet: what a run goes on with first."""
ENDED: Final[tuple[State, ...]] = tuple(state for state in MOVES if state not in {"planned", "sending", *UNSETTLED})


INCOMPLETE: Final = "incomplete"
"""Under which name a store keeps that it has lost entries: what it does not know may have been sent."""


def may_move(before: State, after: State) -> bool:
    """Tell whether a row may go from one state to another."""
    return after in MOVES[before]


@attrs.frozen(kw_only=True)
class Planned:
    """A request that is to be made, under a key of its own."""

    key: str
    operation: str
    request: Mapping[str, Any]
    """As it is sent."""
    key_version: int = 0
    """The version of the rule that made the key; 0 for a key given by the user."""

    @staticmethod
    def of(key: str, request: TaskRequest[Any]) -> "Planned":
        """Give a request a key of your own, by which what it makes is found again."""
        return Planned(key=key, operation=request.operation_name(), request=request.to_wire())


@attrs.frozen(kw_only=True)
class Facts:
    """What is learnt of a row along with a move; None leaves what is known."""

    task_id: str | None = None
    reason: str | None = None
    clips: Sequence[Mapping[str, Any]] | None = None
    files: Sequence[str] | None = None
    charge: float | None = None
    """Credits this request is expected to cost; given with the move to ``sending``."""
    overdue_at: float | None = None
    was_not_accepted: bool = False
    """True where its user says that an uncertain request was not accepted; given with the move to ``planned``."""


@attrs.frozen(kw_only=True)
class Row(Planned):
    """A request and what has become of it; times are seconds since 1970."""

    number: int
    """Its place in the order of planning, from 1."""
    state: State
    former_key: str | None = None
    """Its automatic key in a journal of an older format, by which it is found too."""
    task_id: str | None = None
    attempts: int = 0
    """How often it was accepted, or may have been."""
    refunds: int = 0
    """How often its credits came back."""
    charge: float | None = None
    """Credits it was expected to cost when it was last sent; None when it was never sent, or the price is unknown."""
    charged: float = 0.0
    """Credits that all its attempts have cost, or may have, refunds left out."""
    reason: str | None = None
    sent_at: float | None = None
    accepted_at: float | None = None
    ended_at: float | None = None
    overdue_at: float | None = None
    """When its task passed the time limit of a run without an end; None when it has not."""
    clips: Sequence[Mapping[str, Any]] = ()
    files: Sequence[str] = ()

    @property
    def is_overdue(self) -> bool:
        """True when its task has passed the time limit of a run, and has not ended yet."""
        # An earlier attempt may have been overdue as well.
        return self.state == "accepted" and self.overdue_at is not None and self.overdue_at >= (self.accepted_at or 0.0)

    def files_by_clip(self) -> list[list[str]]:
        """Return the files of each clip in turn, which its ``.json`` ends; the last group is of no whole clip."""
        groups: list[list[str]] = [[]]
        for name in map(str, self.files):
            groups[-1].append(name)
            if name.lower().endswith(".json"):
                groups.append([])
        return groups


def attempts_after(row: Row, state: State, changes: Facts) -> int:
    """Return how often a record was accepted, or may have been, after a transition."""
    # What was uncertain and is sent again may have been paid for already.
    is_more = state == "accepted" or (row.state == "uncertain" and not _was_unpaid(row, state, changes))
    return row.attempts + is_more - (row.state == "accepted" and state == "uncertain")


def charged_after(row: Row, state: State, changes: Facts) -> float:
    """Return the credits a record has cost, or may have, after a transition.

    A charge counts from the moment its request may leave. It is taken back only where the request was certainly not
    accepted, also by its user's word, or its credits were refunded; an uncertain one that is sent again counts twice.
    """
    if state == "sending":
        return row.charged + (changes.charge or 0.0)
    is_taken_back = state == "refunded" or _was_unpaid(row, state, changes)
    return max(0.0, row.charged - (row.charge or 0.0)) if is_taken_back else row.charged


def _was_unpaid(row: Row, state: State, changes: Facts) -> bool:
    """Return whether the last attempt is known not to have been accepted, by the service or by the user's word."""
    if row.state == "uncertain":
        return state == "planned" and changes.was_not_accepted
    return row.state == "sending" and state in {"planned", "refused"}


class Closable(Protocol):
    """A run on a store, which ends before the store is closed."""

    async def aclose(self) -> None:
        """End it."""
        ...


class Store(Protocol):
    """Where rows are kept. A move that was awaited survives whatever happens next, a power cut included."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def runs(self) -> "set[Closable]":
        """The runs to close before the store."""
        ...

    async def new_plan(self) -> int:
        """Return the number of a new plan."""
        ...

    async def plan(self, rows: Sequence[Planned], plan: int | None = None) -> int:
        """Add rows to a plan, by default the one that was started last; return how many were new.

        A key that is there already is not added again. Once the plan is started its request is the one that is given
        now; one that was sent stays as it was sent, and the one given now is what is sent the next time, if ever.
        Raises InvalidRequestError for a key that is in a new plan already.
        """
        ...

    async def start(self, plan: int | None = None) -> int:
        """Have ``take`` begin again, with the rows of this plan alone, or of the last one; return its number."""
        ...

    async def take(self, count: int) -> Sequence[Row]:
        """Return the next planned rows that were not taken yet, at most so many."""
        ...

    async def move(self, row: Row, state: State, facts: Facts = ...) -> Row:
        """Note that a row has moved, and return it as it is now.

        Raises JournalError when it may not move there, or is not where it is thought to be.
        """
        ...

    async def update(self, row: Row, changes: Facts) -> Row:
        """Record changes of a record that stays in its state, and return it as it is now."""
        ...

    async def rows(self, state: State, after: int = 0, count: int = 1000, *, is_wanted: bool = False) -> Sequence[Row]:
        """Return rows in a state, in their order, from behind a number on; only those of the plan if ``is_wanted``."""
        ...

    async def counts(self) -> Mapping[State, int]:
        """Return how many rows are in each state."""
        ...

    async def charged(self) -> Mapping[str, int]:
        """Return how often each operation was paid for, or may have been, refunds left out."""
        ...

    async def charge_unpriced(self, prices: Mapping[str, float]) -> None:
        """Charge the attempts of records that have no charge of their own, at these prices by operation."""
        ...

    async def total_charged(self) -> float:
        """Return the credits that all records have cost, or may have, refunds left out."""
        ...

    async def remember(self, name: str, value: object) -> None:
        """Keep a JSON value from one run to the next."""
        ...

    async def recall(self, name: str) -> Any:
        """Return a value that was kept, or None."""
        ...


async def rows_in(store: Store, state: State, *, is_wanted: bool = False) -> AsyncGenerator[Row, None]:
    """Go through a store's rows in a state, in their order; only those of the plan if ``is_wanted``."""
    after = 0
    while found := await store.rows(state, after, PAGE, is_wanted=is_wanted):
        for row in found:
            yield row
        after = found[-1].number
