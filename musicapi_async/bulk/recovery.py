"""Recovery by events: an uncertain record whose event names its task is accepted, once a poll has confirmed the task.

Events come from the inbox of the journal, where each stays until it needs nothing more, and from the
client. An event alone changes no record, and nothing is ever sent because of one.
"""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, Final, Literal, TypeAlias

import attrs

from musicapi_async._client import MusicAPI
from musicapi_async._engine_access import engine_of
from musicapi_async._logger import logger
from musicapi_async._tasks.inbox import reported_event
from musicapi_async._tasks.task import Task
from musicapi_async._webhook_inbox import InboxEvent
from musicapi_async.bulk.inbox import MAX_AGE, EventInbox
from musicapi_async.bulk.journal import Journal, RecordTakenError
from musicapi_async.bulk.records import Attempt, Changes, Record
from musicapi_async.bulk.requests_file import class_of, request_of
from musicapi_async.bulk.saving import FileSink
from musicapi_async.bulk.waiting import TaskWaiter, UnansweredError, UnknownTaskError
from musicapi_async.bulk.work_queue import WorkQueue
from musicapi_async.errors import ClientClosedError, InvalidRequestError, JournalError, MusicAPIError, TaskFailedError

__all__ = ["EventRecovery", "Meaning", "meaning_of"]

RETRY_INTERVAL: Final = 30.0
"""Seconds after which an event is handled again that could not be confirmed by a poll."""
MAX_WAIT: Final = 600.0
"""Seconds for which the event of an uncertain record is waited for, at most."""
MAX_WATCHED: Final = 1000
"""Earlier attempts whose events are expected by the client; those in the inbox are matched in any case."""

MAX_HANDLED: Final = 100
"""Events that are in memory at once."""
BEFORE: Final = "; before that: "

Meaning: TypeAlias = Literal["known", "open", "recovers", "extra"]
"""What an event says of the journal: a task it knows, a submission that has not ended, the task of an uncertain record,
or one that is paid for besides the record's own."""
Handled: TypeAlias = Literal["done", "soon", "later", "never"]
"""When an event is handled again; ``never`` in this run, which is not ``done``."""


def meaning_of(attempt: Attempt, task_id: str) -> Meaning:
    """Return the meaning of an event that names a task for an attempt. No I/O."""
    record = attempt.record
    if record.reference != attempt.reference:  # sent again since
        return "known" if attempt.task_id == task_id else "extra"
    if record.state == "uncertain":
        return "recovers"
    if task_id in {record.task_id, attempt.task_id}:
        return "known"
    # A planned one waits to be sent again; an accepted one may become uncertain, if its task's id is wrong.
    return "open" if record.state in {"planned", "sending", "accepted", "finished"} else "extra"


