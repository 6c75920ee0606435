"""Collection of the results of accepted tasks: they are saved, or recorded as failed, overdue or unknown."""

import math
import time
from collections.abc import Sequence
from typing import Any, Final

import attrs

from musicapi_async._client import MusicAPI
from musicapi_async._logger import logger
from musicapi_async._tasks.state import TaskState
from musicapi_async._tasks.task import Task, entry_of
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.journal import Journal
from musicapi_async.bulk.records import Changes, Record, State
from musicapi_async.bulk.requests_file import class_of
from musicapi_async.bulk.saving import FileSink, clips_in
from musicapi_async.bulk.waiting import TaskWaiter, UnansweredError, UnknownTaskError
from musicapi_async.bulk.work_queue import WorkQueue
from musicapi_async.errors import (
    APIStatusError,
    AuthenticationError,
    BulkStoppedError,
    EventLoopError,
    InvalidRequestError,
    InvalidResponseError,
    MusicAPIError,
    RateLimitError,
    ServerError,
    SubscriptionError,
    TaskFailedError,
    TaskTimeoutError,
)
from musicapi_async.results import Clip, Songs
from musicapi_async.results.clip import FAILED

__all__ = ["Collector", "Outcome"]


MAX_TASK_TIME: Final = 24 * 3600.0
"""Seconds after acceptance for which the rest of an unfinished task is waited for, in all runs together."""
MAX_UNKNOWN: Final = 5
"""Maximum consecutive unknown tasks without a known one; beyond it the account or the address must be wrong."""
ENDING: Final = (MusicAPIError, UnknownTaskError, UnansweredError)
STOPPING: Final = (AuthenticationError, EventLoopError, SubscriptionError)
"""Errors that every other poll would raise too: nothing more is submitted or resumed."""
UNREADABLE: Final[Sequence[tuple[tuple[type[MusicAPIError], ...], float]]] = (
    ((RateLimitError, *STOPPING), math.inf),
    # A failure of the service may be over tomorrow.
    ((ServerError,), 2 * MAX_TASK_TIME),
    ((APIStatusError, InvalidResponseError), MAX_TASK_TIME),
)
"""Failures of polls, and the seconds after acceptance from which they count as final."""


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of a record in this run: the ``result`` of its task, and the ``error`` of one that is not ``saved``.

    With a TaskTimeoutError the ``result`` holds the finished clips, if there are any.
    """

    record: Record
    """The record, in its state at the end."""
    result: Any = None
    """The result of its task; None when there is none."""
    error: MusicAPIError | None = None
    """The error because of which the record is not ``saved``; None when it is."""

    def unwrap(self) -> Any:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result


class Collector:
    """Waits for tasks and saves their results.

    A task that is not finished in time is overdue: its slot is freed, its finished clips are saved, and it is polled
    again before the run ends, and by later runs.
    """

    def __init__(
        self,
        client: MusicAPI,
        journal: Journal,
        sink: FileSink | None,
        budget: Budget,
        queue: WorkQueue,
        waiter: TaskWaiter,
        *,
        in_flight: int,
        attempts: int,
    ) -> None:
        self._client = client
        self._journal = journal
        self._sink = sink
        self._budget = budget
        self._queue = queue
        self._waiter = waiter
        self._in_flight = in_flight
        self._attempts = attempts
        self._freed = 0
        """Slots freed of overdue tasks since a task ended."""
        self._unknown = 0
        """Unknown tasks since one was found."""

    async def resume(self, record: Record) -> Outcome | None:
        """Collect a task of an earlier run; return None when it is still overdue, or is sent again."""
        try:
            task = self._task_of(record)
        except InvalidRequestError as error:
            # Neither its operation nor its id can be used.
            return await self._note_unknown(record, error, "cannot be resumed")
        is_late = record.is_overdue or _age(record) > MAX_TASK_TIME
        return await (self._check(record, task) if is_late else self.collect(record, task))

    async def collect(self, record: Record, task: Task[Any]) -> Outcome | None:
        """Wait for a task and save its result; None when it is overdue, or is sent again."""
        try:
            result = await self._waiter.wait(task)
        except TaskTimeoutError as error:
            return await self._free_slot(record, task, error)
        except ENDING as error:
            if isinstance(error, UnansweredError) and not error.is_outage:
                return await self._free_slot(record, task, error.error)
            return await self._note_error(record, error)
        return await self._note_finished(record, result)

    async def check_last(self, record: Record) -> Outcome | None:
        """Poll an overdue task at the end of the run and return its outcome; None when it is sent again."""
        return await self._check(record, self._task_of(record), is_last=True)

    def _task_of(self, record: Record) -> Task[Any]:
        # The request itself need not be valid any more.
        return self._client.resume(class_of(record.operation), record.task_id or "")

    async def _free_slot(self, record: Record, task: Task[Any], error: MusicAPIError) -> Outcome | None:
        logger.warning("%s; it is polled again before the run ends", error)
        record = await self._journal.update(record, Changes(overdue_at=time.time()))
        outcome = await self._check(record, task)
        if outcome is None:
            self._freed += 1
            if self._freed >= self._in_flight:
                reason = f"{self._freed} tasks in a row were not finished in time, the last: {error}"
                self._queue.stop(BulkStoppedError(f"{reason}: the service accepts requests and does not finish them"))
        return outcome

    async def _check(self, record: Record, task: Task[Any], *, is_last: bool = False) -> Outcome | None:
        """Poll an overdue task once; None when it is not finished, which the last check of the run reports."""
        try:
            state = await self._waiter.poll(task)
            if state.is_done and state.error is not None:
                raise state.error
        except ENDING as error:
            outcome = await self._note_error(record, error)
            is_open = outcome is not None and outcome.record.state == "accepted" and not self._queue.is_closed
            return None if is_open and not is_last else outcome
        if state.is_done:
            return await self._note_finished(record, state.result)
        return await self._note_unfinished(record, task, state, is_last=is_last)

    async def _note_error(self, record: Record, error: Exception) -> Outcome | None:
        if isinstance(error, TaskFailedError):
            return await self._note_failure(record, error)
        if isinstance(error, UnknownTaskError):
            return await self._note_unknown(record, error.error, "is no longer known to the service")
        limit = next((limit for error_types, limit in UNREADABLE if isinstance(error, error_types)), math.inf)
        if isinstance(error, MusicAPIError) and _age(record) > limit:
            return await self._note_unknown(record, error, "its polls have had no readable response since")
        reported = error.error if isinstance(error, UnansweredError) else error
        if isinstance(error, (UnansweredError, *STOPPING)):
            self._queue.stop(reported, is_for_all=True)
        # The task is still running on the server: the next run resumes it.
        return Outcome(record=record, error=reported if isinstance(reported, MusicAPIError) else None)

    async def _note_failure(self, record: Record, failure: TaskFailedError) -> Outcome | None:
        """Record that a task failed; if its credits were clearly refunded, queue it again."""
        self._freed = self._unknown = 0
        # Anything but a clear refund is a failure: another attempt might be charged twice.
        state: State = "refunded" if failure.refunded is True else "failed"
        failed = await self._journal.transition(record, state, Changes(reason=str(failure)))
        if state == "refunded":
            self._budget.refund(record.charged - failed.charged)
            if failed.attempts < self._attempts and not self._queue.is_stopped and await self._is_planned(failed):
                failed = await self._journal.transition(failed, "planned")
                if failed.state == "planned":  # uncertain in a journal that has lost entries
                    self._queue.retry(failed)
                    return None
        return Outcome(record=failed, error=failure)

    async def _is_planned(self, refunded: Record) -> bool:
        """Return whether a record is in the active plan: one whose line was removed or changed is not submitted."""
        found = await self._journal.records("refunded", refunded.number - 1, 1, in_current_plan=True)
        return bool(found) and found[0].number == refunded.number

    async def _note_unknown(self, record: Record, error: MusicAPIError, problem: str) -> Outcome:
        """Make a record uncertain whose task will not end, so that the user can resolve it.

        Where every task is unknown, the account or the address is wrong: the other records stay as they are.
        """
        if self._waiter.has_successful_polls:
            self._unknown = 0
        if self._unknown >= MAX_UNKNOWN:
            reason = f"{MAX_UNKNOWN + 1} tasks in a row cannot be found, and no other was: {error}"
            self._queue.stop(BulkStoppedError(f"{reason}. Check the key and the base_url"), is_for_all=True)
            return Outcome(record=record, error=error)
        self._unknown += 1
        reason = f"task {record.task_id} was accepted, and {problem}: {error}"
        logger.warning("%s: %s", record.key, reason)
        return Outcome(record=await self._journal.transition(record, "uncertain", Changes(reason=reason)), error=error)

    async def _note_unfinished(
        self, record: Record, task: Task[Any], state: TaskState[Any], *, is_last: bool
    ) -> Outcome | None:
        """Save the finished clips of a task; the rest is collected later, for at most a day."""
        finished = tuple(clip for clip in state.clips if _is_finished(clip))
        partial = Songs(clips=finished) if finished else None
        try:
            record = record if partial is None else await self._save_finished(record, partial)
        except MusicAPIError as unsaved:
            return self._note_unsaved(record, partial, unsaved) if is_last else None
        waited = round(_age(record))
        error = TaskTimeoutError(task.family, task.id, waited, state.status, task.resumption)
        if waited > MAX_TASK_TIME:
            if partial is None:
                return await self._note_unknown(record, error, "does not end")
            expected = entry_of(task).rule.expected_clips
            reason = f"{len(finished)} of {expected} clips: the rest was not finished after {waited} s"
            return Outcome(
                record=await self._journal.transition(record, "saved", Changes(reason=reason)), result=partial
            )
        self._unknown = 0
        return Outcome(record=record, result=partial, error=error) if is_last else None

    async def _save_finished(self, record: Record, partial: Songs) -> Record:
        """Save the finished clips that are not saved yet; the record stays ``accepted`` for the rest."""
        if {clip["clip_id"] for clip in record.clips} >= {clip.clip_id for clip in partial}:
            return record
        files = await self._save(record, partial)
        return await self._journal.update(record, attrs.evolve(_clips_of(partial), files=files))

    async def _note_finished(self, record: Record, result: Any) -> Outcome:
        self._freed = self._unknown = 0
        changes = _clips_of(result)
        accepted = record
        if record.state == "accepted" and self._sink is not None:
            record = await self._journal.transition(record, "finished", changes)
        try:
            # As it was accepted: the sink leaves out the clips that were saved while others were not finished.
            files = await self._save(accepted, result)
        except MusicAPIError as error:
            return self._note_unsaved(record, result, error)
        # The clips that were missing when it was overdue are saved now.
        changes = attrs.evolve(changes, files=files, reason="" if record.overdue_at else None)
        return Outcome(record=await self._journal.transition(record, "saved", changes), result=result)

    async def _save(self, record: Record, result: Any) -> Sequence[str]:
        """Write the files of a result, and return their names; none without a folder."""
        return () if self._sink is None else await self._sink.save(record, result)

    def _note_unsaved(self, record: Record, result: Any, error: MusicAPIError) -> Outcome:
        # A full or missing disk fails every other song too.
        if isinstance(error.__cause__, OSError):
            self._queue.stop(error)
        return Outcome(record=record, result=result, error=error)


def _clips_of(result: Any) -> Changes:
    return Changes(clips=[clip.to_dict() for clip in clips_in(result)])


def _age(record: Record) -> float:
    """Return the seconds since a record's task was accepted."""
    return time.time() - (record.accepted_at or 0.0)


def _is_finished(clip: Clip) -> bool:
    # A clip without an id cannot be distinguished from the others later.
    return clip.is_done and clip.state != FAILED and bool(clip.audio_url and clip.clip_id)
