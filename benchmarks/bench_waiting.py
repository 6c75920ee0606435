"""What a waiting task costs: memory at 100,000 of them, and CPU time to schedule one, to wake one, to end one.

Memory is counted in a fresh process each, once by tracemalloc and once by the process's size: everything that exists
for each task is in it, the task with its id, its place in the schedule, and what awaits it. The usual ways beside it
are a coroutine for each task that sleeps, and the same in backoff.

CPU is counted with tasks whose poll returns at once, so that it is the poller's alone: due time, wheel, the asyncio
task a poll runs in, handling the response, the next due time. The poller of the package is used as its client uses it,
with the schedule that learns and with a fixed interval.
"""

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import backoff
from common import KEY, KIB, MICROSECONDS, in_a_fresh_process, print_table, print_title, resident, spread, verdict

from musicapi_async._engine import Engine
from musicapi_async._settings import Settings
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.progress import TaskProgress
from musicapi_async._tasks.schedule import TaskUpdate
from musicapi_async._tasks.state import TaskRule, TaskState
from musicapi_async._tasks.task import Task, entry_of
from musicapi_async._tasks.timing import Timing
from musicapi_async._transport.account_activity import AccountActivity
from musicapi_async._transport.caller import Caller
from musicapi_async._transport.cancellation import ActiveCalls
from musicapi_async.requests import sonic
from musicapi_async.results import Songs

MANY: Final = 100_000
SIZES: Final = (1_000, 10_000, MANY)
BATCH: Final = 1_000
ROUNDS: Final = 5
FEW_ROUNDS: Final = 3
INTERVAL: Final = 20.0
POLLS_AT_ONCE: Final = 50
KNOWN_TARGET: Final = 0.6
AWAITED_TARGET: Final = 1.5
CPU_TARGET: Final = 5.0
WAYS: Final = {
    "known": "known to the poller, not awaited",
    "awaited": "awaited, `create_task(task.wait())`",
    "sleeping": "the usual way: a coroutine that sleeps and polls",
    "backoff": "the usual way, by backoff's decorator",
}
STATES: Final = {
    status: TaskState[Any](task_id="t", family="sonic", status=status, progress=TaskProgress(status))
    for status in ("running", "finished")
}


class Subscriber:
    """Counts updates of any number of tasks."""

    since = 0.0
    deadline = float("inf")
    until = "finished"
    context = None

    def __init__(self) -> None:
        self._missing = 0
        self._all_notified = asyncio.Event()

    def notify(self, _: TaskUpdate) -> None:
        """Count."""
        self._missing -= 1
        if not self._missing:
            self._all_notified.set()

    async def notified(self, times: int) -> None:
        """Return when it was notified so many times from now."""
        self._missing = times
        self._all_notified.clear()
        await self._all_notified.wait()

    def expire(self, _: Exception | None) -> None:
        """Never called: it has no deadline."""


class StubCaller:
    """A caller whose polls are answered at once: what is left is the poller's own."""

    def __init__(self, status: str) -> None:
        self.activity = AccountActivity()
        self._state = STATES[status]

    async def send(self, _: object, __: object) -> TaskState[Any]:
        """Return the state."""
        return self._state


CALLERS: Final = {status: cast("Caller", StubCaller(status)) for status in STATES}


def stub(accepted_at: float, status: str = "running") -> Entry:
    """Return a task whose polls are answered at once."""
    return Entry("t", TaskRule.of(sonic.Create), CALLERS[status], "sonic.create ", accepted_at)


# Memory, each way in a process of its own.


async def _poll_for(task_id: str) -> str | None:
    await asyncio.sleep(0)
    return None if task_id else ""


async def _sleep_and_poll(task_id: str) -> None:
    while await _poll_for(task_id) is None:  # noqa: ASYNC110 - that is the usual way
        await asyncio.sleep(INTERVAL * 10)


_with_backoff: Final = backoff.on_predicate(backoff.constant, interval=INTERVAL * 10, jitter=None)(_poll_for)


def _task_id(number: int) -> str:
    return f"0f8fad5b-d9cb-469f-a165-{number:012d}"


