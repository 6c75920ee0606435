"""The tasks whose events a client receives: waited for by id, kept for a later wait, and whether events come at all.

No I/O.
"""

from collections import OrderedDict
from typing import Final

from musicapi_async._logger import logger
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.schedule import NEVER
from musicapi_async._tasks.state import ReportedEvent

__all__ = ["ReportedTasks"]

MAX_KEPT: Final = 1000
"""Events that are kept for a wait that begins later."""
MAX_UNREPORTED: Final = 5
"""Tasks in a row that end without an event, after which events are not relied on."""


class ReportedTasks:
    """The waits that an event can wake, and the events that no wait has taken yet."""

    def __init__(self) -> None:
        self.is_enabled = False
        """False for a client that receives no events: it needs no index of its waits."""
        self._waiting: dict[str, tuple[Entry, ...]] = {}
        self._kept: OrderedDict[str, ReportedEvent] = OrderedDict()
        self._unreported = 0
        """Tasks in a row that ended without the event that was expected."""
        self._last_event_at = -NEVER

    def expects(self, entry: Entry) -> bool:
        """Return whether an event is expected of a task: the service reports it, and events have been coming."""
        return entry.is_reported and self._unreported < MAX_UNREPORTED

    def waiting(self, task_id: str) -> tuple[Entry, ...]:
        """Return the entries of a task that are waited for."""
        return self._waiting.get(task_id, ())

    def add(self, entry: Entry) -> ReportedEvent | None:
        """Note that a task is waited for; return the event that was kept for it."""
        others = self._waiting.get(entry.id, ())
        if entry not in others:
            self._waiting[entry.id] = (*others, entry)
        return self._kept.pop(entry.id, None)

    def discard(self, entry: Entry) -> None:
        """Note that a task is not waited for any more."""
        others = self._waiting.pop(entry.id, ())
        if others and others != (entry,):
            self._waiting[entry.id] = tuple(other for other in others if other is not entry)

    def keep(self, task_id: str, event: ReportedEvent) -> None:
        """Keep an event for a wait that begins later."""
        self._kept[task_id] = event
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def note_event(self, now: float) -> None:
        """Note that events are coming, by event-loop time."""
        self._unreported = 0
        self._last_event_at = now

    def note_unreported(self, entry: Entry) -> None:
        """Note that a poll has found the end of a task; log it when that happens to several tasks in a row."""
        # Tasks whose event is lost end last of a burst: an event since they were accepted shows that events come.
        if not entry.is_reported or (entry.accepted_at or 0.0) < self._last_event_at:
            return
        self._unreported += 1
        if self._unreported == MAX_UNREPORTED:
            logger.warning(
                "%d tasks ended without an event: is webhook_url reachable from outside? "
                "Tasks are polled as usual until an event arrives",
                MAX_UNREPORTED,
            )
