"""Intervals between the polls of a task, and what its polls add to the estimates behind them. No I/O."""

from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.reported import ReportedTasks
from musicapi_async._tasks.schedule import Polling
from musicapi_async._tasks.state import Until
from musicapi_async._tasks.timing import Timing

__all__ = ["Intervals"]


class Intervals:
    """The intervals of all tasks of a client: fixed ones, or by the estimates, or long ones while events come.

    Times are event-loop times.
    """

    def __init__(self, timing: Timing, reported: ReportedTasks) -> None:
        self._timing = timing
        self._reported = reported

    def first(self, entry: Entry, until: Until) -> float:
        """Return the seconds from acceptance to the first poll."""
        if entry.poll_interval is not None:
            return entry.poll_interval
        if self._reported.expects(entry):
            return self._timing.overdue(entry.timing_key, "waiting", until)
        return self._timing.interval(entry.timing_key, "waiting", 0.0, until)

    def next(self, entry: Entry, polling: Polling, now: float) -> float:
        """Return the seconds from now to the next poll."""
        if entry.poll_interval is not None:
            return polling.interval(entry.poll_interval, now)
        waited = now - polling.stage_began_at
        if self._reported.expects(entry):
            overdue = self._timing.overdue(entry.timing_key, polling.stage, polling.until) - waited
            if overdue > 0:
                return polling.interval(overdue, now)
        usual = self._timing.interval(entry.timing_key, polling.stage, waited, polling.until)
        return polling.interval(usual, now)

    def observe_stream(self, entry: Entry, polling: Polling, now: float) -> None:
        """Note when the first stream appeared; without a wait for it the polls are too far apart to show."""
        if polling.until == "stream" and polling.stage == "waiting" and entry.accepted_at is not None:
            self._timing.observe(entry.timing_key, "stream", polling.pending_for, now - polling.stage_began_at)

    def observe_end(self, entry: Entry, polling: Polling, now: float) -> None:
        """Note when the task ended; the age of a resumed one is unknown, and so is how long it took."""
        began, pending_for = polling.stage_began_at, polling.pending_for
        if entry.accepted_at is None:
            return
        self.observe_stream(entry, polling, now)
        self._timing.observe(entry.timing_key, polling.stage, pending_for, now - began)
        if polling.stage != "waiting":
            after, until = began + pending_for - entry.accepted_at, now - entry.accepted_at
            self._timing.observe(entry.timing_key, "waiting", after, until)
