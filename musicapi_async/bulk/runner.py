"""Thousands of songs: rows of a store, sent once each, waited for, and brought home."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, Self

import attrs

from musicapi_async._client import MusicAPI
from musicapi_async._request import TaskRequest
from musicapi_async._tasks.task import Task
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.guard import Guard
from musicapi_async.bulk.states import Facts, Row, State, Store
from musicapi_async.bulk.todo import ToDo
from musicapi_async.errors import (
    AuthenticationError,
    BudgetExceededError,
    ClientClosedError,
    ConnectionFailedError,
    EventLoopError,
    InsufficientCreditsError,
    JournalError,
    MusicAPIError,
    RateLimitError,
    RetiredError,
    ServerError,
    SubscriptionError,
    TaskFailedError,
    UncertainSubmissionError,
)

__all__ = ["Finish", "Outcome", "Runner"]

logger: Final = logging.getLogger("musicapi")

IN_THE_AIR: Final = 8
"""Creates at once: so many are uncertain at most when the process is killed."""
MOST_IN_A_ROW: Final[Mapping[State, int]] = {"planned": 10, "uncertain": 8, "refused": 20}
"""So many that were not accepted, one after the other: it is not the requests, and nothing more is sent."""
LEARNT: Final = "learnt"
STOPPING: Final = (
    AuthenticationError,
    BudgetExceededError,
    ClientClosedError,
    ConnectionFailedError,
    EventLoopError,
    InsufficientCreditsError,
    JournalError,
    RetiredError,
    SubscriptionError,
)
"""What would be met by every other request too: nothing more is created."""
AGAIN: Final = (RateLimitError, ServerError)
"""What was certainly not accepted, and may be later."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of a row in this run; ``error`` tells why it is not ``saved``, ``result`` is what was made."""

    row: Row
    result: Any = None
    error: MusicAPIError | None = None