class EventRecovery:
    """Handles the events of a run's journal, until it is closed."""

    def __init__(
        self, client: MusicAPI, journal: Journal, sink: FileSink | None, queue: WorkQueue, waiter: TaskWaiter
    ) -> None:
        self._client = client
        self._events = engine_of(client).events
        self._journal = journal
        self._sink = sink
        self._queue = queue
        self._waiter = waiter
        self._inbox: EventInbox = journal.inbox
        self._not_before: dict[str, float] = {}
        """Event-loop times before which events in the inbox are not handled again, by their names."""
        self._busy: set[str] = set()
        """The references and task ids that are being handled, or that a worker waits for."""
        self._reading = asyncio.Lock()
        self._handling: set[asyncio.Task[None]] = set()
        self._saving: set[asyncio.Task[None]] = set()
        self._saved: set[str] = set()
        """The references of attempts whose songs are being saved, or were, in this run."""
        self._background: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Handle the events that were kept since the last run, then those that come, until ``aclose``."""
        for reference in await self._journal.open_references(MAX_WATCHED):
            self._events.note_sent(reference)
            self._watch(reference)
        for attempt in await self._journal.extras():
            if attempt.files is None:
                self._save(attempt)
        await self.take_kept()
        self._start(self._read(), self._background)

    async def aclose(self) -> None:
        """Handle nothing more; events in the inbox stay for the next run."""
        tasks = self._handling | self._saving | self._background
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def take_kept(self) -> None:
        """Handle the events that are in the inbox now."""
        await self._take_all()
        while self._handling:
            await asyncio.wait(self._handling)

    async def finish(self) -> None:
        """Handle the events that are in the inbox now, and wait until the songs that are paid for besides are saved.

        For the end of a run, when no record is left.
        """
        await self.take_kept()
        while self._saving:
            await asyncio.wait(self._saving)

    async def wait_for(self, record: Record) -> Record:
        """Wait for the event of an uncertain record; return the record as it is then: accepted if it was confirmed."""
        reference = record.reference
        if record.state != "uncertain" or reference is None:
            return record
        self._busy.add(reference)
        try:
            task_id = await self._events.task_id_of(reference, self._time_to_wait(record))
            if task_id is not None and task_id not in self._busy:
                self._busy.add(task_id)
                try:
                    record = await self._confirm(record, reference, task_id)
                except ClientClosedError:
                    return record
                finally:
                    self._busy.discard(task_id)
        finally:
            self._busy.discard(reference)
        if record.state == "uncertain":
            self._watch(reference)
        return record

    def _time_to_wait(self, record: Record) -> float:
        """Return the seconds for which an uncertain record keeps its place among those in flight.

        Then its task, if there is one, has most probably ended; an event that is later still recovers it.
        """
        limits = (MAX_WAIT, self._waiter.timeout, engine_of(self._client).latest_end_of(request_of(record)))
        return min(limit for limit in limits if limit is not None)

    def _watch(self, reference: str) -> None:
        self._start(self._handle_from_client(reference), self._background)

    def _start(self, work: Coroutine[Any, Any, None], group: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(_logged(work))
        group.add(task)
        task.add_done_callback(group.discard)

    async def _handle_from_client(self, reference: str) -> None:
        """Handle an event that the client receives."""
        task_id = await self._events.task_id_of(reference, None)
        while task_id is not None:
            if await self._handle(reference, task_id) in {"done", "never"}:
                return
            await asyncio.sleep(RETRY_INTERVAL)

    async def _read(self) -> None:
        while True:
            await self._inbox.wait()
            await self._take_all()

    async def _take_all(self) -> None:
        async with self._reading:
            try:
                names = await self._inbox.names(MAX_AGE)
            except (OSError, JournalError) as error:
                logger.error("the events of %s cannot be read: %s", self._journal.name, error)
                return
            now, present = asyncio.get_running_loop().time(), set(names)
            self._not_before = {name: at for name, at in self._not_before.items() if name in present}
            for name in names:
                while len(self._handling) >= MAX_HANDLED:
                    await asyncio.wait(self._handling, return_when=asyncio.FIRST_COMPLETED)
                if self._not_before.get(name, now) <= now:
                    self._not_before[name] = math.inf
                    if (event := await self._inbox.read(name)) is not None:
                        self._start(self._handle_kept(name, event), self._handling)

    async def _handle_kept(self, name: str, event: InboxEvent) -> None:
        """Handle an event in the inbox; it is removed when the journal has recorded what follows from it."""
        handled: Handled = "later"
        try:
            # It wakes the wait of its task, or the worker that waits for it.
            self._events.receive(event.id, reported_event(event), event.reference)
            is_of_attempt = event.reference is not None and event.task_id is not None
            # Any other one can only wake a wait.
            handled = await self._handle(event.reference or "", event.task_id or "") if is_of_attempt else "done"
            if handled == "done":
                await self._inbox.remove(name)
        finally:
            delay = {"soon": 0.0, "later": RETRY_INTERVAL}.get(handled, math.inf)
            self._not_before[name] = asyncio.get_running_loop().time() + delay

    async def _handle(self, reference: str, task_id: str) -> Handled:
        own = {reference, task_id}
        if self._busy & own:
            return "soon"
        self._busy |= own
        try:
            attempt = await self._journal.attempt(reference)
            if attempt is None:
                return "never"  # of another journal, or of one that has lost entries
            meaning = meaning_of(attempt, task_id)
            if meaning == "recovers":
                return await self._recover(attempt, task_id)
            if meaning == "extra":
                return await self._note_extra(attempt, task_id)
            return "done" if meaning == "known" else "soon"
        finally:
            self._busy -= own

    async def _recover(self, attempt: Attempt, task_id: str) -> Handled:
        """Accept an uncertain record that is not waited for, and queue it."""
        try:
            record = await self._confirm(attempt.record, attempt.reference, task_id)
        except RecordTakenError:
            return "soon"  # another worker, or the user, was faster
        if record.state != "accepted":
            return "later"
        self._queue.retry(record)
        return "done"

    async def _confirm(self, record: Record, reference: str, task_id: str) -> Record:
        """Accept an uncertain record if one poll knows the task that its event names; else record why it does not."""
        problem = await self._problem_of(record, reference, task_id)
        if problem is None:
            self._queue.reserve(record)
            accepted = await self._journal.transition(record, "accepted", Changes(task_id=task_id, reason=""))
            logger.info("%s was accepted: its event names task %s", record.key, task_id)
            return accepted
        reason = f"its event names task {task_id}, which {problem}"
        if reason in (record.reason or ""):
            return record
        logger.warning("%s stays uncertain: %s", record.key, reason)
        before = (record.reason or "").rpartition(BEFORE)[2]
        return await self._journal.update(record, Changes(reason=f"{reason}{BEFORE}{before}"))

    async def _problem_of(self, record: Record, reference: str, task_id: str) -> str | None:
        """Return why a task cannot be that of a record, after one poll; None when it can."""
        if await self._journal.has_task(task_id, reference):
            return "is the task of another request"
        try:
            await self._waiter.poll(self._task_of(record, task_id))
        except ClientClosedError:
            raise
        except (UnknownTaskError, InvalidRequestError) as error:
            return f"the service does not know: {error}"
        except MusicAPIError as error:
            return f"could not be polled: {error}"
        return None

    def _task_of(self, record: Record, task_id: str) -> Task[Any]:
        return self._client.resume(class_of(record.operation), task_id)

    async def _note_extra(self, attempt: Attempt, task_id: str) -> Handled:
        """Record a task that is paid for besides the record's own, and save its song."""
        record = attempt.record
        if (problem := await self._problem_of(record, attempt.reference, task_id)) is not None:
            logger.warning("%s: an event of an earlier attempt names task %s, which %s", record.key, task_id, problem)
            return "later"
        await self._journal.record_extra(attempt.reference, task_id)
        since = "sent again" if record.reference != attempt.reference else f"recorded as {record.state}"
        text = "%s was paid for twice: task %s of an uncertain attempt was accepted, and the request was %s meanwhile"
        logger.warning(text, record.key, task_id, since)
        self._save(attrs.evolve(attempt, task_id=task_id))
        return "done"

    def _save(self, attempt: Attempt) -> None:
        if attempt.reference not in self._saved:
            self._saved.add(attempt.reference)
            self._start(self._save_extra(attempt), self._saving)

    async def _save_extra(self, attempt: Attempt) -> None:
        """Save a song that is paid for besides the record's own, under a name with the record's number."""
        record, task_id = attempt.record, attempt.task_id or ""
        try:
            result = await self._waiter.wait(self._task_of(record, task_id))
            # A record of its own for the files: they hold this task's id.
            besides = attrs.evolve(record, state="finished", task_id=task_id, clips=(), files=())
            files = () if self._sink is None else await self._sink.save(besides, result, is_extra=True)
        except JournalError:
            raise
        except TaskFailedError as error:
            logger.warning("%s: task %s, which was paid for besides, has failed: %s", record.key, task_id, error)
            files = ()
        except (MusicAPIError, UnknownTaskError, UnansweredError) as error:
            logger.warning("%s: task %s is saved by the next run: %s", record.key, task_id, error)
            return
        await self._journal.record_extra(attempt.reference, task_id, files)


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - the workers of the run meet it too, or it is met again
        logger.error("an event could not be handled: %r", error)
