"""``musicapi bulk``: resolving uncertain requests, backups that are not paid for again, trials beside paid journals."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import MusicAPI
from end_to_end.bulk_folder import CREATE, RUN, made, quick_sandbox, write  # noqa: F401 - the fixture

from musicapi_async import bulk, sonic
from musicapi_async.bulk import Changes, Planned
from musicapi_async.bulk.sqlite.journal import TrialJournal
from musicapi_async.errors import JournalError
from musicapi_async.sandbox import Fault, Sandbox


def back_up(folder: Path, copy: Path) -> None:
    shutil.copyfile(folder / "journal.db", copy)


@pytest.mark.parametrize("keys", [("k-1", "k-2"), ("--all",)])
def test_resolve_not_sent_has_requests_sent_again(
    keys: tuple[str, ...], musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain", "snow", "hail")
    sandbox.add_fault(CREATE, Fault(drop=True, accepted=True), Fault(drop=True), Fault(drop=True))
    assert musicapi(*RUN, "--in-flight", "1", sandbox=sandbox).code == 12
    found = musicapi("bulk", "resolve", "songs", "k-0", sandbox.tasks[0].task_id, "--json")
    assert found.json["task_id"] == sandbox.tasks[0].task_id
    settled = musicapi("bulk", "resolve", "songs", "--not-sent", *keys)
    assert (settled.code, settled.err) == (0, "")
    assert settled.out.startswith("2 requests recorded as not accepted")
    assert musicapi(*RUN, sandbox=sandbox).out.splitlines()[-1] == "3 saved"
    assert made(sandbox) == ["rain", "snow", "hail"]


def test_resolve_with_a_key_that_is_not_uncertain_changes_nothing(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain", "snow")
    sandbox.add_fault(CREATE, Fault(drop=True))
    musicapi(*RUN, "--in-flight", "1", sandbox=sandbox)
    wrong = musicapi("bulk", "resolve", "songs", "--not-sent", "k-0", "k-1")
    assert wrong.code == 2
    assert "key is 'k-1', and no request of that key is uncertain" in wrong.err
    assert musicapi("bulk", "status", "songs", "--json").json["counts"]["uncertain"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("songs",), "give KEY TASK_ID"),
        (("songs", "k-0"), "give KEY TASK_ID"),
        (("songs", "k-0", "t", "k-1"), "give KEY TASK_ID"),
        (("songs", "k-0", "t", "--all"), "--all needs --not-sent"),
        (("songs", "--not-sent"), "or --all"),
        (("songs", "--not-sent", "k-0", "--all"), "or --all"),
        (("songs", "--not-sent", "--all"), "there is no journal.db in songs"),
        (("songs", "k-0", "t", "--journal-is-old", "--journal-is-current"), "not both"),
    ],
)
def test_resolve_with_invalid_arguments_names_the_usage(
    arguments: tuple[str, ...], sentence: str, musicapi: MusicAPI
) -> None:
    done = musicapi("bulk", "resolve", *arguments)

    assert done.code == 2
    assert sentence in done.err


def test_run_on_an_old_backup_pays_for_nothing_again(musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path) -> None:
    write(tmp_path, "one", "two")
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    back_up(tmp_path / "songs", tmp_path / "backup.db")
    write(tmp_path, "one", "two", "three")
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    shutil.copyfile(tmp_path / "backup.db", tmp_path / "songs" / "journal.db")

    done = musicapi(*RUN, sandbox=sandbox)
    assert done.code == 12
    assert "2 saved, 1 uncertain" in done.out
    assert "the journal has lost entries" in done.out
    status = musicapi("bulk", "status", "songs", "--json").json
    assert (status["has_lost"], status["counts"]["uncertain"]) == (True, 1)
    assert len(sandbox.tasks) == 3

    assert musicapi("bulk", "resolve", "songs", "k-2", sandbox.tasks[2].task_id).code == 0
    assert musicapi("bulk", "resolve", "songs", "--not-sent", "--all").code == 0
    write(tmp_path, "one", "two", "three", "four")
    assert musicapi(*RUN, sandbox=sandbox).out.splitlines()[-1] == "4 saved"
    assert made(sandbox) == ["one", "two", "three", "four"]


@pytest.mark.parametrize(
    ("answer", "end", "count"),
    [("--journal-is-current", "2 saved", 2), ("--journal-is-old", "1 saved, 1 uncertain", 1)],
)
def test_run_on_a_journal_without_lock_file_needs_an_option_once(
    answer: str, end: str, count: int, musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "one")
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    (tmp_path / "songs" / "journal.db.lock").unlink()
    write(tmp_path, "one", "two")
    for command in (RUN, RUN, ("bulk", "resolve", "songs", "--not-sent", "--all")):
        refused = musicapi(*command, sandbox=sandbox)
        assert refused.code == 11
        assert "--journal-is-current" in refused.err
        assert "--journal-is-old" in refused.err
    assert musicapi("bulk", "status", "songs").code == 0
    assert end in musicapi(*RUN, answer, sandbox=sandbox).out
    assert end in musicapi(*RUN, sandbox=sandbox).out
    assert len(sandbox.tasks) == count


def test_line_corrected_after_its_request_was_uncertain_is_sent_as_it_is_now(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "old words")
    sandbox.add_fault(CREATE, Fault(drop=True))
    assert musicapi(*RUN, sandbox=sandbox).code == 12
    write(tmp_path, "new words")
    assert musicapi(*RUN, "--resend-uncertain", sandbox=sandbox).code == 0

    assert made(sandbox) == ["new words"]


def test_file_that_failed_its_check_leaves_the_plan_before_as_it_was(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The file is as it was when it was planned last, and so are its requests: it is not read again."""
    write(tmp_path, *(f"old {number}" for number in range(3)))
    before = (tmp_path / "requests.jsonl").read_bytes()
    assert musicapi(*RUN, "--max-credits", "20", sandbox=sandbox).code == 4
    write(tmp_path, *(f"new {number}" for number in range(2000)))
    with (tmp_path / "requests.jsonl").open("a") as file:
        file.write("{\n")
    assert musicapi(*RUN, sandbox=sandbox).code == 2
    (tmp_path / "requests.jsonl").write_bytes(before)
    done = musicapi(*RUN, sandbox=sandbox)

    assert "has not changed since it was planned" in done.out
    assert sorted(map(str, made(sandbox))) == ["old 0", "old 1", "old 2"]


