"""The submission of planned records: once each, within the limit of credits."""

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from musicapi_async._client import MusicAPI
from musicapi_async._engine_access import engine_of
from musicapi_async._logger import logger
from musicapi_async._protocol import encode_submission
from musicapi_async._request import TaskRequest
from musicapi_async._tasks.task import Task
from musicapi_async._transport.call import Call
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.journal import ClaimExpiredError, Journal, RecordTakenError
from musicapi_async.bulk.rate import SubmissionRate
from musicapi_async.bulk.records import NO_CHANGES, Changes, Record, State
from musicapi_async.bulk.requests_file import request_of
from musicapi_async.bulk.waiting import Outage
from musicapi_async.bulk.work_queue import WorkQueue
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

MAX_SUBMISSIONS: Final = 8
"""Submissions in flight: at most so many are uncertain when the process is killed."""
MAX_IN_A_ROW: Final[Mapping[State, int]] = {"planned": 10, "uncertain": 8, "refused": 20}
"""Submissions in a row that were not accepted, by the state they ended in, after which nothing more is sent."""
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
"""Errors that every other request would raise too: nothing more is submitted."""
RETRYABLE: Final = (GatewayError, RateLimitError, ServerError)
"""Errors of requests that were certainly not accepted, and may be later."""


class NotAcceptedError(Exception):
    """A submission failed: the record as it is now, and the error."""

    def __init__(self, record: Record, error: MusicAPIError) -> None:
        super().__init__(record, error)
        self.record: Record = record
        self.error = error


class SubmissionRecorder:
    """Records the progress of one submission, before and after its first byte may have been sent.

    It is the hook of the client. A transition is completed although its caller is cancelled.
    """

    def __init__(self, journal: Journal, record: Record, charge: float) -> None:
        self.record: Record = record
        self._charge = charge
        self._lasts: float | None = None
        self._journal = journal
        self._call: Callable[[], Call | None] = lambda: None
        """The call, which refers to this as its hook: referring to it as well would keep both until a collection."""
        self._task_id: str | None = None

    def encode(self, request: TaskRequest[Any], lasts: float | None) -> Call:
        """Return the call that submits the record, with this hook; such a task most probably ``lasts`` so long."""
        self._lasts = lasts
        call = encode_submission(request, self)
        self._call = weakref.ref(call)
        return call

    async def turn(self) -> None:
        """Wait until the limits that the journal keeps may allow another request."""
        await self._journal.turn()

    async def before_send(self) -> bool:
        """Record that the request may be sent from now on, and the reference by which its events are matched.

        Returns False when the limits that the journal keeps do not allow it yet.
        """
        return await complete(self._claim())

    async def _claim(self) -> bool:
        call = self._call()
        reference = None if call is None else call.reference
        changes = Changes(charge=self._charge, reference=reference, lasts=self._lasts)
        claimed = await self._journal.start_sending(self.record, changes)
        if claimed is None:
            return False
        self.record = claimed
        return True

    def check(self) -> None:
        """Raise ClaimExpiredError when it is too late to send the request."""
        self._journal.check_claim(self.record)

    async def refused(self, seconds: float) -> None:
        """Have the other workers wait as well."""
        await self._journal.slow_down(seconds)

    async def not_accepted(self) -> None:
        """Record that the request was not sent, and waits."""
        if self.record.state != "planned":
            await complete(self._transition("planned"))

    def accepted(self, task_id: str) -> None:
        """Note the id of an accepted task, in case the worker is cut off before it returns."""
        self._task_id = task_id

    async def end(self, state: State, reason: str) -> Record:
        """Record the end of a submission, if it had begun."""
        if self.record.state != "planned" or state not in {"planned", "uncertain"}:
            await complete(self._transition(state, Changes(reason=reason)))
        return self.record

    async def cut_off(self, end: BaseException) -> None:
        """Record the task of a submission that was cut off, or that its outcome is unknown."""
        if self._task_id is not None:
            # Where the record is another's by now, the journal has recorded the task besides.
            with suppress(RecordTakenError):
                await complete(self._transition("accepted", Changes(task_id=self._task_id)))
        elif self.record.state == "sending":
            reason = "; ".join(getattr(end, "__notes__", ())) or type(end).__name__
            with suppress(RecordTakenError):
                await self.end("uncertain", f"it was cut off: {reason}")

    async def _transition(self, state: State, changes: Changes = NO_CHANGES) -> None:
        self.record = await self._journal.transition(self.record, state, changes)


