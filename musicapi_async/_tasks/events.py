"""The events of a client's tasks: matched with its submissions and waits, by reference and by task id.

An event wakes the wait of its task. One that is less than certain causes a poll, since polling remains the truth.
"""

import asyncio
from collections import OrderedDict
from typing import Final

import attrs

from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.state import ReportedEvent

__all__ = ["TaskEvents"]

MAX_REFERENCES: Final = 100_000
"""Submissions that are remembered; an event of an older one is matched by its task alone."""
MAX_RECEIVED: Final = 10_000
"""Events that are remembered, so that a second delivery does nothing."""


@attrs.define(eq=False)
class _Reported:
    """A submission whose events the service sends to this client."""

    accepted_id: str | None = None
    """The task id in the response to the submission; None before it, and when there was none."""
    event_id: str | None = None
    """The task id in its first event; None before that."""
    waiters: list[asyncio.Future[str]] = attrs.field(factory=list)


class TaskEvents:
    """The submissions whose events are expected, and the waits that the events wake."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._submissions: OrderedDict[str, _Reported] = OrderedDict()
        self._received: OrderedDict[str, bool] = OrderedDict()
        """The ids of the last events, and whether they were matched."""

    def note_sent(self, reference: str) -> None:
        """Remember the reference of a submission that is about to be sent."""
        if reference not in self._submissions:
            if len(self._submissions) >= MAX_REFERENCES:
                self._submissions.popitem(last=False)
            self._submissions[reference] = _Reported()

    def note_accepted(self, reference: str, task_id: str) -> None:
        """Remember the task that a submission has started."""
        if (found := self._submissions.get(reference)) is not None:
            found.accepted_id = task_id

    def receive(self, event_id: str, event: ReportedEvent, reference: str | None) -> bool:
        """Wake the waits of a verified event; return False when it is of no submission or task of this client.

        An event that was received before does nothing.
        """
        if event_id not in self._received:
            self._received[event_id] = self._match(event, reference)
            if len(self._received) > MAX_RECEIVED:
                self._received.popitem(last=False)
        return self._received[event_id]

    def _match(self, event: ReportedEvent, reference: str | None) -> bool:
        reported = self._poller.reported
        reported.note_event(asyncio.get_running_loop().time())
        submission = None if reference is None else self._submissions.get(reference)
        if submission is not None and event.task_id is not None:
            submission.event_id = submission.event_id or event.task_id
            for waiter in submission.waiters:
                if not waiter.done():
                    waiter.set_result(event.task_id)
            if submission.accepted_id not in {None, event.task_id}:
                # One of the two ids is wrong: a poll tells which.
                for entry in reported.waiting(submission.accepted_id or ""):
                    self._poller.poll_soon(entry)
                return True
        if event.task_id is None:
            return submission is not None
        if waiting := reported.waiting(event.task_id):
            for entry in waiting:
                self._poller.apply_event(entry, event)
            return True
        if submission is None and not self._poller.unfinished.has(event.task_id):
            return False
        reported.keep(event.task_id, event)
        return True

    async def task_id_of(self, reference: str, timeout: float | None) -> str | None:
        """Return the task id in the first event of a submission; None when none came within ``timeout`` seconds."""
        self.note_sent(reference)
        submission = self._submissions[reference]
        if submission.event_id is not None:
            return submission.event_id
        waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        submission.waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        except TimeoutError:
            return None
        finally:
            submission.waiters.remove(waiter)