def test_two_columns_of_one_name_are_refused_before_anything_is_sent(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "requests.csv").write_text("key,description,description\na,rain,snow\n,,\n")
    done = musicapi("bulk", "requests.csv", *RUN[2:], sandbox=sandbox)

    assert done.code == 2
    assert "requests.csv:1: column 'description' occurs twice, as columns 2 and 3: keep one" in done.err
    assert not sandbox.tasks


# Trials: a journal that may hold what was paid for is never emptied.


def keep_planned(path: Path) -> None:
    """Have another program plan a song in the journal."""

    async def work() -> None:
        async with bulk.open(path) as journal:
            await journal.plan([Planned.of("paid", sonic.Describe(description="paid"))])

    asyncio.run(work())


def keep_paid(path: Path) -> None:
    """Have another program pay for a song in the journal."""

    async def work() -> None:
        async with bulk.open(path) as journal:
            (record,) = await journal.records("planned")
            await journal.transition(await journal.transition(record, "sending"), "accepted", Changes(task_id="t-1"))

    keep_planned(path)
    asyncio.run(work())


def keys_in(path: Path) -> set[str]:
    async def work() -> set[str]:
        async with bulk.open(path) as journal:
            return {record.key for state in await journal.counts() for record in await journal.records(state)}

    return asyncio.run(work())


