"""Every operation of the service against the sandbox, as a user calls it, in both packages."""

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from recordings import OPERATIONS, recorded

import musicapi_sync
from musicapi_async import (
    Clip,
    MusicAPI,
    Request,
    TaskRequest,
    UploadedClip,
    errors,
    sonic,
)
from musicapi_async.sandbox import Fault, Sandbox

URL = "https://example.org/a.mp3"
CREATES = [
    ("nuro.vocal", "POST /nuro/create", {"lyrics": "la"}, "client.sonic"),
    ("producer.cover", "POST /producer/create", {"clip": "c-1", "instruction": "slower"}, "client.producer.create"),
    ("riffusion.describe", "POST /riffusion/create", {"description": "rain"}, "client.sonic"),
    ("studio.describe", "POST /studio/create", {"description": "rain"}, "client.sonic"),
    ("suno.make_lyrics", "POST /suno/make-lyrics", {"description": "rain"}, "client.lyrics.make"),
]


NAMES = sorted(OPERATIONS)
UPLOADS_ONLY = {"sonic.add_vocals", "sonic.add_instrumental"}
SLOW = {"sonic.midi", "sonic.download"}
"""These are prepared for a while: tests/transport/test_async_exports.py drives the clock for them."""
QUICK = [name for name in NAMES if name not in SLOW and name != "sonic.get_batch"]


@pytest.fixture
async def quick() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0.05, credits=10_000) as sandbox:
        yield sandbox


@pytest.fixture
async def client(quick: Sandbox) -> AsyncIterator[MusicAPI]:
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.01) as client:
        yield client


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Sandbox(seconds=0.05, credits=10_000)) as sandbox,
    ):
        yield sandbox


def asked(name: str, song: Clip, uploaded: UploadedClip) -> Request[Any]:
    """Make the request of the recorded example, for a song that is there, or a clip that was uploaded."""
    example = recorded(name)["requests"][0]["fields"]
    clip = uploaded if name in UPLOADS_ONLY else song
    there = {"clip": clip, "clips": [song, uploaded]}
    return OPERATIONS[name](**{**example, **{field: there[field] for field in there if field in example}})


async def material(client: MusicAPI) -> tuple[Clip, UploadedClip]:
    task = await client.sonic.create(lyrics="[Verse]\nThe harbour sleeps")
    return (await task.wait())[0], await client.sonic.upload(url=URL)


@pytest.mark.parametrize("name", QUICK)
async def test_operation_returns_its_result_and_costs_its_price(client: MusicAPI, name: str) -> None:
    song, uploaded = await material(client)
    request = asked(name, song, uploaded)
    before = (await client.account.credits()).total

    if isinstance(request, TaskRequest):
        task = await client.submit(request)
        found = await task.wait(timeout=20)
        again = await client.resume(type(request), task.id).wait(timeout=20)
        assert found == again
    else:
        found = await client.call(request)

    assert isinstance(found, request.result)
    assert found
    assert request.operation_name == name
    spent = before - (await client.account.credits()).total
    assert spent == (20 if name == "sonic.batch" else request.credits or 0)


@pytest.mark.parametrize("name", QUICK)
def test_operation_in_the_blocking_package_returns_its_result(served: Sandbox, name: str) -> None:
    with musicapi_sync.MusicAPI("k", base_url=served.base_url, poll_interval=0.01) as client:
        song = client.sonic.create(lyrics="[Verse]\nThe harbour sleeps").wait()[0]
        request = asked(name, song, client.sonic.upload(url=URL))

        family, _, method = name.partition(".")
        fields = {field: getattr(request, field) for field in inspect.signature(type(request)).parameters}
        found = getattr(getattr(client, family), method)(**fields)

        assert isinstance(found.wait(20) if isinstance(found, musicapi_sync.Task) else found, request.result)


async def test_batch_starts_one_task_per_item(client: MusicAPI) -> None:
    items = [sonic.Create(lyrics="la"), sonic.Describe(description="rain")]
    batch = await client.sonic.batch(items=items)

    assert batch.submitted == len(batch) == 2
    for item in batch:
        assert item.task_id is not None
        assert len(await client.sonic.task(item.task_id).wait()) == 2
    assert batch.batch_id is not None
    assert await client.sonic.get_batch(batch_id=batch.batch_id) == batch


async def test_batch_item_without_credits_fails_alone(quick: Sandbox) -> None:
    async with MusicAPI("poor", base_url=quick.base_url) as client:
        await client.account.credits()
        quick.account("poor").credits = 25
        batch = await client.sonic.batch(items=[sonic.Create(lyrics="la"), sonic.Create(lyrics="lo")])

        assert batch.submitted == 1
        assert [item.task_id is None for item in batch] == [False, True]
        assert "credits" in (batch[1].error or "")


async def test_result_is_accepted_as_the_argument_of_the_next_operation(client: MusicAPI) -> None:
    songs = await (await client.sonic.describe(description="rain")).wait()
    voice = await (await client.sonic.create_voice(url=URL)).wait()
    extended = await (await client.sonic.extend(clip=songs[0], at=60, lyrics="la")).wait()
    whole = await (await client.sonic.concat(clip=extended[0])).wait()
    stems = await (await client.sonic.full_stems(clip=whole[0])).wait()
    sung = await (await client.sonic.persona_song(persona_id=voice.persona_id, lyrics="la")).wait()

    assert len(whole) == 1
    assert {"vocals", "drums", "bass"} <= set(stems.by_name)
    assert (await client.sonic.bpm(clip=stems.by_name["drums"])).average > 0
    assert len(await (await client.sonic.mashup(clips=[sung[0], songs[1]], lyrics="la")).wait()) == 2


