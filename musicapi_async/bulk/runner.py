"""Execution of a journal's records: submit each once, wait for its task, save the result."""

import asyncio
import logging
from typing import Final, Self

from musicapi_async._client import MusicAPI
from musicapi_async._engine import engine_of
from musicapi_async._logger import logger
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.collecting import Collector, Outcome
from musicapi_async.bulk.journal import PAGE_SIZE, Journal
from musicapi_async.bulk.records import Record
from musicapi_async.bulk.saving import ResultSink
from musicapi_async.bulk.submitting import NotAcceptedError, Submitter, WorkQueue
from musicapi_async.bulk.waiting import Outage, TaskWaiter
from musicapi_async.errors import JournalError

__all__ = ["Runner"]


ESTIMATES: Final = "learnt"
"""Name under which the journal keeps the estimates of task durations."""


class Runner:
    """Works through a journal's records, at most ``in_flight`` at once: an async iterator of outcomes.

    Records that an earlier run left unfinished come first: they are paid for. An error that every request would raise
    (no credits, a wrong key, a retired operation) stops the submissions; the tasks in flight are completed, then it is
    raised.
    """

    def __init__(
        self,
        client: MusicAPI,
        journal: Journal,
        sink: ResultSink,
        budget: Budget,
        *,
        in_flight: int,
        attempts: int,
        timeout: float | None,
        outage: float,
    ) -> None:
        self._client = client
        self._journal = journal
        self._budget = budget
        self._in_flight = in_flight
        pauses = Outage(outage)
        self._queue = WorkQueue(journal, attempts, pauses)
        self._submitter = Submitter(client, journal, budget, pauses, self._queue)
        waiter = TaskWaiter(timeout, outage)
        self._collector = Collector(
            client, journal, sink, budget, self._queue, waiter, in_flight=in_flight, attempts=attempts
        )
        self._has_checked = False
        """True when overdue tasks were polled once more, at the end."""
        self._has_begun = False
        self._workers: list[asyncio.Task[None]] = []
        self._active = 0
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue(in_flight)

    @property
    def stopped_by(self) -> BaseException | None:
        """The error that stopped the submissions; raised once every outcome has been returned."""
        return self._queue.stopped_by

    def stop(self, error: BaseException) -> None:
        """Submit nothing more, because of this error."""
        self._queue.stop(error)

    def __aiter__(self) -> Self:
        """Return itself: a run is iterated once."""
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome."""
        if not self._has_begun:
            if self.stopped_by is not None:
                raise self.stopped_by  # closed before it began
            await self._begin()
        while self._active or not self._outcomes.empty():
            outcome = await self._outcomes.get()
            if outcome is not None:
                return outcome
        await self._finish()
        if self.stopped_by is not None:
            raise self.stopped_by
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop at once: nothing more is submitted or waited for; submissions in flight get their response."""
        self.stop(JournalError(self._journal.name, "the run on it was closed; another one resumes it"))
        await complete(self._close())

    async def _close(self) -> None:
        await asyncio.gather(*map(self._end, self._workers))
        await self._queue.aclose()
        await self._finish()

    async def _begin(self) -> None:
        if self._journal.runs:
            raise JournalError(self._journal.name, "another run is using it")
        self._journal.runs.add(self)
        self._has_begun = True
        try:
            engine_of(self._client).restore_state(await self._journal.recall(ESTIMATES))
            await self._budget.open()
        except BaseException as error:
            self._journal.runs.discard(self)
            self.stop(error)
            raise
        self._active = self._in_flight
        for _ in range(self._in_flight):
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.append(worker)
            engine_of(self._client).end_on_close(worker)

    async def _finish(self) -> None:
        """Store the estimates of task durations for the next run."""
        if self in self._journal.runs:
            self._journal.runs.discard(self)
            await self._journal.remember(ESTIMATES, engine_of(self._client).export_state())

    async def _end(self, worker: asyncio.Task[None]) -> None:
        await engine_of(self._client).wait_for_response(worker)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        try:
            is_over = False
            while not is_over:
                while (record := await self._queue.next()) is not None:
                    outcome = await self._process(record)
                    if outcome is not None:
                        await self._outcomes.put(outcome)
                is_over = not await self._check_overdue()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and raised by the run
            logger.log(logging.ERROR, "a bulk run stops", exc_info=error)
            self.stop(error)
        finally:
            self._active -= 1
            # Wake the iterator: this may have been the last worker.
            if self._outcomes.empty():
                self._outcomes.put_nowait(None)

    async def _process(self, record: Record) -> Outcome | None:
        """Complete a record and return its outcome; None when it is sent again, or was not begun."""
        if record.state != "planned":
            return await self._collector.resume(record)
        try:
            accepted = await self._submitter.submit(record)
        except NotAcceptedError as refused:
            # A record that is still planned has no outcome yet: it is retried, or the next run submits it.
            is_planned = self._submitter.note_failed(refused)
            return None if is_planned else Outcome(record=refused.record, error=refused.error)
        return None if accepted is None else await self._collector.collect(*accepted)

    async def _check_overdue(self) -> bool:
        """Poll all overdue tasks once more, when nothing else is left; True when there may be more to do then."""
        if self._active > 1 or self._has_checked or self._queue.is_closed:
            return False
        self._has_checked = True
        after = 0
        while found := await self._journal.records("accepted", after, PAGE_SIZE):
            after = found[-1].number
            checks = (self._collector.check_last(record) for record in found if record.is_overdue)
            for outcome in filter(None, await asyncio.gather(*checks)):
                await self._outcomes.put(outcome)
        return True