async def _by_the_package(way: str, count: int, kept: list[object]) -> None:
    engine = Engine(Settings.load({"MUSICAPI_KEY": KEY}))
    rule, loop = TaskRule.of(sonic.Create), asyncio
    started, subscriber = loop.get_running_loop().time(), Subscriber()
    kept.append(engine)
    for number in range(count):
        # Accepted one after another, as tasks are; the first poll is due after the memory is counted.
        accepted_at = started + INTERVAL * number / count
        entry = Entry(_task_id(number), rule, engine.caller, "sonic.create", accepted_at)
        task: Task[Songs] = Task(entry, engine.poller)
        if way == "known":
            kept.append(task)
            engine.poller.subscribe(entry_of(task), subscriber)
        else:
            kept.append(asyncio.create_task(task.wait()))


async def _by_coroutines(way: str, count: int, kept: list[object]) -> None:
    wait: Callable[[str], Awaitable[object]] = _with_backoff if way == "backoff" else _sleep_and_poll
    kept += [asyncio.ensure_future(wait(_task_id(number))) for number in range(count)]


async def count_memory(way: str, count: int, *, traced: bool) -> float:
    """Return the bytes each of so many waiting tasks takes."""
    make = _by_the_package if way in {"known", "awaited"} else _by_coroutines
    # What is made once, not for each, is made before; the list that holds them is part of every way.
    few: list[object] = []
    await make(way, 10, few)
    await asyncio.sleep(0.01)
    gc.collect()
    if traced:
        tracemalloc.start()
    before = resident()
    kept: list[object] = []
    await make(way, count, kept)
    await asyncio.sleep(0.01)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] if traced else resident() - before
    print(json.dumps({"bytes": taken / count}), flush=True)
    return taken / count


def memory() -> None:
    print_title(f"Memory of a waiting task, {MANY:,} waiting")
    rows, known = [], {}
    for way, words in WAYS.items():
        traced = in_a_fresh_process(__file__, way, str(MANY), "traced")["bytes"] / KIB
        whole = in_a_fresh_process(__file__, way, str(MANY), "whole")["bytes"] / KIB
        known[way] = traced
        rows.append([words, f"{traced:.2f}", f"{whole:.2f}"])
    print_table(["a task that is", "KiB each, allocated", "KiB each, growth of the process"], rows)
    for way, target in (("known", KNOWN_TARGET), ("awaited", AWAITED_TARGET)):
        verdict(f"{WAYS[way]}: {known[way]:.2f} KiB", known[way], target)


# CPU, in this process, with stubs.


class PollerAlone:
    """The package's poller, with so many waiting."""

    def __init__(self, interval: float | None, size: int) -> None:
        self._poller = Poller(Timing(interval, 1.0), POLLS_AT_ONCE, ActiveCalls())
        self._subscriber = Subscriber()
        self._others = self._batch(size, "running", asyncio.get_running_loop().time())
        for task in self._others:
            self._poller.subscribe(task, self._subscriber)

    async def measure(self) -> dict[str, float]:
        """Return the CPU µs for each of a batch, by what is done to it."""
        later, long_ago = asyncio.get_running_loop().time(), asyncio.get_running_loop().time() - 10 * INTERVAL
        batch = self._batch(BATCH, "running", later)
        began = time.process_time()
        for task in batch:
            self._poller.subscribe(task, self._subscriber)
        added = time.process_time()
        for task in batch:
            self._poller.unsubscribe(task, self._subscriber)
        cancelled = time.process_time()
        woken = await self._poll(self._batch(BATCH, "running", long_ago))
        finished = await self._poll(self._batch(BATCH, "finished", long_ago))
        await self._poller.aclose()
        return {
            "schedule": (added - began) / BATCH * MICROSECONDS,
            "cancel": (cancelled - added) / BATCH * MICROSECONDS,
            "wake": woken,
            "finish": finished,
        }

    @staticmethod
    def _batch(size: int, status: str, accepted_at: float) -> list[Entry]:
        return [stub(accepted_at + INTERVAL * number / size, status) for number in range(size)]

    async def _poll(self, batch: list[Entry]) -> float:
        for task in batch:
            self._poller.subscribe(task, self._subscriber)
        began = time.process_time()
        await self._subscriber.notified(len(batch))
        taken = time.process_time() - began
        for task in batch:
            self._poller.unsubscribe(task, self._subscriber)
        return taken / len(batch) * MICROSECONDS


