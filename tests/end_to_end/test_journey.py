"""Whole user journeys against the sandbox, and their costs."""

import asyncio
import importlib.util
import pickle
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from musicapi_async import Clip, MusicAPI, Songs, errors, riffusion, sonic
from musicapi_async.sandbox import Fault, Sandbox

KEY = "k-journey"


@pytest.fixture
async def service() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0.1, credits=500) as sandbox:
        yield sandbox


def client_of(service: Sandbox) -> MusicAPI:
    return MusicAPI(KEY, base_url=service.base_url, poll_interval=0.01, create_rate=1000)


async def test_journey_from_lyrics_to_files_costs_the_listed_prices(service: Sandbox, tmp_path: Path) -> None:
    async with client_of(service) as client:
        drafts = await client.lyrics.make(description="a harbour at night")
        task = await client.sonic.create(lyrics=drafts[0].lyrics, title="Harbour", tags="sea shanty, calm")
        statuses = [state.status async for state in task.updates()]
        songs = await task.wait()
        saved = [await client.download(song, tmp_path / f"{number} {song.title}") for number, song in enumerate(songs)]
        assert songs[0].image_url is not None
        cover = await client.download(songs[0].image_url, tmp_path / "cover")
        longer = await (await client.sonic.extend(clip=songs[0], at=60, lyrics="[Outro]\nla")).wait()
        credits = await client.account.credits()

    assert statuses[-1] == "finished"
    assert set(statuses) <= {"waiting", "running", "finished"}
    assert [song.title for song in songs] == ["Harbour", "Harbour"]
    assert {song.tags for song in songs} == {"sea shanty, calm"}
    assert {file.format for file in saved} <= {"mp3", "wav"}
    assert saved[0].path.read_bytes() != saved[1].path.read_bytes()
    assert [file.path.stem for file in saved] == ["0 Harbour", "1 Harbour"]
    assert (cover.format, cover.path.name) == ("png", "cover.png")
    assert len(longer) == 2
    assert credits.total == 500 - 2 - 20 - 15
    assert len(list(tmp_path.iterdir())) == 3


async def test_task_resumed_by_its_id_in_another_client_returns_picklable_songs(
    service: Sandbox, tmp_path: Path
) -> None:
    async with client_of(service) as client:
        task = await client.riffusion.create(lyrics="[Verse]\nthe harbour sleeps", sound="calm")
        (tmp_path / "id").write_text(task.id)

    async with client_of(service) as client:
        songs = await client.riffusion.task((tmp_path / "id").read_text()).wait()

    kept = pickle.dumps(songs)
    found: Songs = pickle.loads(kept)  # noqa: S301 - our own bytes
    assert found == songs
    assert [word.text for word in found[0].words] == ["the", "harbour", "sleeps"]
    assert found[0].duration == 6.0
    assert isinstance(found[0], Clip)
    assert b"k-journey" not in kept


async def test_run_with_many_faults_costs_only_what_was_made(service: Sandbox) -> None:
    """Refusals, failed polls, failed tasks and a cut connection in one run: every credit is accounted for."""
    service.end_next("songs", "failed", "partial", "all_failed", "one_clip", "timeout")
    service.add_fault(
        "POST /sonic/create",
        Fault(status=429, body={"error": "slow down"}, headers={"Retry-After": "0"}),
        Fault(status=403, body={"error": "The song description needs moderation review."}),
        Fault(status=503, body={"error": "server is busy"}),
        Fault(drop=True, accepted=True),
    )
    service.add_fault("GET /sonic/task/{task_id}", *[Fault(status=502, body=b"<html>"), Fault(drop=True)] * 3)
    requests = [sonic.Describe(description=f"song {number}") for number in range(12)]

    async with client_of(service) as client:
        outcomes = [outcome async for outcome in client.run(requests, in_flight=3)]
        credits = await client.account.credits()

    error_types = Counter(type(outcome.error).__name__ for outcome in outcomes if outcome.error)
    assert error_types["ModerationError"] == 1
    assert error_types["UncertainSubmissionError"] == 1
    assert error_types["TaskFailedError"] in {2, 3}  # the task behind the cut connection may be one that fails
    assert sum(error_types.values()) <= 5
    assert {outcome.request for outcome in outcomes} == set(requests)
    refunded = sum(task.refunded for task in service.tasks)
    assert credits.total == 500 - 20 * (len(service.tasks) - refunded)
    # Everything that was accepted is known, except the one whose response was lost: that one is reported.
    known = {outcome.task.id for outcome in outcomes if outcome.task}
    assert len({task.task_id for task in service.tasks} - known) == 1


