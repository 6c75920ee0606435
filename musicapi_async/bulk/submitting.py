"""Submission of planned records: each paid for once, within the limit of credits, through outages of the service."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from musicapi_async._client import MusicAPI
from musicapi_async._engine import engine_of
from musicapi_async._request import TaskRequest
from musicapi_async._tasks.task import Task
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.guard import Guard
from musicapi_async.bulk.outage import Outage
from musicapi_async.bulk.states import Facts, Row, State, Store
from musicapi_async.bulk.todo import ToDo
from musicapi_async.errors import (
    AuthenticationError,
    BudgetExceededError,
    ClientClosedError,
    ConnectionFailedError,
    EventLoopError,
    GatewayError,
    InsufficientCreditsError,
    JournalError,
    MusicAPIError,
    RateLimitError,
    RetiredError,
    ServerError,
    SubscriptionError,
    UncertainSubmissionError,
)

__all__ = ["NotAcceptedError", "Submitter"]

logger: Final = logging.getLogger("musicapi")

MAX_SUBMISSIONS: Final = 8
"""Submissions in flight: so many are uncertain at most when the process is killed."""
MAX_IN_A_ROW: Final[Mapping[State, int]] = {"planned": 10, "uncertain": 8, "refused": 20}
"""So many that were not accepted, one after the other: it is not the requests, and nothing more is sent."""
STOPPING: Final = (
    AuthenticationError,
    BudgetExceededError,
    ClientClosedError,
    EventLoopError,
    InsufficientCreditsError,
    JournalError,
    RetiredError,
    SubscriptionError,
)
"""What every other request would meet too: nothing more is submitted."""
RETRYABLE: Final = (GatewayError, RateLimitError, ServerError)
"""What was certainly not accepted, and may be later."""


class NotAcceptedError(Exception):
    """A record whose submission failed, as it is now, and why."""

    def __init__(self, row: Row, error: MusicAPIError) -> None:
        super().__init__(row, error)
        self.row = row
        self.error = error


class Submitter:
    """Submits planned records.

    Every paid request is in the journal before its first byte leaves, and its task's id before anything else is done
    with it. All waiting (for a slot, after a 429, during an outage) happens before that: the record stays planned.
    """

    def __init__(
        self,
        client: MusicAPI,
        store: Store,
        request_of: Callable[[Row], TaskRequest[Any]],
        budget: Budget,
        outage: Outage,
        to_do: ToDo,
    ) -> None:
        self._client = client
        self._store = store
        self._request_of = request_of
        self._budget = budget
        self._outage = outage
        self._to_do = to_do
        self._slots = asyncio.Semaphore(MAX_SUBMISSIONS)
        self._in_a_row: Counter[State] = Counter()
        """Requests in a row that were not accepted, by the state they ended in."""

    async def submit(self, row: Row) -> tuple[Row, Task[Any]] | None:
        """Pay for a record; None when nothing may be sent any more. Raises NotAcceptedError when it fails."""
        async with self._slots:
            while True:
                await self._outage.pause()
                if self._to_do.is_stopped:
                    return None
                charge = await self._admit(row)
                if charge is None:
                    continue
                guard = Guard(self._store, row, charge)
                try:
                    task = await self._send(guard, charge)
                except ConnectionFailedError as error:
                    row = await guard.move("planned", str(error))
                    self._note_unreachable(error)
                    continue
                except NotAcceptedError:
                    self._outage.end()
                    raise
                self._outage.end()
                self._in_a_row.clear()
                return await self._note_accepted(guard.row, task)

    def note_failed(self, refused: NotAcceptedError) -> bool:
        """Count a submission that failed, and stop the run where others would fail too; True when it is retried."""
        row, error = refused.row, refused.error
        self._in_a_row[row.state] += 1
        if isinstance(error, STOPPING):
            self._to_do.stop(error)
        elif self._in_a_row[row.state] >= MAX_IN_A_ROW[row.state]:
            logger.warning("%d requests in a row are %s: nothing more is sent", self._in_a_row[row.state], row.state)
            self._to_do.stop(error)
        elif row.state == "planned":
            self._to_do.again(row)
        return row.state == "planned"

    async def _admit(self, row: Row) -> float | None:
        """Return the charge of a request that may be sent; None when it must not be, or not yet."""
        try:
            return await self._budget.admit(row)
        except (ConnectionFailedError, *RETRYABLE) as error:
            # Without the balance the limit cannot be kept.
            self._note_unreachable(error)
        except MusicAPIError as error:
            # No fault of the record: it stays planned.
            self._to_do.stop(error)
        return None

    async def _send(self, guard: Guard, charge: float) -> Task[Any]:
        row = guard.row
        try:
            async with self._budget.paying(row, charge):
                return await engine_of(self._client).submit(self._request_of(row), guard)
        except ConnectionFailedError:
            raise
        except MusicAPIError as error:
            if len(error.task_ids) == 1:
                # Polls show what the task is that the response names although it is an error.
                logger.warning("task %s is taken for accepted, although: %s", error.task_ids[0], error)
                return self._client.resume(type(self._request_of(row)), error.task_ids[0])
            if isinstance(error, UncertainSubmissionError) or error.task_ids:
                raise NotAcceptedError(await guard.move("uncertain", str(error)), error) from error
            is_over = isinstance(error, RetiredError) or not isinstance(error, (*STOPPING, *RETRYABLE))
            raise NotAcceptedError(await guard.move("refused" if is_over else "planned", str(error)), error) from error
        except BaseException as end:
            await guard.give_up(end)
            raise

    async def _note_accepted(self, row: Row, task: Task[Any]) -> tuple[Row, Task[Any]]:
        try:
            return await self._store.move(row, "accepted", Facts(task_id=task.id)), task
        except JournalError as error:
            error.add_note(f"{task.family} task {task.id} was accepted and paid for: {task.resumption}")
            logger.error("%s task %s was accepted, and could not be written down: %s", task.family, task.id, error)  # noqa: TRY400
            raise

    def _note_unreachable(self, error: MusicAPIError) -> None:
        if not self._outage.fail(error):
            self._to_do.stop(error)
