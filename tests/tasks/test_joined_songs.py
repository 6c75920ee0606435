"""Parts of songs that the service joins with the whole: a wait lasts until they are joined, up to a limit."""

from collections.abc import Mapping
from typing import Any

import pytest
from scripted import Step, respond, scripted

from musicapi_async import MusicAPI, TaskRequest, sonic

Whole = Mapping[str, object] | None
JOINED = {"clip_id": "w-1", "state": "succeeded", "audio_url": "https://files.example/whole.mp3"}
WITHOUT_FILE = {"clip_id": "w-1", "state": "succeeded", "audio_url": None}
BEING_JOINED = {"clip_id": "w-1", "state": "running", "audio_url": "https://stream.example/whole"}
OPERATIONS = [(sonic.ReplaceSection, "replaced"), (sonic.UploadExtend, "extended")]


def pairs(name: str, *wholes: Whole) -> Step:
    part = {"clip_id": "p-1", "state": "succeeded", "audio_url": "https://files.example/part.mp3"}
    return respond(200, {"code": 200, "data": [{name: part, "full": whole} for whole in wholes]})


async def joined(operation: type[TaskRequest[Any]], *steps: Step) -> tuple[list[str | None], int]:
    """Wait for a task; return the addresses of the whole songs, and how many polls it took."""
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
        parts = await client.resume(operation, "t-1").wait()
        return [part.full and part.full.audio_url for part in parts], len(server.received)


@pytest.mark.parametrize(("operation", "name"), OPERATIONS)
async def test_wait_for_joined_songs_returns_one_when_the_other_never_comes(
    operation: type[TaskRequest[Any]], name: str
) -> None:
    wholes, polls = await joined(operation, pairs(name, JOINED, None))

    assert wholes == [JOINED["audio_url"], None]
    assert 10 <= polls <= 20


@pytest.mark.parametrize(("operation", "name"), OPERATIONS)
async def test_wait_for_joined_songs_lasts_while_they_are_being_joined(
    operation: type[TaskRequest[Any]], name: str
) -> None:
    """Longer than a clip without its file, and as long as it takes once it can be seen at work."""
    late = [pairs(name, None, None)] * 10
    at_work = [pairs(name, BEING_JOINED, BEING_JOINED)] * 30

    wholes, polls = await joined(operation, *late, *at_work, pairs(name, JOINED, JOINED))

    assert wholes == [JOINED["audio_url"]] * 2
    assert polls == 41


@pytest.mark.parametrize(("operation", "name"), OPERATIONS)
async def test_joined_song_without_its_file_gets_grace_polls(operation: type[TaskRequest[Any]], name: str) -> None:
    late = [pairs(name, None, None)] * 10
    without_file = [pairs(name, WITHOUT_FILE, JOINED)] * 3

    wholes, polls = await joined(operation, *late, *without_file, pairs(name, JOINED, JOINED))

    assert (wholes, polls) == ([JOINED["audio_url"]] * 2, 14)