async def test_run_without_credits_returns_errors_and_charges_nothing(service: Sandbox) -> None:
    service.account(KEY).credits = 45
    requests = [sonic.Describe(description=f"song {number}") for number in range(5)]

    async with client_of(service) as client:
        outcomes = [outcome async for outcome in client.run(requests, in_flight=1)]
        credits = await client.account.credits()

    assert [type(outcome.error) for outcome in outcomes] == [type(None)] * 2 + [errors.InsufficientCreditsError] * 3
    assert credits.total == 5


async def test_task_of_another_account_is_not_found(service: Sandbox) -> None:
    async with client_of(service) as mine:
        theirs = mine.with_options(api_key="k-other")
        task = await mine.sonic.describe(description="rain")
        with pytest.raises(errors.NotFoundError, match="Ids belong to one host and one account"):
            await theirs.sonic.task(task.id).wait()
        balances = (await mine.account.credits()).total, (await theirs.account.credits()).total

    assert balances == (480, 500)


async def test_submit_with_an_unknown_key_raises_at_once() -> None:
    async with Sandbox(keys=("known",)) as strict, MusicAPI("unknown", base_url=strict.base_url) as client:
        with pytest.raises(errors.AuthenticationError, match="MUSICAPI_KEY"):
            await client.sonic.describe(description="rain")

        assert strict.tasks == ()
        assert len(strict.requests("POST /sonic/create")) == 1


async def test_hundred_tasks_over_eight_connections_finish(service: Sandbox) -> None:
    service.account(KEY).credits = 10_000
    async with MusicAPI(KEY, base_url=service.base_url, poll_interval=0.05, max_requests=8) as client:
        requests = [riffusion.Describe(description=f"song {number}") for number in range(100)]
        tasks = await asyncio.gather(*(client.submit(request) for request in requests))
        songs = await asyncio.gather(*(task.wait() for task in tasks))

    assert len({task.id for task in tasks}) == 100
    assert len({clip.clip_id for pair in songs for clip in pair}) == 200


async def test_client_block_leaves_no_asyncio_task(service: Sandbox, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with client_of(service) as client:
        songs = await (await client.sonic.describe(description="rain")).wait()
        await client.download(songs[0], tmp_path / "song")
        async for outcome in client.run([sonic.Describe(description="snow")] * 3, in_flight=2):
            assert outcome.error is None
    await asyncio.sleep(0)

    # The sandbox runs on this loop too: only its connection handlers may be there.
    assert [task for task in asyncio.all_tasks() - before if "RequestHandler" not in repr(task)] == []


@pytest.mark.parametrize("anyio_backend", [pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")])
@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
async def test_run_on_uvloop_returns_every_outcome(service: Sandbox, tmp_path: Path) -> None:
    assert type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    service.add_fault("GET /sonic/task/{task_id}", Fault(drop=True), Fault(status=500, body={"error": "boom"}))
    async with client_of(service) as client:
        outcomes = [one async for one in client.run([sonic.Describe(description="rain")] * 4, in_flight=2)]
        first = outcomes[0].result
        assert first is not None
        saved = await client.download(first[0], tmp_path / "song")

    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert saved.path.stat().st_size == saved.size > 1000
