"""A part and the song it is joined with: a join is waited for, but not for ever."""

from collections.abc import Mapping
from typing import Any

import pytest
from scripted import Step, reply, scripted

from musicapi_async import MusicAPI, TaskRequest, sonic

Whole = Mapping[str, object] | None
JOINED = {"clip_id": "w-1", "state": "succeeded", "audio_url": "https://files.example/whole.mp3"}
WITHOUT_FILE = {"clip_id": "w-1", "state": "succeeded", "audio_url": None}
BEING_JOINED = {"clip_id": "w-1", "state": "running", "audio_url": "https://stream.example/whole"}
KINDS = [(sonic.ReplaceSection, "replaced"), (sonic.UploadExtend, "extended")]


def pairs(name: str, *wholes: Whole) -> Step:
    part = {"clip_id": "p-1", "state": "succeeded", "audio_url": "https://files.example/part.mp3"}
    return reply(200, {"code": 200, "data": [{name: part, "full": whole} for whole in wholes]})


async def joined(kind: type[TaskRequest[Any]], *steps: Step) -> tuple[list[str | None], int]:
    """Wait for a task; return the addresses of the whole songs, and how many looks it took."""
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.001) as client:
        parts = await client.resume(kind, "t-1").wait()
        return [part.full and part.full.audio_url for part in parts], len(server.received)


@pytest.mark.parametrize(("kind", "name"), KINDS)
async def test_the_song_that_was_joined_is_handed_over_when_the_other_never_is(
    kind: type[TaskRequest[Any]], name: str
) -> None:
    wholes, looks = await joined(kind, pairs(name, JOINED, None))

    assert wholes == [JOINED["audio_url"], None]
    assert 10 <= looks <= 20


@pytest.mark.parametrize(("kind", "name"), KINDS)
async def test_a_join_that_takes_a_while_is_waited_for(kind: type[TaskRequest[Any]], name: str) -> None:
    """Longer than a clip without its file, and as long as it takes once it can be seen at work."""
    late = [pairs(name, None, None)] * 10
    at_work = [pairs(name, BEING_JOINED, BEING_JOINED)] * 30

    wholes, looks = await joined(kind, *late, *at_work, pairs(name, JOINED, JOINED))

    assert wholes == [JOINED["audio_url"]] * 2
    assert looks == 41


@pytest.mark.parametrize(("kind", "name"), KINDS)
async def test_a_joined_song_gets_the_looks_of_a_file_that_is_late(kind: type[TaskRequest[Any]], name: str) -> None:
    late = [pairs(name, None, None)] * 10
    without_file = [pairs(name, WITHOUT_FILE, JOINED)] * 3

    wholes, looks = await joined(kind, *late, *without_file, pairs(name, JOINED, JOINED))

    assert (wholes, looks) == ([JOINED["audio_url"]] * 2, 14)
