"""The claims of one worker: when it may try the next one, which it has, and until when they may be sent."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import attrs

from musicapi_async.bulk.journal import ClaimExpiredError
from musicapi_async.bulk.postgres.connection import Batches, Channel
from musicapi_async.bulk.postgres.records import CLAIM, SharedRecord
from musicapi_async.bulk.records import Changes, State
from musicapi_async.errors import BudgetExceededError

__all__ = ["FENCE", "Claims", "now"]

FENCE: Final = 4.0
"""Seconds after which a claimed record is not sent any more; others take it over after 15 at the earliest."""
UNCERTAIN_TIME: Final = 600.0
"""Seconds for which an uncertain record counts as in flight while nothing is learned about its operation."""
FULL_INTERVAL: Final = 0.5
"""Seconds between two attempts at a claim while the plan has its limit in flight."""
SPACING: Final = 0.1
CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", None)


def now() -> float:
    """Return seconds that count while the machine is suspended, where the system has such a clock."""
    return time.monotonic() if CLOCK is None else time.clock_gettime(CLOCK)


class Claims:
    """Claims records one by one, within the limits of the plan."""

    def __init__(self, journal: str, worker: str, channel: Channel) -> None:
        self._journal = journal
        self._worker = worker
        self._batches = Batches(channel, self._claim_all)
        self._max_in_flight = 50
        self.max_credits: float = float("inf")
        self._interval = 0.0
        self._is_adaptive = True
        self.picked: set[int] = set()
        """The numbers of the records that were picked, and are not claimed yet."""
        self._claimed_at: dict[int, float] = {}
        """Times of ``now`` before the claims that have not ended."""
        self._last_sent = 0.0
        self._not_before = 0.0
        self._is_full = False
        self._changed = asyncio.Event()

    def limit(self, in_flight: int, max_credits: float, create_rate: float | None) -> None:
        """Set the limits of the plan: tasks, credits, and claims per second."""
        self._max_in_flight, self.max_credits = in_flight, max_credits
        self._interval = 0.0 if create_rate is None else 1 / create_rate
        self._is_adaptive = create_rate is None

    async def turn(self) -> None:
        """Wait until a claim may succeed; those that wait go one by one."""
        has_waited = False
        while (wait := self._not_before - now()) > 0:
            has_waited = True
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
        if has_waited:
            self._not_before = now() + (SPACING if self._is_full else self._interval)

    async def claim(
        self, record: SharedRecord, change: int, changes: Changes
    ) -> SharedRecord | Literal["taken"] | None:
        """Claim a planned record; None while a limit is reached. Raises BudgetExceededError."""
        price, began = changes.charge or 0.0, now()
        lasts = UNCERTAIN_TIME if changes.lasts is None else min(changes.lasts, UNCERTAIN_TIME)
        row = await self._batches.run(change, (record.number, record.change, change, price, changes.reference, lasts))
        verdict, wait = row["verdict"], row["wait"]
        if verdict == "credits":
            raise BudgetExceededError(self.max_credits, wait, price)
        if verdict in {"early", "full"}:
            self._is_full = verdict == "full"
            self._not_before = now() + (FULL_INTERVAL if self._is_full else wait)
            return None
        self.picked.discard(record.number)
        if verdict == "taken":
            return "taken"
        self._claimed_at[change] = began
        self._last_sent = row["sent"]
        if self._is_full:
            self._free()
        return attrs.evolve(
            record,
            state="sending",
            change=change,
            claim=change,
            owner=self._worker,
            sent_at=row["sent"],
            charge=price,
            charged=record.charged + price,
            reference=changes.reference,
        )

    async def _claim_all(self, connection: Any, claims: Sequence[Sequence[object]]) -> Sequence[Any]:
        limits = (self._max_in_flight, self.max_credits, self._interval)
        columns = map(list, zip(*claims, strict=True))
        return list(await connection.fetch(CLAIM, self._worker, *columns, *limits))

    def has(self, record: SharedRecord) -> bool:
        """Return whether a record was claimed here, and the claim has not ended."""
        return record.claim in self._claimed_at

    def check(self, record: SharedRecord) -> None:
        """Raise ClaimExpiredError for a claim that is too old to be sent."""
        began = self._claimed_at.get(record.claim or 0)
        if record.state != "sending" or began is None or now() - began > FENCE:
            reason = f"record {record.number} ({record.key!r}) was not sent within {FENCE:g} seconds of its claim"
            raise ClaimExpiredError(self._journal, f"{reason}: this worker was stopped, or could not connect")

    def slow_down(self, seconds: float) -> tuple[float, float, bool]:
        """Return the pause after a 429, the time of the last claim, and whether the rate adapts."""
        return seconds, self._last_sent, self._is_adaptive

    def ended(self, record: SharedRecord, state: State, *, is_picked: bool = False) -> None:
        """Note a transition of a record: a place in flight may be free; this worker may send it again."""
        if record.state == "sending":
            self._claimed_at.pop(record.claim or 0, None)
        if is_picked:
            self.picked.add(record.number)
        if self._is_full and state != "accepted":
            self._free()

    def _free(self) -> None:
        self._is_full, self._not_before = False, 0.0
        self._changed.set()
