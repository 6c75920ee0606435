"""The queue of a journal's records: in which order a run takes them, and until when."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from musicapi_async.bulk.journal import PAGE_SIZE, Journal, records_in
from musicapi_async.bulk.records import UNFINISHED, Record, State
from musicapi_async.bulk.waiting import Outage

__all__ = ["WorkQueue"]


class WorkQueue:
    """Queue of a journal's records: those that are paid for and not saved yet first, then the planned ones.

    Between them come the records that were refunded in an earlier run, and have attempts left.
    """

    def __init__(self, journal: Journal, attempts: int, outage: Outage) -> None:
        self._journal = journal
        self._outage = outage
        self._attempts = attempts
        self._records = self._all()
        self._retries: deque[Record] = deque()
        self._resumed: set[int] = set()
        """Numbers of the records that an earlier run left."""
        self._advancing = asyncio.Lock()
        self.stopped_by: BaseException | None = None
        """The error because of which nothing more is submitted."""
        self.stay: bool = False
        """True when further plans are waited for, on a journal that others plan into."""
        self.is_closed: bool = False
        """True when nothing more is resumed either."""

    @property
    def has_retries(self) -> bool:
        """True when a record is queued again."""
        return bool(self._retries)

    @property
    def is_stopped(self) -> bool:
        """True when nothing more may be submitted."""
        return self.stopped_by is not None

    def stop(self, error: BaseException, *, is_for_all: bool = False) -> None:
        """Stop returning planned records, because of this error; with ``is_for_all`` also all others."""
        self.stopped_by = self.stopped_by or error
        self.is_closed |= is_for_all
        self._outage.release()

    async def next(self) -> Record | None:
        """Return the next record, or None when there is none now."""
        async with self._advancing:
            while not self.is_closed and (
                record := self._retries.popleft() if self._retries else await anext(self._records, None)
            ):
                if record.state != "planned" or not self.is_stopped:
                    return record
        return None

    def retry(self, record: Record) -> None:
        """Queue a record again."""
        self._retries.append(record)

    def reserve(self, record: Record) -> None:
        """Leave a record that is about to be accepted to ``retry``: it is not returned as one of an earlier run."""
        self._resumed.add(record.number)

    def submitted(self) -> None:
        """Note that the submission of a planned record has ended."""

    def processed(self) -> None:
        """Note that a record needs nothing more now."""

    async def open(self) -> None:
        """Begin to return records."""

    def hurry(self) -> None:
        """Wait for a lost database only a few seconds more: the run is closed."""

    async def aclose(self) -> None:
        """Stop returning records."""
        self.is_closed = True
        await self._records.aclose()

    async def _all(self) -> AsyncGenerator[Record, None]:
        for state in UNFINISHED:
            async for record in self._of_earlier_runs(state):
                yield record
        # Only refunded ones: other failures are sent again only when the user says so.
        async for record in self._of_earlier_runs("refunded", in_current_plan=True):
            if record.attempts < self._attempts and not self.is_stopped:
                planned = await self._journal.transition(record, "planned")
                if planned.state == "planned":  # uncertain in a journal that has lost entries
                    yield planned
        await self._journal.activate_plan()
        while not self.is_stopped and (claimed := await self._journal.claim(PAGE_SIZE)):
            for record in claimed:
                # It may be one that is sent again.
                if record.number not in self._resumed:
                    yield record

    async def _of_earlier_runs(self, state: State, *, in_current_plan: bool = False) -> AsyncGenerator[Record, None]:
        """Yield the records in a state that earlier runs have left."""
        async for record in records_in(self._journal, state, in_current_plan=in_current_plan):
            if record.number not in self._resumed:
                self._resumed.add(record.number)
                yield record