@pytest.mark.parametrize("keep", [keep_paid, keep_planned])
def test_trial_leaves_a_journal_alone_that_another_program_has_opened(
    keep: Callable[[Path], None], musicapi: MusicAPI, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    assert musicapi(*RUN, "--sandbox", MUSICAPI_KEY="").code == 0
    path = tmp_path / "songs" / "journal.db"
    keep(path)
    refused = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")

    assert refused.code == 11
    assert "use another folder for the trial (--out)" in refused.err
    assert keys_in(path) == {"k-0", "paid"}


def test_trial_with_a_file_that_is_refused_leaves_the_trial_before_as_it_is(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, "rain")
    begun = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")
    (tmp_path / "requests.jsonl").write_text('{"titel": "x"}\n')
    assert musicapi(*RUN, "--sandbox", MUSICAPI_KEY="").code == 2
    (tmp_path / "requests.jsonl").unlink()
    assert musicapi(*RUN, "--sandbox", MUSICAPI_KEY="").code == 2

    assert "each one starts from the beginning, and nothing is charged" in begun.out
    assert keys_in(tmp_path / "songs" / "journal.db") == {"k-0"}


def test_trial_after_a_resolve_is_refused(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, "rain")
    assert musicapi(*RUN, "--sandbox", MUSICAPI_KEY="").code == 0
    assert musicapi("bulk", "resolve", "songs", "--not-sent", "--all").code == 0
    assert musicapi(*RUN, "--sandbox", MUSICAPI_KEY="").code == 11


def test_trial_of_a_journal_that_is_only_planned_is_refused(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, "rain")
    (tmp_path / "songs").mkdir()
    keep_planned(tmp_path / "songs" / "journal.db")
    refused = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")

    assert refused.code == 11
    assert "it may contain songs that are not from a trial" in refused.err


async def test_trial_that_ends_before_anything_is_planned_names_its_service_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with TrialJournal(path) as journal:
        await journal.begin("127.0.0.1:1")
    async with TrialJournal(path) as journal:
        assert await journal.recall("service") == "127.0.0.1:1"
        await journal.begin("127.0.0.1:2")
        assert await journal.recall("service") == "127.0.0.1:2"


async def test_trial_is_emptied_in_place_and_its_records_begin_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for service in ("127.0.0.1:1", "127.0.0.1:2"):
        async with TrialJournal(path) as journal:
            await journal.begin(service)
            assert await bulk.plan_all(journal, [sonic.Describe(description="rain")]) == (1, 1)
            (record,) = await journal.claim(1)
            assert record.number == 1
            await journal.transition(await journal.transition(record, "sending"), "accepted", Changes(task_id="t"))
    with pytest.raises(JournalError, match="in use"):
        async with TrialJournal(path), bulk.open(path):
            pass


async def test_mark_of_a_trial_is_gone_once_the_journal_was_opened_for_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with TrialJournal(path) as journal:
        await journal.begin("127.0.0.1:1")
    async with bulk.open(path):
        pass
    async with TrialJournal(path) as journal:
        with pytest.raises(JournalError, match=r"its songs are from 127\.0\.0\.1:1, not from a trial"):
            await journal.begin("127.0.0.1:1")


@pytest.mark.parametrize("service", [None, "music.example"])
async def test_mark_of_a_trial_that_names_another_service_is_no_mark(service: str | None, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with bulk.open(path) as journal:
        await journal.remember("trial", value=True)
        await journal.plan([Planned.of("paid", sonic.Describe(description="paid"))])
        if service is not None:
            await journal.remember("service", service)
    async with TrialJournal(path) as journal:
        with pytest.raises(JournalError, match="use another folder for the trial"):
            await journal.begin("127.0.0.1:1")
        assert (await journal.counts())["planned"] == 1


def test_trial_that_was_killed_begins_anew(musicapi: MusicAPI, tmp_path: Path) -> None:
    async def half() -> Any:
        async with TrialJournal(tmp_path / "songs" / "journal.db") as journal:
            await journal.begin("127.0.0.1:1")
            await journal.plan([Planned.of("k-0", sonic.Describe(description="rain"))])
            (record,) = await journal.claim(1)
            await journal.transition(record, "sending")

    asyncio.run(half())
    write(tmp_path, "rain")
    done = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")
    assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")


def test_trial_does_not_answer_for_a_journal_that_lost_its_mark(
    musicapi: MusicAPI, sandbox: Sandbox, tmp_path: Path
) -> None:
    write(tmp_path, "rain")
    assert musicapi(*RUN, sandbox=sandbox).code == 0
    (tmp_path / "songs" / "journal.db.lock").unlink()
    for command in ((*RUN, "--sandbox"), RUN):
        refused = musicapi(*command, sandbox=sandbox)
        assert refused.code == 11
        assert "--journal-is-current" in refused.err


def test_trial_that_lost_its_mark_begins_anew(musicapi: MusicAPI, tmp_path: Path) -> None:
    write(tmp_path, "rain")
    for _ in range(2):
        done = musicapi(*RUN, "--sandbox", MUSICAPI_KEY="")
        assert (done.code, done.out.splitlines()[-1]) == (0, "1 saved")
        (tmp_path / "songs" / "journal.db.lock").unlink()