async def test_auto_concat_returns_the_whole_song_beside_its_part(client: MusicAPI) -> None:
    song, _ = await material(client)
    joined = await (await client.sonic.replace_section(clip=song, start=1, end=2, auto_concat=True)).wait()
    alone = await (await client.sonic.replace_section(clip=song, start=1, end=2)).wait()
    extended = await (await client.sonic.upload_extend(url=URL, auto_concat=True)).wait()

    assert all(one.full is not None and one.full.audio_url for one in [*joined, *extended])
    assert [one.full for one in alone] == [None, None]
    assert all(one.replaced.audio_url for one in [*joined, *alone])


async def test_aligned_lyrics_and_clip_words_are_the_same(client: MusicAPI) -> None:
    song, _ = await material(client)
    aligned = await client.sonic.aligned_lyrics(clip=song)
    riffs = await (await client.riffusion.create(lyrics="[Verse]\nThe harbour sleeps")).wait()

    assert [word.text for word in aligned] == [word.text for word in riffs[0].words] == ["The", "harbour", "sleeps"]
    assert [section.text for section in aligned.sections] == ["Verse"]
    assert all(word.start is not None and word.end is not None for word in aligned)


async def test_files_of_a_song_can_be_downloaded(client: MusicAPI, tmp_path: Any) -> None:
    song, _ = await material(client)
    wav = await client.download(await client.sonic.wav(clip=song), tmp_path / "song")
    cover = await client.download(song.image_url or "", tmp_path / "cover")

    assert (wav.format, cover.format) == ("wav", "png")


@pytest.mark.parametrize(("name", "route", "fields", "way_out"), CREATES)
async def test_retired_operation_names_its_replacement(
    client: MusicAPI, quick: Sandbox, name: str, route: str, fields: dict[str, Any], way_out: str
) -> None:
    gone = Fault(status=410, body={"type": "endpoint_retired", "error": "This endpoint has been retired."})
    quick.add_fault(route, gone)
    family, _, method = name.partition(".")

    with pytest.raises(errors.RetiredError, match="retired") as caught:
        await getattr(getattr(client, family), method)(**fields)

    assert way_out in caught.value.replacement
    assert str(caught.value).endswith(f"Use {caught.value.replacement}")


async def test_retired_poll_names_its_replacement(client: MusicAPI, quick: Sandbox) -> None:
    gone = Fault(status=410, body={"type": "endpoint_retired", "error": "This endpoint has been retired."})
    quick.add_fault("GET /nuro/task/{task_id}", gone)

    with pytest.raises(errors.RetiredError, match="client.sonic for songs"):
        await client.nuro.task("t-1").wait()


async def test_one_shot_upload_that_fails_at_its_upload_names_the_step(client: MusicAPI, quick: Sandbox) -> None:
    steps = {"upload": {"success": False, "error": "Audio URL is not accessible."}}
    body = {"code": 200, "message": "failed", "failed_step": "upload", "steps": steps}
    quick.add_fault("POST /sonic/upload-cover", Fault(status=200, body=body))

    with pytest.raises(errors.InvalidRequestError, match="the step upload failed: Audio URL is not accessible"):
        await client.sonic.upload_cover(url=URL, lyrics="la")

    assert len(quick.requests("POST /sonic/upload-cover")) == 1


async def test_one_shot_upload_that_fails_later_names_the_uploaded_clip(client: MusicAPI, quick: Sandbox) -> None:
    steps = {
        "upload": {"success": True, "clip_id": "u-1"},
        "cover": {"success": False, "error": "The lyrics contain inappropriate content: 'x'."},
    }
    body = {"code": 200, "message": "failed", "failed_step": "cover", "steps": steps}
    quick.add_fault("POST /sonic/upload-cover", Fault(status=200, body=body))

    with pytest.raises(errors.ModerationError, match="can be used, as clip u-1") as caught:
        await client.sonic.upload_cover(url=URL, lyrics="la")

    assert (caught.value.status, caught.value.body, caught.value.offending) == (200, body, "x")


async def test_task_of_another_operation_resumed_as_songs_returns_clips_or_says_how(client: MusicAPI) -> None:
    """A caller who kept only the id gets the clips, or an error that says what to do."""
    song, _ = await material(client)
    stems = await client.sonic.stems(clip=song)
    joined = await client.sonic.replace_section(clip=song, start=1, end=2, auto_concat=True)
    voice = await client.sonic.create_voice(url=URL)

    assert len(await client.sonic.task(stems.id).wait()) == 2
    whole = await client.sonic.task(joined.id).wait()
    assert [clip.clip_id for clip in whole] == [one.full and one.full.clip_id for one in await joined.wait()]
    with pytest.raises(errors.InvalidRequestError, match="sonic.CreateVoice"):
        await client.sonic.task(voice.id).wait()


async def test_request_of_the_wrong_class_is_refused(client: MusicAPI, quick: Sandbox) -> None:
    with pytest.raises(errors.InvalidRequestError, match="starts a task: give it to submit"):
        await client.call(sonic.Create(lyrics="la"))
    with pytest.raises(errors.InvalidRequestError, match="answers at once, pass it to call"):
        await client.submit(sonic.GetBpm(clip="c-1"))  # type: ignore[arg-type]  # that is the point
    with pytest.raises(errors.InvalidRequestError, match="operation is 'sonic'"):
        client.resume("sonic", "t-1")  # type: ignore[arg-type]  # that is the point

    assert quick.tasks == ()
