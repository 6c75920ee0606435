"""``report`` and ``status`` of a folder of songs, as a user meets them."""

import asyncio
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Finished

from musicapi_async import bulk
from musicapi_async.bulk import Changes, Planned
from musicapi_async.bulk.records import State
from musicapi_async.cli.bulk.journals import journal_in
from musicapi_async.cli.bulk.report import report
from musicapi_async.cli.bulk.status import status
from musicapi_async.cli.running import run_command
from musicapi_async.cli.screen import Screen

Command = Callable[..., Finished]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(name: str, folder: Path, *, as_json: bool = False) -> Finished:
        commands = {"report": report, "status": status}
        code = run_command(lambda screen: commands[name](journal_in(folder), screen), as_json=as_json)
        printed = capfd.readouterr()
        return Finished(code, printed.out, printed.err)

    return run


async def fill(folder: Path, *states: State) -> None:
    async with bulk.open(folder / "journal.db") as journal:
        keys = [f"key-{number}" for number, _ in enumerate(states, 1)]
        await journal.plan([Planned(key=key, operation="sonic.describe", request={}) for key in keys])
        for record, state in zip(await journal.claim(len(states)), states, strict=True):
            if state != "planned":
                sent = await journal.transition(record, "sending")
                await journal.transition(sent, state, Changes(reason="because", task_id="t-1"))


def test_status_with_uncertain_requests_says_how_to_resolve_them(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "my songs"
    uncertain: list[State] = ["uncertain"] * 12
    asyncio.run(fill(folder, "planned", "planned", "refused", *uncertain))
    shown = command("status", folder)
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].split() == ["2", "planned", "not", "sent", "yet"]
    assert [line.split()[:2] for line in lines[1:3]] == [["12", "uncertain"], ["1", "refused"]]
    assert lines[3] == "15 requests; no run in progress"
    assert "uncertain: key-4, key-5" in shown.out
    assert "key-13, ..." in shown.out
    out = shlex.quote(str(folder))
    for way in ("KEY TASK_ID", "--not-sent KEY...", "--not-sent --all"):
        assert f"musicapi bulk resolve {out} {way}" in shown.out
    assert shown.out.count("-uncertain") == 2


def test_status_without_uncertain_requests_is_short(command: Command, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path, "planned"))
    shown = command("status", tmp_path)
    assert shown.out == "1  planned  not sent yet\n1 request; no run in progress\n"


def test_status_with_json_is_one_object(command: Command, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path, "planned", "uncertain"))
    result = command("status", tmp_path, as_json=True).json
    assert (result["total"], result["counts"]["uncertain"], result["counts"]["saved"]) == (2, 1, 0)
    assert (result["uncertain"], result["run"]) == (["key-2"], None)
    assert len(result["resolutions"]) == 5


async def test_status_during_a_run_names_its_process(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    async with bulk.open(tmp_path / "journal.db"):
        await status(journal_in(tmp_path), Screen(as_json=False))
    assert f"run in progress: process {os.getpid()} on" in capfd.readouterr().out


def test_report_says_where_its_page_is(command: Command, tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path, "planned", "refused"))
    shown = command("report", tmp_path)
    page = tmp_path / "index.html"
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == f"0 songs, 0:00, from 2 requests: {page.resolve().as_uri()}\n"
    assert "because" in page.read_text("utf-8")
    result = command("report", tmp_path, as_json=True).json
    assert (result["report"], result["songs"], result["counts"]) == (str(page), 0, {"planned": 1, "refused": 1})


@pytest.mark.parametrize("name", ["report", "status"])
def test_report_of_a_folder_without_a_journal_is_refused(name: str, command: Command, tmp_path: Path) -> None:
    shown = command(name, tmp_path, as_json=True)
    assert shown.code != 0
    assert "there is none" in shown.json["error"]["message"]
    assert list(tmp_path.iterdir()) == []
