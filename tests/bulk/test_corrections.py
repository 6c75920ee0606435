"""A line that is corrected under its key is sent as it is now, the next time its key is sent; what was sent stays."""

from pathlib import Path
from typing import Any

import pytest
from bulk.runs import CREATE, client_of
from service import RUNNING, clip, done, serving

from musicapi_async import bulk, sonic
from musicapi_async.bulk import Changes, Journal, Planned, Record, State
from musicapi_async.errors import InvalidRequestError
from musicapi_async.sandbox import Fault, Sandbox


def line(words: str, key: str = "k") -> Planned:
    return Planned.of(key, sonic.Describe(description=words))


def words_of(record: Record) -> object:
    return record.request["gpt_description_prompt"]


def made(sandbox: Sandbox) -> list[object]:
    return [task.request.to_wire()["gpt_description_prompt"] for task in sandbox.tasks]


async def run(sandbox: Sandbox, journal: Journal, requests: Any = None, **options: Any) -> None:
    async with client_of(sandbox.base_url) as client:
        async for _ in bulk.run(client, journal, requests, **options):
            pass


async def put(journal: Journal, state: State, words: str = "old") -> Record:
    """Plan a record and bring it into a state, by the way that leads there."""
    await bulk.plan_all(journal, [line(words)])
    (record,) = await journal.claim(1)
    ways: dict[State, tuple[State, ...]] = {
        "uncertain": ("sending", "uncertain"),
        "refunded": ("sending", "accepted", "refunded"),
        "refused": ("sending", "refused"),
        "failed": ("sending", "accepted", "failed"),
        "accepted": ("sending", "accepted"),
    }
    for step in ways[state]:
        record = await journal.transition(record, step, Changes(task_id="t-1") if step == "accepted" else Changes())
    return record


@pytest.mark.parametrize("settled_first", ["settled first", ""])
@pytest.mark.parametrize("settle", [bulk.resend_uncertain, bulk.resolve_not_sent])
async def test_line_corrected_after_its_request_was_uncertain_is_sent_as_it_is_now(
    settle: Any, settled_first: str, quick: Sandbox, tmp_path: Path
) -> None:
    async with bulk.open(tmp_path / "journal.db") as journal:
        quick.add_fault(CREATE, Fault(drop=True))
        await run(quick, journal, [line("old")])
        (record,) = await journal.records("uncertain")
        if settled_first:
            await settle(journal)
        await bulk.plan_all(journal, [line("new")])
        if not settled_first:
            # What may have been sent stays what it was.
            (record,) = await journal.records("uncertain")
            assert words_of(record) == "old"
            await settle(journal)
        await run(quick, journal)

    assert made(quick) == ["new"]