class Sleepers:
    """The usual way: a coroutine for each task, which sleeps, polls, and sleeps again."""

    def __init__(self, _: float | None, size: int) -> None:
        self._polls = Subscriber()
        self._others = [asyncio.create_task(self._wait(INTERVAL)) for _ in range(size)]

    async def measure(self) -> dict[str, float]:
        """Return the CPU µs for each of a batch, by what is done to it."""
        await asyncio.sleep(0)
        began = time.process_time()
        batch = [asyncio.create_task(self._wait(0.1)) for _ in range(BATCH)]
        await asyncio.sleep(0)
        added = time.process_time()
        await self._polls.notified(BATCH)
        woken = time.process_time()
        for task in batch:
            task.cancel()
        await asyncio.wait(batch)
        cancelled = time.process_time()
        empty = [asyncio.create_task(self._nothing()) for _ in range(BATCH)]
        await asyncio.wait(empty)
        ran = time.process_time()
        return {
            "schedule": (added - began) / BATCH * MICROSECONDS,
            "cancel": (cancelled - woken) / BATCH * MICROSECONDS,
            "wake": (woken - added) / BATCH * MICROSECONDS,
            "do nothing in an asyncio task": (ran - cancelled) / BATCH * MICROSECONDS,
        }

    async def _wait(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._nothing()
            self._polls.notify(STATES["running"])
            seconds = INTERVAL

    async def _nothing(self) -> None:
        """Poll, and be answered at once."""


async def measured(way: "type[PollerAlone | Sleepers]", interval: float | None, size: int) -> dict[str, float]:
    subject = way(interval, size)
    # What waits is nothing that a wake walks through; the collector would.
    gc.collect()
    gc.freeze()
    found = await subject.measure()
    gc.unfreeze()
    return found


async def backlog(size: int) -> float:
    """Return the CPU µs of a poll when so many tasks are due in the same moment."""
    poller, subscriber = Poller(Timing(INTERVAL, 1.0), POLLS_AT_ONCE, ActiveCalls()), Subscriber()
    waiting = [stub(asyncio.get_running_loop().time() - 10 * INTERVAL) for _ in range(size)]
    for task in waiting:
        poller.subscribe(task, subscriber)
    began = time.process_time()
    await subscriber.notified(size)
    taken = time.process_time() - began
    await poller.aclose()
    return taken / size * MICROSECONDS


def backlogs() -> None:
    found = {size: [asyncio.run(backlog(size)) for _ in range(FEW_ROUNDS)] for size in SIZES}
    print_title("CPU of a poll when many are due in the same moment")
    print_table(
        ["due in the same moment", "CPU µs of a poll"],
        [[f"{size:,}", f"{spread(taken):.1f}"] for size, taken in found.items()],
    )


def cpu() -> None:
    figures: dict[tuple[str, str], dict[int, list[float]]] = {}
    for turn in range(ROUNDS + 1):
        for way, (subject, interval) in SCHEDULES.items():
            for size in SIZES:
                with asyncio.Runner() as runner:
                    found = runner.run(measured(subject, interval, size))
                if turn:
                    for what, taken in found.items():
                        figures.setdefault((way, what), {}).setdefault(size, []).append(taken)
    print_title("CPU of the poller, for each task")
    rows = [
        [f"{what}: {way}", *(f"{spread(of_size[size]):.1f}" for size in SIZES)]
        for (way, what), of_size in figures.items()
    ]
    print_table(["CPU µs to", *(f"{size:,} waiting" for size in SIZES)], rows)
    for what in ("schedule", "wake"):
        for way in (LEARNING, FIXED):
            taken = spread(figures[way, what][MANY]).median
            verdict(f"To {what} one at {MANY:,}, {way}: {taken:.1f} µs", taken, CPU_TARGET)


LEARNING: Final = "the schedule that learns"
FIXED: Final = "a fixed interval"
SCHEDULES: Final[Mapping[str, tuple[type[PollerAlone | Sleepers], float | None]]] = {
    LEARNING: (PollerAlone, None),
    FIXED: (PollerAlone, INTERVAL),
    "a sleeping coroutine each": (Sleepers, None),
}


def main() -> None:
    if len(sys.argv) > 1:
        _, way, count, how = sys.argv
        asyncio.run(count_memory(way, int(count), traced=how == "traced"))
        return
    memory()
    cpu()
    backlogs()


if __name__ == "__main__":
    main()