class Submitter:
    """Submits planned records.

    Every paid request is in the journal before its first byte is sent, and its task's id before anything else is done
    with it. All waiting (for a slot, after a 429, during an outage) happens before that: the record stays planned.
    """

    def __init__(
        self,
        client: MusicAPI,
        journal: Journal,
        budget: Budget,
        outage: Outage,
        queue: WorkQueue,
        rate: SubmissionRate,
    ) -> None:
        self._client = client
        self._journal = journal
        self._budget = budget
        self._outage = outage
        self._queue = queue
        self._rate = rate
        self._slots = asyncio.Semaphore(MAX_SUBMISSIONS)
        self._in_a_row: Counter[State] = Counter()
        """Requests in a row that were not accepted, by the state they ended in."""

    async def submit(self, record: Record) -> tuple[Record, Task[Any]] | None:
        """Submit a record and return its task; None while it is still planned: it is retried, or by the next run.

        Raises NotAcceptedError when it is refused or uncertain.
        """
        async with self._slots:
            while True:
                await self._outage.pause()
                await self._rate.acquire()
                if self._queue.is_stopped:
                    return None
                began = asyncio.get_running_loop().time()
                charge = await self._admit(record, began)
                if charge is None:
                    continue
                recorder = SubmissionRecorder(self._journal, record, charge)
                try:
                    task = await self._send(recorder, charge)
                except ClaimExpiredError as error:
                    record = await recorder.end("planned", str(error))
                    continue
                except ConnectionFailedError as error:
                    record = await recorder.end("planned", str(error))
                    self._note_unreachable(error, began)
                    continue
                except NotAcceptedError as refused:
                    self._outage.end()
                    self._note_failed(refused.record, refused.error)
                    if refused.record.state == "planned":
                        return None
                    raise
                self._outage.end()
                self._in_a_row.clear()
                return await self._note_accepted(recorder.record, task)

    def _note_failed(self, record: Record, error: MusicAPIError) -> None:
        """Count a submission that failed; retry it, or stop the run where others would fail too."""
        self._in_a_row[record.state] += 1
        if isinstance(error, STOPPING):
            self._queue.stop(error)
        elif self._in_a_row[record.state] >= MAX_IN_A_ROW[record.state]:
            logger.warning(
                "%d requests in a row are %s: nothing more is sent", self._in_a_row[record.state], record.state
            )
            self._queue.stop(error)
        elif record.state == "planned":
            self._queue.retry(record)

    async def _admit(self, record: Record, began: float) -> float | None:
        """Return the charge of a request that may be sent; None when it may not be sent, or not yet."""
        try:
            return await self._budget.admit(record)
        except (ConnectionFailedError, *RETRYABLE) as error:
            # Without the balance the limit cannot be kept.
            self._note_unreachable(error, began)
        except MusicAPIError as error:
            # The record is not at fault: it stays planned.
            self._queue.stop(error)
        return None

    async def _send(self, recorder: SubmissionRecorder, charge: float) -> Task[Any]:
        record = recorder.record
        try:
            async with self._budget.paying(record, charge):
                request = request_of(record)
                engine = engine_of(self._client)
                return await engine.submit(request, recorder.encode(request, engine.latest_end_of(request)))
        except (ClaimExpiredError, ConnectionFailedError, RecordTakenError):
            raise
        except MusicAPIError as error:
            if len(error.task_ids) == 1:
                # Polls will show the state of the task that the error response contains.
                logger.warning("task %s is treated as accepted, although: %s", error.task_ids[0], error)
                return self._client.resume(type(request_of(record)), error.task_ids[0])
            if isinstance(error, UncertainSubmissionError) or error.task_ids:
                raise NotAcceptedError(await recorder.end("uncertain", str(error)), error) from error
            is_final = isinstance(error, RetiredError) or not isinstance(error, (*STOPPING, *RETRYABLE))
            refused = await recorder.end("refused" if is_final else "planned", str(error))
            raise NotAcceptedError(refused, error) from error
        except BaseException as end:
            await recorder.cut_off(end)
            raise

    async def _note_accepted(self, record: Record, task: Task[Any]) -> tuple[Record, Task[Any]]:
        try:
            return await self._journal.transition(record, "accepted", Changes(task_id=task.id)), task
        except RecordTakenError:
            raise
        except JournalError as error:
            error.add_note(f"{task.family} task {task.id} was accepted and paid for: {task.resumption}")
            logger.error("%s task %s was accepted, and could not be recorded: %s", task.family, task.id, error)
            raise

    def _note_unreachable(self, error: MusicAPIError, began: float) -> None:
        if not self._outage.fail(error, began):
            self._queue.stop(error)