async def test_line_corrected_before_its_refund_is_made_as_it_is_now(quick: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    quick.end_next("failed", "songs")
    async with bulk.open(path) as journal:
        await run(quick, journal, [line("old")], attempts=1)
        assert (await journal.counts())["refunded"] == 1
    async with bulk.open(path) as journal:
        await run(quick, journal, [line("new")], attempts=3)
        (record,) = await journal.records("saved")

    assert made(quick) == ["old", "new"]
    assert words_of(record) == "new"


async def test_refund_of_a_line_that_is_gone_or_has_another_automatic_key_is_not_made_again(tmp_path: Path) -> None:
    async with serving(poll=lambda _: RUNNING) as service, bulk.open(tmp_path / "journal.db") as journal:

        async def make(*words: str) -> list[str]:
            async with client_of(service.base_url) as client:
                requests = [sonic.Describe(description=one) for one in words]
                async for _ in bulk.run(client, journal, requests, timeout=0.2, in_flight=4):
                    pass
            return sorted(state for state, count in (await journal.counts()).items() for _ in range(count))

        assert await make("rain", "rain in Mrch") == ["accepted", "accepted"]
        sent = len(service.created)
        refunded = (200, {"type": "failed", "error": "x", "already_refunded": True})
        service.poll = lambda number: refunded if number < sent else done(clip(2 * number), clip(2 * number + 1))
        assert await make("rain", "rain in March") == ["refunded", "saved", "saved"]

        made_at_last = [request["gpt_description_prompt"] for request in service.created[sent:]]
    assert sorted(made_at_last) == ["rain", "rain in March"]


@pytest.mark.parametrize("state", ["uncertain", "refunded", "refused"])
async def test_record_that_is_planned_again_takes_its_newest_request(state: State, store: Path | str) -> None:
    async with bulk.open(store) as journal:
        record = await put(journal, state)
        await bulk.plan_all(journal, [line("newer")])
        await bulk.plan_all(journal, [line("newest")])
        if state != "refused":
            record = await journal.transition(record, "planned")
            assert words_of(record) == "newest"
        (record,) = await journal.claim(1) if state == "refused" else await journal.records("planned")

    assert words_of(record) == "newest"


@pytest.mark.parametrize("state", ["accepted", "uncertain", "failed"])
async def test_request_that_was_sent_is_never_altered(state: State, store: Path | str) -> None:
    path = store
    async with bulk.open(path) as journal:
        await put(journal, state)
        await bulk.plan_all(journal, [line("new")])
        await journal.plan([line("newer")])
        (record,) = await journal.records(state)
        assert words_of(record) == "old"
    async with bulk.open(path) as journal:
        (record,) = await journal.records(state)
        assert words_of(record) == "old"


async def test_correction_that_is_undone_leaves_the_first_request(store: Path | str) -> None:
    async with bulk.open(store) as journal:
        record = await put(journal, "uncertain")
        await bulk.plan_all(journal, [line("new")])
        await bulk.plan_all(journal, [line("old")])
        record = await journal.transition(record, "planned")

    assert words_of(record) == "old"


async def test_plan_that_is_not_read_to_its_end_corrects_nothing(quick: Sandbox, store: Path | str) -> None:
    """A wrong line far behind must not leave the lines before it changed: the file before is the plan still."""

    def broken() -> Any:
        yield from (line("new", f"k-{number}") for number in range(1500))
        yield "no request"

    async with bulk.open(store) as journal:
        await bulk.plan_all(journal, [line("old", "k-0")])
        with pytest.raises(InvalidRequestError, match="a text of 10 characters"):
            await bulk.plan_all(journal, broken())
        await run(quick, journal)

    assert made(quick) == ["old"]


async def test_line_added_to_the_plan_again_is_corrected(store: Path | str) -> None:
    async with bulk.open(store) as journal:
        await journal.plan([line("old")])
        await journal.plan([line("new")])
        assert [words_of(record) for record in await journal.claim(10)] == ["new"]


async def test_request_that_is_sent_while_its_line_is_corrected_is_noted_as_it_was_sent(tmp_path: Path) -> None:
    async with bulk.open(tmp_path / "journal.db") as journal:
        await bulk.plan_all(journal, [line("old")])
        (taken,) = await journal.claim(1)
        await bulk.plan_all(journal, [line("new")])
        sent = await journal.transition(await journal.transition(taken, "sending"), "accepted", Changes(task_id="t-1"))
        (record,) = await journal.records("accepted")
        assert (words_of(sent), words_of(record)) == ("old", "old")
        again = await journal.transition(await journal.transition(record, "refunded"), "planned")

    assert words_of(again) == "new"


async def test_request_that_waits_after_a_429_stays_as_it_was_until_the_journal_is_opened_again(
    store: Path | str,
) -> None:
    path = store
    async with bulk.open(path) as journal:
        await bulk.plan_all(journal, [line("old")])
        (record,) = await journal.claim(1)
        record = await journal.transition(record, "sending")
        await bulk.plan_all(journal, [line("new")])
        record = await journal.transition(record, "planned")
        assert words_of(record) == "old"
    async with bulk.open(path) as journal:
        assert [words_of(record) for record in await journal.claim(1)] == ["new"]


async def test_refused_line_rewritten_with_the_same_meaning_is_not_sent_again(store: Path | str) -> None:
    async with bulk.open(store) as journal:
        await put(journal, "refused", "a\nb")
        await bulk.plan_all(journal, [line("a\r\nb")])
        assert (await journal.counts())["refused"] == 1
        await bulk.plan_all(journal, [line("a\r\nc")])
        assert (await journal.counts())["planned"] == 1
