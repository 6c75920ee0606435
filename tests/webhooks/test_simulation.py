"""Nothing is paid for twice or lost where responses and events are, and what was uncertain is found by its events.

The truth is what the sandbox accepted and delivered.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs
import pytest
from receiving import hook_server
from signing import SECRET

from musicapi_async import MusicAPI, Songs, Task, errors
from musicapi_async.sandbox import EventFault, Fault, Sandbox

SUBMISSIONS: Final = 300
RECOVERY_TIMEOUT: Final = 4.0
"""Seconds; by then every event that is not lost has come: songs take about one."""
CREATE: Final = "POST /sonic/create"
RESPONSE_FAULTS: Final = (Fault(drop=True, accepted=True), Fault(drop=True), Fault())
RESPONSE_SHARES: Final = (0.2, 0.05, 0.75)
"""The share of the submissions that have each fault; the last one is none."""
EVENT_FAULTS: Final = {
    EventFault(lost=True): 0.1,
    EventFault(doubled=True): 0.1,
    EventFault(reordered=True): 0.1,
    EventFault(delay=0.5): 0.05,
    EventFault(forged=True): 0.05,
}


@attrs.define
class Record:
    """What a program knows of its songs, by their descriptions."""

    finished: dict[str, Songs] = attrs.field(factory=dict)
    task_ids: dict[str, str] = attrs.field(factory=dict)
    recovered: set[str] = attrs.field(factory=set)
    uncertain: set[str] = attrs.field(factory=set)

    async def make(self, client: MusicAPI, description: str) -> None:
        """Make a song; find its task by its event where the response is lost."""
        task: Task[Songs] | Task[object]
        try:
            task = await client.sonic.describe(description=description)
        except errors.UncertainSubmissionError as error:
            try:
                task = await client.webhooks.recover(error, timeout=RECOVERY_TIMEOUT)
            except errors.UncertainSubmissionError:
                self.uncertain.add(description)
                return
            self.recovered.add(description)
        self.task_ids[description] = task.id
        songs = await task.wait(20)
        assert isinstance(songs, Songs)
        self.finished[description] = songs


@asynccontextmanager
async def serving(sandbox: Sandbox) -> AsyncIterator[MusicAPI]:
    """Yield a client that receives its events; a task whose event is lost is polled after two seconds."""
    async with (
        MusicAPI("key", base_url=sandbox.base_url, poll_interval=2.0, webhook_secret=SECRET) as client,
        hook_server(client.webhooks.aiohttp) as url,
    ):
        yield client.with_options(webhook_url=url)


@pytest.mark.parametrize("seed", [1])
async def test_songs_with_lost_responses_and_events_are_made_once_and_found_by_their_events(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    faults = random.Random(seed).choices(RESPONSE_FAULTS, RESPONSE_SHARES, k=SUBMISSIONS)
    descriptions = [f"rain {number}" for number in range(SUBMISSIONS)]
    record = Record()
    async with (
        Sandbox(seconds=1.0, credits=1e6, seed=seed, event_faults=EVENT_FAULTS) as sandbox,
        serving(sandbox) as client,
    ):
        sandbox.add_fault(CREATE, *faults)
        async with asyncio.TaskGroup() as group:
            for description in descriptions:
                group.create_task(record.make(client, description))
        reported = {one.task_id for one in sandbox.deliveries if one.status == 200 and not one.forged}
        accepted = {str(getattr(task.request, "description", None)): task.task_id for task in sandbox.tasks}

    # Nothing is paid for twice.
    assert len(sandbox.requests(CREATE)) == SUBMISSIONS
    assert set(Counter(getattr(task.request, "description", None) for task in sandbox.tasks).values()) == {1}
    # Nothing is lost: what has no song is uncertain, and every song is the one of its own submission.
    assert set(record.finished) | record.uncertain == set(descriptions)
    assert all(accepted[description] == task_id for description, task_id in record.task_ids.items())
    assert {len(songs) for songs in record.finished.values()} == {2}
    assert not any(clip.clip_id == "forged" for songs in record.finished.values() for clip in songs)
    # Each one that was accepted and whose event came is found.
    assert {description for description in record.uncertain if accepted.get(description) in reported} == set()
    assert len(record.recovered) > SUBMISSIONS * 0.1
    assert record.uncertain - set(accepted), "some were never accepted"
    assert {one.status for one in sandbox.deliveries} == {200, 401}
    assert "without an event" not in caplog.text, "events come, though some are lost"
