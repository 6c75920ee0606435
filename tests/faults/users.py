"""Users of a client: they submit, wait, poll, run many at once, and change their minds at any moment."""

import asyncio
import itertools
import random
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar

import attrs
from faults.user_records import UserRecords

from musicapi_async import MusicAPI, Run, Songs, Task, TaskRequest, errors, producer, riffusion, sonic, studio

__all__ = ["Scene", "User"]

R = TypeVar("R")

OPERATIONS: Final[tuple[Callable[[str], TaskRequest[Songs]], ...]] = (
    lambda name: sonic.Describe(description=name),
    lambda name: sonic.Create(lyrics="[Verse]\nThe harbour sleeps", title=name),
    lambda name: producer.Create(sound="piano", title=name),
    lambda name: riffusion.Describe(description=name),
    lambda name: studio.Describe(description=name),
)
MOST_TICKS: Final = 80
LONGEST: Final = 0.08
"""Seconds, and turns of the event loop, before a user changes their mind."""
LONGEST_RECOVERY: Final = 1.0
"""Seconds to wait for the event of an uncertain submission: songs take half of it."""


@attrs.define(eq=False)
class Scene:
    """What the users share: the client of the moment, and the records."""

    client: MusicAPI
    records: UserRecords = attrs.field(factory=UserRecords)
    runs: list[Run[Songs]] = attrs.field(factory=list)
    """All that were ever begun: each names its tasks to the end."""
    actions: int = 0
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    def request(self, draw: random.Random) -> TaskRequest[Songs]:
        """Return a request for a song that was not requested before."""
        request = draw.choice(OPERATIONS)(f"song {next(self._numbers)}")
        self.records.add_request(request)
        return request

    def batch(self) -> sonic.SubmitBatch:
        """Return a request for three songs that were not requested before."""
        request = sonic.SubmitBatch(items=[sonic.Describe(description=f"song {next(self._numbers)}") for _ in range(3)])
        self.records.add_request(request)
        return request

    def note_runs(self) -> None:
        """Note the tasks that runs list and did not deliver."""
        for run in self.runs:
            self.records.add_tasks(*run.tasks)


class User:
    """One who does one thing after another."""

    def __init__(self, scene: Scene, seed: str) -> None:
        self._scene = scene
        self._draw = random.Random(seed)
        self._tasks: list[Task[Songs]] = []

    async def live(self, actions: int) -> None:
        """Do this many things."""
        doings: dict[Callable[[], Awaitable[None]], int] = {
            self._submit: 6,
            self._submit_many: 1,
            self._wait: 4,
            self._poll: 2,
            self._follow: 1,
            self._run: 1,
            self._ask_for_credits: 1,
        }
        for do in self._draw.choices(tuple(doings), tuple(doings.values()), k=actions):
            self._scene.actions += 1
            try:
                await do()
            except Exception as error:  # noqa: BLE001 - what is none of the package's own is found by the audit
                self._scene.records.add_error(error)

    async def _submit(self) -> None:
        request = self._scene.request(self._draw)
        client = self._scene.client

        async def submit() -> None:
            try:
                self._keep(await client.submit(request))
            except errors.UncertainSubmissionError as error:
                self._scene.records.add_error(error)
                await self._recover(error)

        await self._perhaps_leave(submit())

    async def _recover(self, error: errors.UncertainSubmissionError) -> None:
        """Find the task of an uncertain submission by its event, with the client of the moment."""
        if error.reference is not None:
            found: Task[Any] = await self._scene.client.webhooks.recover(
                error, self._draw.uniform(0.4, LONGEST_RECOVERY)
            )
            self._scene.records.add_recovered(error.request, found)
            self._keep(found)

    async def _submit_many(self) -> None:
        request, client = self._scene.batch(), self._scene.client

        async def submit() -> None:
            for item in await client.call(request):
                assert item.task_id is not None
                self._keep(client.sonic.task(item.task_id))

        await self._perhaps_leave(submit())

    async def _wait(self) -> None:
        task = await self._task()

        async def wait() -> None:
            self._scene.records.add_result(task.id, await task.wait(timeout=self._draw.uniform(0.01, 0.5)))

        await self._perhaps_leave(wait())

    async def _poll(self) -> None:
        task = await self._task()
        state = await task.poll()
        if isinstance(state.error, errors.TaskFailedError):
            self._scene.records.add_error(state.error)
        elif state.is_done and state.result is not None:
            self._scene.records.add_result(task.id, state.result)

    async def _follow(self) -> None:
        task = await self._task()

        async def follow() -> None:
            updates = task.updates()
            try:
                async for state in updates:
                    if state.is_done or self._draw.random() < 0.3:
                        break
            finally:
                await updates.aclose()

        await self._perhaps_leave(follow())

    async def _run(self) -> None:
        """Run some requests, and stop asking in the middle, in one way or another."""
        scene, count = self._scene, self._draw.randint(2, 8)
        requests = (scene.request(self._draw) for _ in range(count))
        run = scene.client.run(requests, in_flight=self._draw.randint(1, 4), timeout=self._draw.uniform(0.05, 1))
        scene.runs.append(run)

        async def listen() -> None:
            async for outcome in run:
                if outcome.task is not None:
                    self._keep(outcome.task)
                if outcome.error is not None:
                    scene.records.add_error(outcome.error)
                elif outcome.task is not None and outcome.result is not None:
                    scene.records.add_result(outcome.task.id, outcome.result)
                if self._draw.random() < 0.15:
                    break

        try:
            await self._perhaps_leave(listen())
        finally:
            if self._draw.random() < 0.5:
                await self._perhaps_leave(run.aclose())

    async def _ask_for_credits(self) -> None:
        await self._scene.client.account.credits()

    def _keep(self, task: Task[Songs]) -> None:
        self._scene.records.add_tasks(task)
        self._tasks.append(task)

    async def _task(self) -> Task[Songs]:
        """Choose a task of mine; one of a client that was closed is resumed by its id."""
        if not self._tasks:
            self._keep(await self._scene.client.submit(self._scene.request(self._draw)))
        found = self._draw.choice(self._tasks[-8:])
        if self._draw.random() < 0.3:
            return found
        taken: Task[Songs] = getattr(self._scene.client, found.family).task(found.id)
        return taken

    async def _perhaps_leave(self, doing: Awaitable[None]) -> None:
        """Do it; every third time, change your mind at some moment: after a time, or some turns of the event loop."""
        working: asyncio.Task[Any] = asyncio.ensure_future(doing)
        if self._draw.random() < 0.33:
            if self._draw.random() < 0.5:
                await asyncio.wait({working}, timeout=self._draw.uniform(0, LONGEST))
            else:
                for _ in range(self._draw.randrange(MOST_TICKS)):
                    await asyncio.sleep(0)
            working.cancel()
        try:
            await working
        except asyncio.CancelledError as end:
            # What was accepted meanwhile is named there.
            for note in getattr(end, "__notes__", ()):
                for family, task_id in re.findall(r"started (\w+) task ([\w-]+)", note):
                    self._keep(getattr(self._scene.client, family).task(task_id))
                for task_id in re.findall(r"BatchTask\(task_id='([\w-]+)'", note):
                    self._keep(self._scene.client.sonic.task(task_id))
