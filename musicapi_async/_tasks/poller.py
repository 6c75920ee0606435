"""The one clock of a client: looks at every waiting task when its time has come.

A waiting task is an entry in the schedule, not a coroutine that sleeps; one timer is armed for the next due time.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from musicapi_async._tasks.schedule import Schedule
from musicapi_async._tasks.state import TaskState, settled
from musicapi_async._transport.caller import logger
from musicapi_async._transport.retry import LONGEST_RETRY_AFTER, Kind, Verdict, judge
from musicapi_async.errors import (
    APIStatusError,
    ClientClosedError,
    ConnectionFailedError,
    NotFoundError,
    UnreadableReplyError,
)

__all__ = ["Poller", "Waiting"]

HICCUPS: Final = 20
"""Looks in a row that may fail without telling anything about the task, before the waiters are told."""
GRACE_LOOKS: Final = 4
"""Further looks at a task whose clips are all done but fewer than promised, or without a file (decision 7)."""
NOT_KNOWN_YET: Final = 60.0
"""Seconds in which the service may not know a task yet that it has just accepted."""

News = TaskState[Any] | BaseException
Listener = Callable[[News], None]


class Waiting(Protocol):
    """What the poller needs of a task."""

    id: str
    family: str
    _accepted_at: float | None

    async def _look(self, attempts: int | None = None) -> TaskState[Any]:
        """Look once."""
        ...


class _Entry:
    """One task that is waited for."""

    __slots__ = ("grace", "hiccups", "listeners", "task")

    def __init__(self, task: Waiting) -> None:
        self.task = task
        self.listeners: list[Listener] = []
        self.hiccups = 0
        self.grace = 0


class Poller:
    """Looks at tasks as long as somebody listens, a bounded number at once."""

    def __init__(self, interval: float, looks_at_once: int) -> None:
        self._schedule: Schedule[_Entry] = Schedule(interval)
        self._entries: dict[int, _Entry] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._looks_at_once = looks_at_once
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def listen(self, task: Waiting, listener: Listener) -> None:
        """Call the listener with every state of the task, and with the error that ends the looking."""
        if self._closed:
            raise ClientClosedError(task.family, task.id)
        entry = self._entries.get(id(task))
        if entry is None:
            entry = self._entries[id(task)] = _Entry(task)
            now = asyncio.get_running_loop().time()
            self._schedule.put(entry, self._schedule.first_look(now, task._accepted_at))
            self._arm()
        entry.listeners.append(listener)

    def stop_listening(self, task: Waiting, listener: Listener) -> None:
        """Forget the listener, and the task when nobody else listens."""
        entry = self._entries.get(id(task))
        if entry is None or listener not in entry.listeners:
            return
        entry.listeners.remove(listener)
        if not entry.listeners:
            self._drop(entry)

    async def aclose(self) -> None:
        """End all looking; every listener is told that the client was closed."""
        self._closed = True
        for entry in list(self._entries.values()):
            self._end(entry, ClientClosedError(entry.task.family, entry.task.id))
        looks = list(self._looks)
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._schedule.next_due()
        if due is not None and len(self._looks) < self._looks_at_once:
            self._timer = asyncio.get_running_loop().call_at(due, self._look_at_due)

    def _look_at_due(self) -> None:
        loop = asyncio.get_running_loop()
        for entry in self._schedule.take_due(loop.time(), self._looks_at_once - len(self._looks)):
            look = loop.create_task(self._look(entry))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
            look.add_done_callback(lambda _: self._arm())
        self._arm()

    async def _look(self, entry: _Entry) -> None:
        try:
            state = await entry.task._look(attempts=1)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            if _is_hiccup(error, entry.task._accepted_at):
                self._note_hiccup(entry, error)
            else:
                self._end(entry, error)
        else:
            self._note_state(entry, state)

    def _note_hiccup(self, entry: _Entry, error: Exception) -> None:
        entry.hiccups += 1
        if entry.hiccups > HICCUPS:
            self._end(entry, error)
            return
        logger.info("a look at %s task %s failed (%s): looking again", entry.task.family, entry.task.id, error)
        asked = error.retry_after if isinstance(error, APIStatusError) else None
        # The looks are free, and a task that is paid for must not be lost sight of for a day.
        self._again(entry, min(asked or 0.0, LONGEST_RETRY_AFTER))

    def _note_state(self, entry: _Entry, state: TaskState[Any]) -> None:
        entry.hiccups = 0
        if state.status == "incomplete":
            entry.grace += 1
            if entry.grace > GRACE_LOOKS:
                state = settled(state)
        if state.is_done:
            self._end(entry, state)
            return
        for listener in tuple(entry.listeners):
            listener(state)
        self._again(entry)

    def _again(self, entry: _Entry, asked: float = 0.0) -> None:
        # Whoever waited may have left while the look was under way.
        if entry.listeners:
            now = asyncio.get_running_loop().time()
            self._schedule.put(entry, self._schedule.next_look(now, asked))

    def _end(self, entry: _Entry, news: News) -> None:
        listeners, entry.listeners = entry.listeners, []
        self._drop(entry)
        for listener in listeners:
            listener(news)

    def _drop(self, entry: _Entry) -> None:
        if self._entries.get(id(entry.task)) is entry:
            del self._entries[id(entry.task)]
        self._schedule.discard(entry)
        self._arm()


def _is_hiccup(error: Exception, accepted_at: float | None) -> bool:
    """Tell whether a look failed in a way that says nothing about the task."""
    if isinstance(error, NotFoundError) and accepted_at is not None:
        return asyncio.get_running_loop().time() - accepted_at < NOT_KNOWN_YET
    is_unread = isinstance(error, (ConnectionFailedError, UnreadableReplyError))
    return is_unread or judge(Kind.LOOK, error) is Verdict.REPEAT
