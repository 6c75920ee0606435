"""Collection of what accepted tasks made: waited for, saved, or recorded as failed, overdue or unknown."""

import logging
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

import attrs

from musicapi_async._client import MusicAPI
from musicapi_async._tasks.state import TaskState
from musicapi_async._tasks.task import Task, entry_of
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.requests_file import class_of
from musicapi_async.bulk.states import Facts, Row, State, Store
from musicapi_async.bulk.todo import ToDo
from musicapi_async.bulk.waiting import Patience, UnansweredError, UnknownTaskError
from musicapi_async.errors import (
    AuthenticationError,
    BulkStoppedError,
    EventLoopError,
    InvalidRequestError,
    MusicAPIError,
    SubscriptionError,
    TaskFailedError,
    TaskTimeoutError,
)
from musicapi_async.results import Clip, Songs
from musicapi_async.results.clip import FAILED

__all__ = ["Collector", "Finish", "Outcome"]

logger: Final = logging.getLogger("musicapi")

LONGEST_TASK: Final = 24 * 3600.0
"""Seconds after acceptance for which the rest of an unfinished task is waited for, by all runs together."""
MAX_FORGOTTEN: Final = 5
"""So many unknown tasks in a row, with no other found, are believed; more, and it is not the tasks."""
ENDING: Final = (MusicAPIError, UnknownTaskError, UnansweredError)
STOPPING: Final = (AuthenticationError, EventLoopError, SubscriptionError)
"""What every other poll would meet too: nothing more is submitted or resumed."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of a row in this run; ``error`` tells why it is not ``saved``, ``result`` is what was made.

    With a TaskTimeoutError the ``result`` holds the clips that are finished, if there are any.
    """

    row: Row
    result: Any = None
    error: MusicAPIError | None = None

    def unwrap(self) -> Any:
        """Return what was made, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result


class Finish(Protocol):
    """Delivers what a task has made, such as its files."""

    takes_time: bool
    """False where nothing is fetched or written."""

    async def __call__(self, row: Row, result: Any, /) -> Sequence[str]:
        """Write its files and return their names; called again for a row of which some are there already."""
        ...

    def known(self, result: Any, /) -> Facts:
        """Return what is to be kept of a result."""
        ...


class Collector:
    """Waits for tasks and saves what they made.

    A task that is not finished in time is overdue: its place is given up, what is finished of it is saved, and it is
    polled again before the run ends, and by later runs.
    """

    def __init__(
        self,
        client: MusicAPI,
        store: Store,
        finish: Finish,
        budget: Budget,
        to_do: ToDo,
        patience: Patience,
        *,
        in_flight: int,
        attempts: int,
    ) -> None:
        self._client = client
        self._store = store
        self._finish = finish
        self._budget = budget
        self._to_do = to_do
        self._patience = patience
        self._in_flight = in_flight
        self._attempts = attempts
        self._given_up = 0
        """Places given up since a task ended."""
        self._forgotten = 0
        """Unknown tasks since one was found."""

    async def resume(self, row: Row) -> Outcome | None:
        """Collect a task that an earlier run left; None when it is overdue still, or is sent again."""
        try:
            task = self._client.resume(class_of(row), row.task_id or "")
        except InvalidRequestError as error:
            # Neither its operation nor its id can be used.
            return await self._note_unknown(row, error, "cannot be resumed")
        return await (self._check(row, task) if row.is_overdue else self.collect(row, task))

    async def collect(self, row: Row, task: Task[Any]) -> Outcome | None:
        """Wait for a task and save what it made; None when it is overdue, or is sent again."""
        try:
            result = await self._patience.wait(task)
        except TaskTimeoutError as error:
            return await self._give_up(row, task, error)
        except ENDING as error:
            if isinstance(error, UnansweredError) and not error.is_outage:
                return await self._give_up(row, task, error.error)
            return await self._note_error(row, error)
        return await self._note_finished(row, result)

    async def check_last(self, row: Row) -> Outcome | None:
        """Poll an overdue task at the end of the run, and say what became of it; None when it is sent again."""
        return await self._check(row, self._client.resume(class_of(row), row.task_id or ""), is_last=True)

    async def _give_up(self, row: Row, task: Task[Any], error: MusicAPIError) -> Outcome | None:
        logger.warning("%s; it is polled again before the run ends", error)
        row = await self._store.update(row, Facts(overdue_at=time.time()))
        outcome = await self._check(row, task)
        if outcome is None:
            self._given_up += 1
            if self._given_up >= self._in_flight:
                reason = f"{self._given_up} tasks in a row were not finished in time, the last: {error}"
                self._to_do.stop(BulkStoppedError(f"{reason}: the service accepts requests and does not finish them"))
        return outcome

    async def _check(self, row: Row, task: Task[Any], *, is_last: bool = False) -> Outcome | None:
        """Poll an overdue task once; None when it is not finished, which the last check of the run reports."""
        try:
            state = await self._patience.poll(task)
            if state.is_done and state.error is not None:
                raise state.error
        except ENDING as error:
            outcome = await self._note_error(row, error)
            is_open = outcome is not None and outcome.row.state == "accepted" and not self._to_do.is_closed
            return None if is_open and not is_last else outcome
        if state.is_done:
            return await self._note_finished(row, state.result)
        return await self._note_unfinished(row, task, state, is_last=is_last)

    async def _note_error(self, row: Row, error: Exception) -> Outcome | None:
        if isinstance(error, TaskFailedError):
            return await self._note_failure(row, error)
        if isinstance(error, UnknownTaskError):
            return await self._note_unknown(row, error.error, "is no longer known to the service")
        reported = error.error if isinstance(error, UnansweredError) else error
        if isinstance(error, (UnansweredError, *STOPPING)):
            self._to_do.stop(reported, is_for_all=True)
        # It is still running on the server: the next run resumes it.
        return Outcome(row=row, error=reported if isinstance(reported, MusicAPIError) else None)

    async def _note_failure(self, row: Row, failure: TaskFailedError) -> Outcome | None:
        """Record that a task failed; where its credits were plainly refunded, have it sent again."""
        self._given_up = self._forgotten = 0
        # Everything but a plain refund is a failure: another attempt might be paid for twice.
        state: State = "refunded" if failure.refunded is True else "failed"
        failed = await self._store.move(row, state, Facts(reason=str(failure)))
        if state == "refunded":
            self._budget.refund(row.charged - failed.charged)
            if failed.attempts < self._attempts and not self._to_do.is_stopped:
                failed = await self._store.move(failed, "planned")
                if failed.state == "planned":  # uncertain in a journal that has lost entries
                    self._to_do.again(failed)
                    return None
        return Outcome(row=failed, error=failure)

    async def _note_unknown(self, row: Row, error: MusicAPIError, problem: str) -> Outcome:
        """Make a record uncertain whose task will not end, so that its user can settle it.

        Where every task of the service is unknown, it is the account or the address: the rest is left as it is.
        """
        if self._patience.has_found_any:
            self._forgotten = 0
        if self._forgotten >= MAX_FORGOTTEN:
            reason = f"{MAX_FORGOTTEN + 1} tasks in a row cannot be found, and no other was: {error}"
            self._to_do.stop(BulkStoppedError(f"{reason}. Check the key and the base_url"), is_for_all=True)
            return Outcome(row=row, error=error)
        self._forgotten += 1
        reason = f"task {row.task_id} was accepted, and {problem}: {error}"
        logger.warning("%s: %s", row.key, reason)
        return Outcome(row=await self._store.move(row, "uncertain", Facts(reason=reason)), error=error)

    async def _note_unfinished(
        self, row: Row, task: Task[Any], state: TaskState[Any], *, is_last: bool
    ) -> Outcome | None:
        """Save what is finished of a task, and leave the rest for later, at most for a day."""
        finished = tuple(clip for clip in state.clips if _is_finished(clip))
        partial = Songs(clips=finished) if finished else None
        try:
            row = row if partial is None else await self._save_finished(row, partial)
        except MusicAPIError as unsaved:
            return self._note_unsaved(row, partial, unsaved) if is_last else None
        waited = round(time.time() - (row.accepted_at or 0.0))
        error = TaskTimeoutError(task.family, task.id, waited, state.status, task.resumption)
        if waited > LONGEST_TASK:
            if partial is None:
                return await self._note_unknown(row, error, "does not end")
            expected = entry_of(task).rule.expected_clips
            reason = f"{len(finished)} of {expected} clips: the rest was not finished after {waited} s"
            return Outcome(row=await self._store.move(row, "saved", Facts(reason=reason)), result=partial)
        self._forgotten = 0
        return Outcome(row=row, result=partial, error=error) if is_last else None

    async def _save_finished(self, row: Row, partial: Songs) -> Row:
        """Save those clips that are finished and not saved yet; the record stays open for the rest."""
        if {clip["clip_id"] for clip in row.clips} >= {clip.clip_id for clip in partial}:
            return row
        files = await self._finish(row, partial)
        return await self._store.update(row, attrs.evolve(self._finish.known(partial), files=files))

    async def _note_finished(self, row: Row, result: Any) -> Outcome:
        self._given_up = self._forgotten = 0
        known = self._finish.known(result)
        saving = row
        if row.state == "accepted" and self._finish.takes_time:
            row = await self._store.move(row, "finished", known)
        try:
            files = await self._finish(saving, result)
        except MusicAPIError as error:
            return self._note_unsaved(row, result, error)
        # What was missing when it was overdue is there now.
        known = attrs.evolve(known, files=files, reason="" if row.overdue_at else None)
        return Outcome(row=await self._store.move(row, "saved", known), result=result)

    def _note_unsaved(self, row: Row, result: Any, error: MusicAPIError) -> Outcome:
        # A disk that is full or gone is met by every other song too.
        if isinstance(error.__cause__, OSError):
            self._to_do.stop(error)
        return Outcome(row=row, result=result, error=error)


def _is_finished(clip: Clip) -> bool:
    # A clip without an id cannot be told from its siblings later.
    return clip.is_done and clip.state != FAILED and bool(clip.audio_url and clip.clip_id)
