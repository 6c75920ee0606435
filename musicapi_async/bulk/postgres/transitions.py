"""The transitions of records in a shared journal: each is done once, by one worker, whatever is lost on the way."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from musicapi_async._logger import logger
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.journal import RecordTakenError
from musicapi_async.bulk.postgres import records
from musicapi_async.bulk.postgres.claims import Claims
from musicapi_async.bulk.postgres.connection import Batches, Channel
from musicapi_async.bulk.postgres.late_ids import LateId, LateIds
from musicapi_async.bulk.postgres.records import SharedRecord, new_change, shared_record_of, transition_arguments
from musicapi_async.bulk.records import UNFINISHED, Changes, Record, State
from musicapi_async.bulk.rows import given_values, transition_values

__all__ = ["Transitions", "taken_reason"]

RECORDING_LIMIT: Final = 1.0
"""Seconds after which an id that is not in the database yet is kept on the disk."""
FIND: Final = f"SELECT {records.SHARED} FROM musicapi.record WHERE number = $1"  # noqa: S608 - names of ours


class Transitions:
    """Changes the records of a journal for one worker, and keeps ids that come late until they are recorded."""

    def __init__(
        self,
        name: str,
        worker: str,
        reading: Channel,
        writing: Channel,
        claims: Claims,
        *,
        is_worker: Callable[[], bool],
    ) -> None:
        self._name = name
        self._worker = worker
        self._reading = reading
        self._writing = writing
        self._claims = claims
        self._is_worker = is_worker
        self._batches = Batches(writing, _transition_all)
        self.late_ids: LateIds = LateIds("unknown")
        """The ids that could not be recorded, on the disk of this machine."""
        self.held: set[int] = set()
        """The numbers of the records whose tasks this worker collects."""

    async def accept(self, record: SharedRecord, changes: Changes) -> Record:
        """Record the id of a task, on the disk of this machine too while the database is away."""
        late = _late_id(record, changes)
        loop = asyncio.get_running_loop()
        writing = loop.create_task(self.change(record, "accepted", changes))
        # Its error is this caller's alone, who may not be there any more.
        writing.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Also when the worker is stopped meanwhile.
        is_kept = await complete(self._keep_unless(writing, late))
        accepted = await writing
        if is_kept:
            await asyncio.to_thread(self.late_ids.remove, late)
        return accepted

    async def _keep_unless(self, writing: "asyncio.Task[Record]", late: LateId) -> bool:
        """Keep an id that is not written soon; return whether it was kept."""
        lost = asyncio.get_running_loop().create_task(self._writing.lost.wait())
        try:
            # Also while the loss is not noticed yet: a database that has gone silent, with its connections open.
            await asyncio.wait((writing, lost), timeout=RECORDING_LIMIT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
        if is_late := not writing.done():
            await self._keep(late)
        return is_late

    async def change(self, before: SharedRecord, state: State, changes: Changes) -> Record:
        """Change the state of a record, and return it as it is now; raises RecordTakenError."""
        changed = await self._try(before, state, changes)
        return await self._resolve(before, state, changes) if changed is None else changed

    async def _try(self, before: SharedRecord, state: State, changes: Changes) -> SharedRecord | None:
        """Do a transition of a record as it was read; None when it has been changed meanwhile."""
        values = transition_values(before, state, changes)
        after = attrs.evolve(before, **values, change=new_change(), owner=self._owner_of(before, state))
        if after.owner is not None and state != "planned":
            self.held.add(before.number)
        row = await self._batches.run(after.change, transition_arguments(before, after, state, changes))
        if row is not None:
            found = shared_record_of(row) if state == "planned" else after
        else:
            current = await self.find(before.number)
            if current is None or current.change != after.change:
                return None
            found = current  # committed on a connection that was lost
        self._claims.ended(before, state, is_picked=state == "planned" and after.owner is not None)
        if state not in UNFINISHED:
            self.held.discard(before.number)
        return found

    async def _resolve(self, before: SharedRecord, state: State, changes: Changes) -> Record:
        """Do what is left of a transition of a record that was changed by someone else meanwhile."""
        is_claim = before.state == "sending" and self._claims.has(before)
        current = await self.find(before.number)
        # This worker alone knows: it was accepted, or it was certainly not sent.
        while is_claim and current is not None and current.claim == before.claim and current.state == "uncertain":
            if state == "uncertain":
                self._claims.ended(before, state)
                return current
            is_accepted = state == "accepted"
            known = attrs.evolve(changes, reason="") if is_accepted else attrs.evolve(changes, was_not_accepted=True)
            found = await self._try(current, "accepted" if is_accepted else "planned", known)
            if found is not None:
                self._claims.ended(before, state)
                return found
            current = await self.find(before.number)
        if is_claim and state == "accepted" and not (current is not None and current.task_id == changes.task_id):
            late = _late_id(before, changes)
            await self._keep(late)
            await self.settle_late(late)
        self._claims.ended(before, "uncertain")
        self.held.discard(before.number)
        raise RecordTakenError(self._name, taken_reason(before))

    async def _keep(self, late: LateId) -> None:
        try:
            path: object = await asyncio.to_thread(self.late_ids.keep, late)
        except OSError as error:
            path = f"nowhere: {error}"
        logger.error(
            "task %s of %s was accepted, and is not in the journal yet: kept in %s", late.task_id, late.key, path
        )

    async def settle_late(self, late: LateId) -> None:
        """Record an id that came late: as that of its record, or as that of a song that is paid for besides."""
        current = await self.find(late.number)
        if current is None:
            logger.error("task %s of %s has no record in %s", late.task_id, late.key, self._name)
            return
        is_own = current.claim == late.claim and current.state in {"sending", "uncertain"}
        if is_own:
            changes = Changes(task_id=late.task_id, reason="")
            accepted = await self._try(current, "accepted", changes)
            self.held.discard(late.number)  # so that its task is collected, by the next heartbeat
            if accepted is None:
                await self.settle_late(late)
                return
        elif current.task_id != late.task_id:
            extra = (records.ADD_EXTRA, str(late.claim), late.task_id, None)
            await self._reading.run(lambda connection: connection.execute(*extra))
            text = "%s was paid for twice: task %s was accepted, and the request was decided on meanwhile (%s)"
            logger.error(text, late.key, late.task_id, current.state)
        await asyncio.to_thread(self.late_ids.remove, late)

    def _owner_of(self, before: Record, state: State) -> str | None:
        # What a user plans again is for any worker; what a run does is for itself.
        # The event of an uncertain one is for the worker that waits for it.
        is_own = state in {*UNFINISHED, "uncertain"} or (state == "planned" and before.state in {"sending", "refunded"})
        return self._worker if is_own and self._is_worker() else None

    async def update(self, before: SharedRecord, changes: Changes) -> Record:
        """Apply changes to a record that stays in its state, and return it as it is now."""
        after = attrs.evolve(before, **given_values(changes), change=new_change())
        row = await self._batches.run(after.change, transition_arguments(before, after, None))
        if row is None:
            current = await self.find(before.number)
            if current is None or current.change != after.change:
                self.held.discard(before.number)
                raise RecordTakenError(self._name, taken_reason(before))
        return after

    async def find(self, number: int) -> SharedRecord | None:
        """Return a record by its number; None when there is none."""
        row = await self._reading.run(lambda connection: connection.fetchrow(FIND, number))
        return None if row is None else shared_record_of(row)


async def _transition_all(connection: Any, arguments: Sequence[Any]) -> Sequence[Any]:
    return list(await connection.fetchmany(records.TRANSITION, arguments))


def _late_id(record: SharedRecord, changes: Changes) -> LateId:
    return LateId(number=record.number, claim=record.claim or 0, key=record.key, task_id=changes.task_id or "")


def taken_reason(record: Record) -> str:
    """Return why a record is not this worker's any more."""
    return f"record {record.number} ({record.key!r}) is not {record.state} any more: it was changed by someone else"
