"""The queue of one worker's records on a journal that it shares with others."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from musicapi_async._logger import logger
from musicapi_async.bulk.journal import PLAN, RecordTakenError, SharedJournal, records_in
from musicapi_async.bulk.plan_options import PlanOptions, options_of, recall_options
from musicapi_async.bulk.records import Record
from musicapi_async.bulk.submitting import MAX_SUBMISSIONS
from musicapi_async.bulk.waiting import Outage
from musicapi_async.bulk.work_queue import WorkQueue
from musicapi_async.errors import JournalError, MusicAPIError

__all__ = ["IN_FLIGHT", "SharedQueue"]

IN_FLIGHT: Final = 50
"""Tasks in flight of a plan that names no other limit."""
BEAT_INTERVAL: Final = 5.0
SWEEP_INTERVAL: Final = 30.0
"""Seconds after which planned records are read without a notification, which may be missed."""


class SharedQueue(WorkQueue):
    """Queue of the records of one worker: what it takes over from workers that have stopped, then planned ones.

    It sends the heartbeats of the worker, and follows the limits of the plan.
    """

    def __init__(
        self,
        journal: SharedJournal,
        attempts: int,
        outage: Outage,
        *,
        default: PlanOptions,
        on_limit: Callable[[int], None],
    ) -> None:
        super().__init__(journal, attempts, outage)
        self._shared = journal
        self._on_limit = on_limit
        self._default = default
        self._max_attempts = attempts
        self._picked: deque[Record] = deque()
        self._has_planned = True
        """False when no planned record was found, and no notification has come since."""
        self._submitting = 0
        self._processing = 0
        """Records that were returned, and need something more."""
        self._is_over = False
        self._changed = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Join the workers of the journal."""
        self._follow(await recall_options(self._shared))
        await self._shared.join(self._note_change)
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    def hurry(self) -> None:
        """Wait for a lost database only a few seconds more: the run is closed."""
        self._shared.hurry()

    async def aclose(self) -> None:
        """Leave the workers of the journal, giving back what is not done."""
        self.is_closed = True
        self._changed.set()
        beating, self._beating = self._beating, None
        if beating is None:
            return
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        try:
            await self._shared.leave()
        except JournalError as error:
            logger.warning("its records are taken over by other workers: %s", error)

    async def next(self) -> Record | None:
        """Return the next record, or None when nothing is left on the journal, or nothing may be submitted."""
        async with self._advancing:
            while not self.is_closed and not self._is_over:
                self._changed.clear()
                if (record := self._take()) is not None or await self._fill():
                    if record is not None:
                        return record
                    continue
                if self.is_stopped or (self._is_idle and not self.stay and not await self._is_left()):
                    self._is_over = True
                    break
                try:
                    async with asyncio.timeout(SWEEP_INTERVAL):
                        await self._changed.wait()
                except TimeoutError:
                    self._has_planned = True
        return self._take() if not self.is_closed else None

    @property
    def _is_idle(self) -> bool:
        return not self._processing and not self._picked

    def _take(self) -> Record | None:
        """Return a record that may be worked on now; of the planned ones no more than may be submitted at once."""
        may_submit = not self.is_stopped and self._submitting < MAX_SUBMISSIONS
        for records in (self._retries, self._picked):
            for record in records:
                if record.state != "planned" or may_submit:
                    records.remove(record)
                    self._processing += 1
                    self._submitting += record.state == "planned"
                    return record
        return None

    async def _fill(self) -> bool:
        """Pick planned records; return whether there were any."""
        if self.is_stopped or self._submitting >= MAX_SUBMISSIONS or not self._has_planned:
            return False
        self._has_planned = False  # a notification that comes meanwhile sets it again
        self._picked.extend(await self._journal.claim(2 * MAX_SUBMISSIONS))
        self._has_planned |= bool(self._picked)
        return bool(self._picked)

    async def _is_left(self) -> bool:
        return await self._plan_refunded() or await self._shared.is_left()

    async def _plan_refunded(self) -> bool:
        """Plan what was refunded and has attempts left, where its worker has stopped before it did so."""
        has_planned = False
        async for record in records_in(self._journal, "refunded", in_current_plan=True):
            if record.attempts < self._max_attempts:
                with suppress(RecordTakenError):
                    self.retry(await self._journal.transition(record, "planned"))
                    has_planned = True
        return has_planned

    def retry(self, record: Record) -> None:
        """Queue a record again."""
        super().retry(record)
        self._changed.set()

    def submitted(self) -> None:
        """Note that the submission of a planned record has ended."""
        self._submitting -= 1
        self._changed.set()

    def processed(self) -> None:
        """Note that a record needs nothing more now: it may have been the last one."""
        self._processing -= 1
        self._changed.set()

    def stop(self, error: BaseException, *, is_for_all: bool = False) -> None:
        """Submit nothing more, because of this error; with ``is_for_all`` also resume nothing more."""
        super().stop(error, is_for_all=is_for_all)
        self._changed.set()

    def _note_change(self) -> None:
        self._has_planned = True
        self._changed.set()

    async def _beat(self) -> None:
        while True:
            try:
                taken_over, kept = await self._shared.beat(PLAN)
                for record in taken_over:
                    logger.info("%s is taken over from a worker that has stopped", record.key)
                    self.retry(record)
                self._on_limit(self._follow(options_of(self._shared, kept)) + MAX_SUBMISSIONS)
            except MusicAPIError as error:
                logger.warning("a heartbeat failed: %s", error)
            await asyncio.sleep(BEAT_INTERVAL)

    def _follow(self, options: PlanOptions) -> int:
        """Keep to the limits of the plan as they are now; return how many tasks may be in flight."""
        default = self._default
        in_flight = options.in_flight or default.in_flight or IN_FLIGHT
        max_credits = default.max_credits if options.max_credits is None else options.max_credits
        create_rate = options.create_rate or default.create_rate
        self._shared.limit(in_flight=in_flight, max_credits=max_credits, create_rate=create_rate)
        return in_flight
