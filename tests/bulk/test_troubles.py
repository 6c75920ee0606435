"""What goes wrong around a bulk run: it stops before much is paid for, and its books are right."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from scripted import reply, scripted

from musicapi_async import MusicAPI, TaskRequest, bulk, errors, producer, sonic
from musicapi_async.bulk import Facts, Journal, Outcome, Planned
from musicapi_async.sandbox import Ending, Fault, Sandbox

CREATE = "POST /sonic/create"
BAD_NAME = "\ud800"
"""Half a letter, as JSON may hold it."""


def songs(*names: str) -> list[TaskRequest[Any]]:
    return [sonic.Describe(description=name) for name in names]


def many(count: int) -> list[TaskRequest[Any]]:
    return songs(*(f"rain {number}" for number in range(count)))


def client_of(base_url: str, **settings: Any) -> MusicAPI:
    return MusicAPI("k", base_url=base_url, poll_interval=0.01, create_rate=1000.0, max_attempts=1, **settings)


async def run(client: MusicAPI, path: Path, requests: Any = None, **options: Any) -> list[Outcome]:
    async with Journal.open(path) as journal:
        return [outcome async for outcome in bulk.run(client, journal, requests, **options)]


async def counts(path: Path) -> dict[str, int]:
    async with Journal.open(path) as journal:
        return {state: count for state, count in (await journal.counts()).items() if count}


@pytest.fixture
async def quick() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0.02, credits=100_000) as sandbox:
        yield sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.mark.parametrize(
    ("status", "error", "state", "most"),
    [
        (502, errors.UncertainSubmissionError, "uncertain", 16),
        (404, errors.NotFoundError, "refused", 28),
        (503, errors.ServerError, "planned", 18),
    ],
)
async def test_a_service_that_accepts_nothing_is_not_sent_thousands(
    status: int, error: type[errors.MusicAPIError], state: str, most: int, path: Path
) -> None:
    async with scripted(reply(status, {"error": "service busy"})) as server, client_of(server.base_url) as client:
        with pytest.raises(error):
            await run(client, path, many(300))

        assert len(server.received) <= most
    found = await counts(path)
    assert found.get(state, 0) >= 8
    assert found["planned"] >= 300 - most


async def test_single_doubts_and_refusals_stop_nothing(quick: Sandbox, path: Path) -> None:
    bad = [Fault(drop=True), Fault(status=400, body={"error": "no"})]
    quick.add_fault(CREATE, *[fault for _ in range(15) for fault in (*bad, Fault())])
    async with client_of(quick.base_url) as client:
        await run(client, path, many(45), in_flight=1)

    assert await counts(path) == {"uncertain": 15, "refused": 15, "saved": 15}


async def test_a_folder_that_is_gone_stops_the_paying(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "songs"
    async with client_of(quick.base_url) as client, Journal.open(path) as journal:
        running = bulk.run(client, journal, many(100), out=out, in_flight=5)
        await anext(running)
        await asyncio.to_thread(out.rename, tmp_path / "elsewhere")
        with pytest.raises(errors.DownloadError):
            async for _ in running:
                pass

    assert len(quick.accepted) < 30
    async with client_of(quick.base_url) as client:
        await run(client, path, out=out)
    assert (await counts(path))["saved"] == 100
    assert len(quick.accepted) == 100


async def test_what_is_asked_for_no_more_is_not_tried_again(quick: Sandbox, path: Path) -> None:
    async with client_of(quick.base_url) as client:
        quick.end_next("failed")
        await run(client, path, songs("old"), attempts=1)
        await run(client, path, songs("new"), attempts=3)

    assert [task.request.to_wire()["gpt_description_prompt"] for task in quick.accepted] == ["old", "new"]


async def test_a_key_is_settled_alone(quick: Sandbox, path: Path) -> None:
    wire = sonic.Describe(description="rain").to_wire()
    rows = [Planned(key=key, operation="sonic.describe", request=wire) for key in ("k-1", "k-12", "k-123")]
    quick.add_fault(CREATE, *[Fault(drop=True)] * 3)
    async with client_of(quick.base_url) as client:
        await run(client, path, rows)
    async with Journal.open(path) as journal:
        assert await bulk.resend_uncertain(journal, "k-12") == 1
        assert await bulk.drop_uncertain(journal, "k-1") == 1


async def test_a_wrong_id_is_mended(quick: Sandbox, path: Path) -> None:
    quick.add_fault(CREATE, Fault(drop=True, accepted=True))
    async with client_of(quick.base_url) as client:
        (outcome,) = await run(client, path, songs("rain"))
        key = outcome.row.key
        async with Journal.open(path) as journal:
            await bulk.found_uncertain(journal, key, "a-typo")
        (outcome,) = await run(client, path)
        assert isinstance(outcome.error, errors.NotFoundError)
        async with Journal.open(path) as journal:
            await bulk.found_uncertain(journal, key, quick.accepted[0].task_id)
            assert await journal.charged() == {"sonic.describe": 1}
        await run(client, path)

    assert await counts(path) == {"saved": 1}


async def test_found_uncertain_with_another_requests_key_or_task_is_refused(quick: Sandbox, path: Path) -> None:
    quick.add_fault(CREATE, *[Fault(drop=True, accepted=True)] * 2)
    async with client_of(quick.base_url) as client:
        first, second, third = (
            outcome.row for outcome in await run(client, path, songs("rain", "sun", "fog"), in_flight=1)
        )
    async with Journal.open(path) as journal:
        for wrong, reason in (
            (second.key, "the key of a request"),
            (first.key, "the key of a request"),
            (third.task_id or "", f"the task of the request '{third.key}' already"),
            ("", "it must be"),
            ("..", "it must be"),
        ):
            with pytest.raises(errors.InvalidRequestError, match=reason) as caught:
                await bulk.found_uncertain(journal, first.key, wrong)
            assert caught.value.field == "task_id"
        await bulk.found_uncertain(journal, first.key, f" {quick.accepted[0].task_id}\n")
        # Said again, it is the same.
        await bulk.found_uncertain(journal, first.key, quick.accepted[0].task_id)

    assert await counts(path) == {"accepted": 1, "uncertain": 1, "saved": 1}


@pytest.mark.parametrize("timeout", ["10", -1, float("nan")])
async def test_a_time_that_is_none_is_refused_before_anything_is_paid(timeout: Any, path: Path) -> None:
    async with MusicAPI("k") as client:
        with pytest.raises(errors.InvalidRequestError, match="timeout is"):
            bulk.run(client, Journal.open(path), many(1), timeout=timeout)


async def test_what_ends_a_run_before_it_began_ends_it_for_good(quick: Sandbox, path: Path) -> None:
    def broken() -> Any:
        yield from songs("new")
        raise ZeroDivisionError

    async with client_of(quick.base_url) as client, Journal.open(path) as journal:
        await bulk.plan_all(journal, songs("old"))
        running = bulk.run(client, journal, broken())
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await anext(running)

        async def slow() -> AsyncIterator[Any]:
            yield songs("new")[0]
            await asyncio.Event().wait()

        running = bulk.run(client, journal, slow())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(running), 0.05)
        with pytest.raises(errors.JournalError, match="ended while it was planned"):
            await anext(running)

    assert not quick.accepted


async def test_two_tasks_may_go_through_one_run(quick: Sandbox, path: Path) -> None:
    async def gather(running: bulk.Run) -> int:
        return len([outcome async for outcome in running])

    async with client_of(quick.base_url) as client, Journal.open(path) as journal, asyncio.timeout(20):
        running = bulk.run(client, journal, many(20))
        assert sum(await asyncio.gather(gather(running), gather(running))) == 20


async def test_a_second_run_on_an_open_journal_is_refused(path: Path) -> None:
    async with Sandbox(seconds=3600) as sandbox, client_of(sandbox.base_url) as client, Journal.open(path) as journal:
        first = bulk.run(client, journal, many(3))
        asking = asyncio.ensure_future(anext(first))
        while len(sandbox.accepted) < 3:
            await asyncio.sleep(0.001)
        with pytest.raises(errors.JournalError, match="another run is at work"):
            await anext(bulk.run(client, journal))
        await first.aclose()
        with pytest.raises(errors.JournalError, match="the run on it was closed"):
            await asking


async def test_rows_that_are_tried_again_are_not_taken_twice(path: Path) -> None:
    async with Sandbox(seconds=0.02, credits=100_000) as sandbox:
        failed: Ending = "failed"
        sandbox.end_next(*[failed] * 8)
        async with client_of(sandbox.base_url) as client:
            await run(client, path, many(8), attempts=1)
        paced = MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01, create_rate=20.0)
        async with paced as client:
            await run(client, path, many(8), attempts=3, in_flight=3)

        assert len(sandbox.accepted) == 16
    assert await counts(path) == {"saved": 8}


async def test_half_a_letter_is_kept_as_the_escape_it_came_as(path: Path) -> None:
    refusal = reply(400, b'{"error": "bad \\ud800 word"}')
    async with scripted(refusal) as server, client_of(server.base_url) as client:
        (outcome,) = await run(client, path, songs("rain"))
    assert outcome.row.state == "refused"

    async with Journal.open(path) as journal:
        assert r"bad \ud800 word" in str((await journal.rows("refused"))[0].reason)
        await bulk.plan_all(journal, [Planned(key="k", operation="sonic.describe", request={"a": BAD_NAME})])
        (row,) = await journal.rows("planned", 1)
        row = await journal.move(row, "sending")
        await journal.move(row, "accepted", Facts(task_id="t", clips=[{"title": BAD_NAME}]))
        (row,) = await journal.rows("accepted")
        assert (row.request, row.clips) == ({"a": BAD_NAME}, [{"title": BAD_NAME}])
        with pytest.raises(errors.InvalidRequestError, match="key is"):
            await bulk.plan_all(journal, [Planned(key=BAD_NAME, operation="sonic.describe", request={})])


async def test_a_plan_that_fails_half_way_leaves_the_one_before(path: Path) -> None:
    def half() -> Any:
        yield from many(1200)
        raise ZeroDivisionError

    async with Journal.open(path) as journal:
        await bulk.plan_all(journal, many(1500))
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await bulk.plan_all(journal, half())
        await journal.start()
        assert len(await journal.take(5000)) == 1500
        await bulk.plan_all(journal, many(700))
        assert len(await journal.take(5000)) == 700


async def test_long_names_keep_what_tells_two_songs_apart(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    request = sonic.Create(lyrics="la", title="\N{CLOUD WITH RAIN}\u96e8" * 30, tags="x")
    row = Planned(key="\u6b4c" * 45, operation="sonic.create", request=request.to_wire())
    names = "{index:05d}-{key}-{operation}-{title}-{clip_id}.{ext}"
    async with client_of(quick.base_url) as client:
        (outcome,) = await run(client, path, [row], out=tmp_path / "songs", names=names)

    assert len({path.name for path in (tmp_path / "songs").iterdir()}) == len(outcome.row.files) == 6


async def test_clips_without_ids_have_names_of_their_own(path: Path, tmp_path: Path) -> None:
    data = [{"title": "Same", "state": "succeeded", "clip_id": ""}] * 2
    script = [
        reply(200, {"message": "success", "task_id": "t-1"}),
        reply(200, {"code": 200, "message": "success", "data": data}),
    ]
    async with scripted(*script) as server, client_of(server.base_url) as client:
        outcomes = await run(client, path, songs("rain"), out=tmp_path / "songs")

    files = [file for outcome in outcomes for file in outcome.row.files]
    assert len(set(files)) == len(files) == 2


async def test_the_files_of_a_download_are_fetched(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    async with client_of(quick.base_url) as client:
        song = (await (await client.producer.create(sound="choir")).wait())[0]
        request = producer.Download(clip=song)
        (outcome,) = await run(client, path, [request], out=tmp_path / "songs")

    assert outcome.row.state == "saved"
    assert any(not file.endswith(".json") for file in outcome.row.files)


async def test_a_secret_is_in_no_file_that_is_shown_around(quick: Sandbox, path: Path, tmp_path: Path) -> None:
    request = sonic.Describe(description="rain", webhook_url="https://example.org/hook", webhook_secret="hush-hush")
    async with client_of(quick.base_url) as client:
        await run(client, path, [request], out=tmp_path / "songs")

    told = [file.read_text() for file in (tmp_path / "songs").glob("*.json")]
    assert len(told) == 2
    assert not any("hush-hush" in text for text in told)


async def test_what_cannot_be_opened_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(errors.JournalError, match=r"journal\.db: it cannot be opened"):
        async with Journal.open(tmp_path / "journal.db"):
            pass