class Finish(Protocol):
    """Brings home what a task has made."""

    takes_time: bool
    """False where nothing is fetched or written."""

    async def __call__(self, row: Row, result: Any, /) -> Sequence[str]:
        """Write its files and return their names; called again for a row of which some are there already."""
        ...

    def known(self, result: Any, /) -> Facts:
        """Return what is to be kept of a result."""
        ...


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
    ) -> None:
        self._client = client
        self._store = store
        self._request_of = request_of
        self._finish = finish
        self._budget = budget
        self._in_flight = in_flight
        self._attempts = attempts
        self._timeout = timeout
        self._creating = asyncio.Semaphore(IN_THE_AIR)
        self._to_do = ToDo(store, attempts)
        self._has_begun = False
        self._workers: list[asyncio.Task[None]] = []
        self._at_work = 0
        self._in_a_row: Counter[State] = Counter()
        """How many requests in a row were not accepted, by what became of them."""
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue(in_flight)
        self.stopped_by: BaseException | None = None
        """Why nothing more is created; raised when all that was started has been handed over."""

    def stop(self, error: BaseException) -> None:
        """Create nothing more, because of this error."""
        if self.stopped_by is None:
            self.stopped_by = error
            self._to_do.is_stopped = True

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
        await asyncio.gather(*map(self._end, self._workers))
        await self._to_do.aclose()
        await self._over()

    async def _begin(self) -> None:
        if self._store.runs:
            raise JournalError(self._store.name, "another run is at work on it")
        self._store.runs.add(self)
        self._has_begun = True
        try:
            self._client._relearn(await self._store.recall(LEARNT))
            await self._budget.open()
        except BaseException as error:
            self._store.runs.discard(self)
            self.stop(error)
            raise
        self._at_work = self._in_flight
        for _ in range(self._in_flight):
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.append(worker)
            self._client._end_with_it(worker)

    async def _over(self) -> None:
        """Keep what was learnt for the next run."""
        if self in self._store.runs:
            self._store.runs.discard(self)
            await self._store.remember(LEARNT, self._client._learnt())

    async def _end(self, worker: asyncio.Task[None]) -> None:
        await self._client._answered(worker)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        try:
            while (row := await self._to_do.next()) is not None:
                outcome = await self._bring_home(row)
                if outcome is not None:
                    await self._outcomes.put(outcome)
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

    async def _bring_home(self, row: Row) -> Outcome | None:
        """Do what is left to do with a row; None when it is to be tried again."""
        try:
            if row.state == "planned":
                created = await self._create(row)
                if created is None:
                    return None
                row, task = created
            else:
                task = self._client.resume(type(self._request_of(row)), row.task_id or "")
            result = await task.wait(self._timeout)
        except _MovedError as moved:
            return self._again_or_over(moved.row, moved.error)
        except TaskFailedError as failure:
            state: State = "refunded" if failure.refunded else "failed"
            row = await self._store.move(row, state, Facts(reason=str(failure)))
            if failure.refunded:
                self._budget.refund(row.operation)
            return await self._try_anew(row, failure)
        except MusicAPIError as error:
            # It lives on: the next run goes on with it.
            return Outcome(row=row, error=error)
        return await self._save(row, result)

    async def _save(self, row: Row, result: Any) -> Outcome:
        known = self._finish.known(result)
        if row.state == "accepted" and self._finish.takes_time:
            row = await self._store.move(row, "finished", known)
        try:
            files = await self._finish(row, result)
        except MusicAPIError as error:
            # A disk that is full or gone is met by every other song too.
            if isinstance(error.__cause__, OSError):
                self.stop(error)
            return Outcome(row=row, result=result, error=error)
        return Outcome(row=await self._store.move(row, "saved", attrs.evolve(known, files=files)), result=result)

    async def _create(self, row: Row) -> tuple[Row, Task[Any]] | None:
        """Pay for a row; None when nothing may be sent any more. Raises _MovedError when it fails."""
        guard = Guard(self._store, row)
        async with self._creating:
            if not await self._may_pay(row):
                return None
            try:
                async with self._budget.paying(row.operation):
                    task = await self._client._submit(self._request_of(row), guard)
            except UncertainSubmissionError as error:
                raise _MovedError(await guard.move("uncertain", str(error)), error) from error
            except MusicAPIError as error:
                is_over = isinstance(error, RetiredError) or not isinstance(error, (*STOPPING, *AGAIN))
                raise _MovedError(await guard.move("refused" if is_over else "planned", str(error)), error) from error
            except BaseException as end:
                await guard.give_up(end)
                raise
        self._in_a_row.clear()
        try:
            return await self._store.move(guard.row, "accepted", Facts(task_id=task.id)), task
        except JournalError as error:
            error.add_note(f"{task.family} task {task.id} was accepted and paid for: {task.resumption}")
            logger.error("%s task %s was accepted, and could not be written down: %s", task.family, task.id, error)  # noqa: TRY400
            raise

    async def _may_pay(self, row: Row) -> bool:
        """Tell whether a row may be paid for now; no fault of its own is why not, so that the run stops."""
        if self.stopped_by is not None:
            return False
        try:
            await self._budget.admit(row.operation)
        except MusicAPIError as error:
            self.stop(error)
            return False
        return True

    def _again_or_over(self, row: Row, error: MusicAPIError) -> Outcome | None:
        self._in_a_row[row.state] += 1
        if isinstance(error, STOPPING):
            self.stop(error)
        elif self._in_a_row[row.state] >= MOST_IN_A_ROW[row.state]:
            logger.warning("%d requests in a row are %s: nothing more is sent", self._in_a_row[row.state], row.state)
            self.stop(error)
        elif row.state == "planned":
            self._to_do.again(row)
        # What is still planned has no outcome yet: the next run makes it.
        return None if row.state == "planned" else Outcome(row=row, error=error)

    async def _try_anew(self, row: Row, failure: TaskFailedError) -> Outcome | None:
        """Have a task that failed and was refunded tried again, where there are attempts left."""
        if row.state == "refunded" and row.attempts < self._attempts and self.stopped_by is None:
            self._to_do.again(await self._store.move(row, "planned"))
            return None
        return Outcome(row=row, error=failure)


class _MovedError(Exception):
    """A row that could not be paid for, as it is now, and why."""

    def __init__(self, row: Row, error: MusicAPIError) -> None:
        super().__init__(row, error)
        self.row = row
        self.error = error
