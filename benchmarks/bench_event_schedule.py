"""Polls per song and seconds late with events, with a tenth of them lost, and without: the package's own poller.

The event loop's clock is virtual, so that hours of songs take seconds, and there are no sockets: a poll takes a tenth
of a second, and an event arrives a twentieth of a second after its task has ended. Lateness is from the end of a task
to its result. Songs take a lognormal time (median 75 s), one is started every two seconds, and a clip can be streamed
after three tenths of its time. The first songs, from which durations are learned, do not count.
"""

import asyncio
import json
import random
import selectors
from collections import Counter
from collections.abc import Callable, Mapping
from statistics import mean, median, quantiles
from typing import Any, Final, cast

from common import print_table, print_title, verdict

from musicapi_async._responses.response import Response
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.events import TaskEvents
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.state import ReportedEvent, TaskRule, TaskState
from musicapi_async._tasks.task import Task
from musicapi_async._tasks.timing import Timing
from musicapi_async._transport.account_activity import AccountActivity
from musicapi_async._transport.call import Call
from musicapi_async._transport.caller import Caller
from musicapi_async._transport.cancellation import ActiveCalls
from musicapi_async.requests import sonic

SONGS: Final = 3000
WARM_UP: Final = 100
INTERVAL: Final = 2.0
"""Seconds between two submissions."""
MEDIAN: Final = 75.0
SPREAD: Final = 0.45
STREAM_AFTER: Final = 0.3
"""The share of a song's time after which a clip can be streamed."""
POLL_SECONDS: Final = 0.1
EVENT_SECONDS: Final = 0.05
WAYS: Final[Mapping[str, float | None]] = {
    "polling alone": None,
    "events, none lost": 0.0,
    "events, 10 % lost": 0.1,
}
"""The share of the events that are lost; None where none are expected."""


class VirtualSelector(selectors.SelectSelector):
    """A selector that waits in no time: the loop's clock is set forward."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Return what is ready, or let the time pass."""
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual.now


class Service:
    """The service: its tasks' times, the polls they get, and the events it sends."""

    def __init__(self) -> None:
        self.activity = AccountActivity()
        self.times: dict[str, tuple[float, float]] = {}
        """When each task was accepted and when it ends."""
        self.polls: Counter[str] = Counter()

    async def send(self, call: Call, read: Callable[[Response], TaskState[Any]]) -> TaskState[Any]:
        """Respond to a poll, as ``Caller.send`` does."""
        task_id = call.path.rpartition("/")[2]
        self.polls[task_id] += 1
        await asyncio.sleep(POLL_SECONDS / 2)
        status, body = self.response(task_id, asyncio.get_running_loop().time())
        await asyncio.sleep(POLL_SECONDS / 2)
        return read(Response(status, {}, json.dumps(body).encode()))

    def response(self, task_id: str, now: float) -> tuple[int, dict[str, Any]]:
        """Return the response to a poll at a time."""
        accepted_at, ends_at = self.times[task_id]
        if now >= ends_at:
            return 200, body_of("succeeded", "audio_url")
        if now >= accepted_at + STREAM_AFTER * (ends_at - accepted_at):
            return 200, body_of("running", "audio_url")
        return 202, {"type": "not_ready", "message": "the task is not ready yet"}

    def event(self, task_id: str, event_type: str, events: TaskEvents) -> None:
        """Send an event, which reports what a poll would."""
        now = asyncio.get_running_loop().time()
        body = {**self.response(task_id, now)[1], "task_id": task_id, "event": event_type}
        events.receive(
            f"{event_type} {task_id}", ReportedEvent(event_type, task_id, body, json.dumps(body).encode()), None
        )


def body_of(state: str, url: str) -> dict[str, Any]:
    clips = [{"clip_id": f"c-{n}", "state": state, url: f"https://files.example/{n}"} for n in (1, 2)]
    return {"code": 200, "message": "success", "data": clips}


async def songs(lost: float | None) -> tuple[list[int], list[float]]:
    """Make the songs; return the polls and the seconds late of each."""
    service, loop = Service(), asyncio.get_running_loop()
    poller = Poller(Timing(None, 1.0), 50, ActiveCalls())
    events, rule = TaskEvents(poller), TaskRule.of(sonic.Create)
    if lost is not None:
        poller.expect_events()

    async def song(number: int) -> tuple[int, float]:
        await asyncio.sleep(number * INTERVAL)
        seeded = random.Random(number)  # noqa: S311 - reproducible, and the same songs for each way
        now, task_id = loop.time(), f"task-{number}"
        duration = MEDIAN * seeded.lognormvariate(0, SPREAD)
        service.times[task_id] = (now, now + duration)
        for event_type, share in (("song.streaming", STREAM_AFTER), ("song.completed", 1.0)):
            if lost is not None and seeded.random() >= lost:
                loop.call_later(share * duration + EVENT_SECONDS, service.event, task_id, event_type, events)
        caller = cast("Caller", service)
        entry = Entry(task_id, rule, caller, "sonic.create", now, is_reported=lost is not None)
        await Task[Any](entry, poller).wait(None)
        return service.polls[task_id], loop.time() - service.times[task_id][1]

    found = (await asyncio.gather(*map(song, range(SONGS + WARM_UP))))[WARM_UP:]
    await poller.aclose()
    return [polls for polls, _ in found], [late for _, late in found]


def main() -> None:
    print_title("Events instead of polls")
    rows, found = [], {}
    for way, lost in WAYS.items():
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            polls, late = runner.run(songs(lost))
        found[way] = mean(polls), median(late)
        percentiles = quantiles(late, n=100)
        figures = (mean(polls), median(late), mean(late), percentiles[94], percentiles[98])
        rows.append([way, *(f"{figure:.2f}" for figure in figures)])
    print_table(["way", "polls per song", "seconds late, median", "mean", "p95", "p99"], rows)
    (polls, late), (polls_lost, _) = found["events, none lost"], found["events, 10 % lost"]
    verdict(f"no event lost: {polls:.2f} polls per song", polls, 0.1)
    verdict(f"no event lost: {late:.2f} s late at the median", late, 0.1)
    verdict(f"10 % of the events lost: {polls_lost:.2f} polls per song", polls_lost, 0.8)


if __name__ == "__main__":
    main()
