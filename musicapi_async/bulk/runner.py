"""Thousands of songs: rows of a store, sent once each, waited for, and brought home."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Self

from musicapi_async._client import MusicAPI
from musicapi_async._engine import engine_of
from musicapi_async._request import TaskRequest
from musicapi_async._transport.shielding import complete
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.collecting import Collector, Finish, Outcome
from musicapi_async.bulk.outage import Outage
from musicapi_async.bulk.states import PAGE, Row, Store
from musicapi_async.bulk.submitting import NotAcceptedError, Submitter
from musicapi_async.bulk.todo import ToDo
from musicapi_async.bulk.waiting import Patience
from musicapi_async.errors import JournalError

__all__ = ["Runner"]

logger: Final = logging.getLogger("musicapi")

LEARNT: Final = "learnt"


class Runner:
    """Works through a store's rows, at most ``in_flight`` at once: an async iterator of outcomes.

    What an earlier run left unfinished comes first: it is paid for. Every paid request is in the store before its first
    byte leaves, and its id before anything else is done with it; all waiting (for a turn, after a 429) comes before.
    What the service refuses for good (no credits, a wrong key, a retired operation) stops the creating; what is in
    flight is brought home, then the error is raised.
    """

    def __init__(
        self,
        client: MusicAPI,
        store: Store,
        request_of: Callable[[Row], TaskRequest[Any]],
        finish: Finish,
        budget: Budget,
        *,
        in_flight: int,
        attempts: int,
        timeout: float | None,
        outage: float,
    ) -> None:
        self._client = client
        self._store = store
        self._budget = budget
        self._in_flight = in_flight
        pauses = Outage(outage)
        self._to_do = ToDo(store, attempts, pauses.release)
        self._submitter = Submitter(client, store, request_of, budget, pauses, self._to_do)
        patience = Patience(timeout, outage)
        self._collector = Collector(
            client, store, finish, budget, self._to_do, patience, in_flight=in_flight, attempts=attempts
        )
        self._has_checked = False
        """True when overdue tasks were polled once more, at the end."""
        self._has_begun = False
        self._workers: list[asyncio.Task[None]] = []
        self._at_work = 0
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue(in_flight)

    @property
    def stopped_by(self) -> BaseException | None:
        """Why nothing more is submitted; raised when all that was started has been delivered."""
        return self._to_do.stopped_by

    def stop(self, error: BaseException) -> None:
        """Create nothing more, because of this error."""
        self._to_do.stop(error)

    def __aiter__(self) -> Self:
        """Return itself: a run is gone through once."""
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome."""
        if not self._has_begun:
            if self.stopped_by is not None:
                raise self.stopped_by  # closed before it began
            await self._begin()
        while self._at_work or not self._outcomes.empty():
            outcome = await self._outcomes.get()
            if outcome is not None:
                return outcome
        await self._over()
        if self.stopped_by is not None:
            raise self.stopped_by
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop at once: nothing more is created, nothing waited for; what is in the air gets its answer."""
        self.stop(JournalError(self._store.name, "the run on it was closed; another one goes on"))
        await complete(self._close())

    async def _close(self) -> None:
        await asyncio.gather(*map(self._end, self._workers))
        await self._to_do.aclose()
        await self._over()

    async def _begin(self) -> None:
        if self._store.runs:
            raise JournalError(self._store.name, "another run is at work on it")
        self._store.runs.add(self)
        self._has_begun = True
        try:
            engine_of(self._client).restore_state(await self._store.recall(LEARNT))
            await self._budget.open()
        except BaseException as error:
            self._store.runs.discard(self)
            self.stop(error)
            raise
        self._at_work = self._in_flight
        for _ in range(self._in_flight):
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.append(worker)
            engine_of(self._client).end_on_close(worker)

    async def _over(self) -> None:
        """Keep what was learnt for the next run."""
        if self in self._store.runs:
            self._store.runs.discard(self)
            await self._store.remember(LEARNT, engine_of(self._client).export_state())

    async def _end(self, worker: asyncio.Task[None]) -> None:
        await engine_of(self._client).wait_for_response(worker)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        try:
            is_over = False
            while not is_over:
                while (row := await self._to_do.next()) is not None:
                    outcome = await self._process(row)
                    if outcome is not None:
                        await self._outcomes.put(outcome)
                is_over = not await self._check_overdue()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.exception("a bulk run stops")
            self.stop(error)
        finally:
            self._at_work -= 1
            # Wake whoever waits: perhaps this was the last.
            if self._outcomes.empty():
                self._outcomes.put_nowait(None)

    async def _process(self, row: Row) -> Outcome | None:
        """Do what is left to do with a record; None when it is tried again, or was not begun."""
        if row.state != "planned":
            return await self._collector.resume(row)
        try:
            accepted = await self._submitter.submit(row)
        except NotAcceptedError as refused:
            # What is still planned has no outcome yet: it is retried, or the next run makes it.
            is_planned = self._submitter.note_failed(refused)
            return None if is_planned else Outcome(row=refused.row, error=refused.error)
        return None if accepted is None else await self._collector.collect(*accepted)

    async def _check_overdue(self) -> bool:
        """Poll all overdue tasks once more, when nothing else is left; True when there may be more to do then."""
        if self._at_work > 1 or self._has_checked or self._to_do.is_closed:
            return False
        self._has_checked = True
        after = 0
        while found := await self._store.rows("accepted", after, PAGE):
            after = found[-1].number
            checks = (self._collector.check_last(row) for row in found if row.is_overdue)
            for outcome in filter(None, await asyncio.gather(*checks)):
                await self._outcomes.put(outcome)
        return True
