"""Waits and runs in the cell of a notebook show their progress; elsewhere they show nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import musicapi_sync
from musicapi_async import MusicAPI, bulk, errors, sonic
from musicapi_async.sandbox import Sandbox

REQUESTS = [sonic.Describe(description=f"rain {number}") for number in range(3)]


class Notebook:
    """What the cells show: the lines in the order in which they were shown, and those that stay."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        shell: Any = InteractiveShell.instance(config=config)
        publisher: Any = CapturingDisplayPublisher
        shell.display_pub, shell.kernel = publisher(), object()
        self.shell = shell

    @property
    def shown(self) -> list[str]:
        published: list[dict[str, Any]] = self.shell.display_pub.outputs
        return [one["data"]["text/plain"] for one in published]

    @property
    def final(self) -> list[str]:
        published: list[dict[str, Any]] = self.shell.display_pub.outputs
        return list({one["transient"]["display_id"]: one["data"]["text/plain"] for one in published}.values())


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    yield Notebook()
    InteractiveShell.clear_instance()


@pytest.fixture
def served() -> Iterator[Sandbox]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Sandbox(seconds=0.1)) as sandbox:
        yield sandbox


async def test_wait_in_a_notebook_shows_the_states_of_the_task(notebook: Notebook) -> None:
    async with Sandbox(seconds=0.1) as sandbox, sandbox.client() as client:
        task = await client.sonic.describe(description="rain")
        await task.wait()
        await task.wait()  # it has ended: there is nothing to wait for

    assert notebook.shown[0].startswith(f"sonic task {task.id}: ")
    assert notebook.final == [f"sonic task {task.id}: finished, 0:00"]


async def test_wait_that_ends_early_shows_that_the_task_is_still_running(notebook: Notebook) -> None:
    async with Sandbox(seconds=3600) as sandbox, sandbox.client() as client:
        task = await client.sonic.describe(description="rain")
        with pytest.raises(errors.TaskTimeoutError):
            await task.wait(0)

    assert notebook.final == [f"sonic task {task.id}: still running on the server, 0:00"]


async def test_run_in_a_notebook_shows_one_line_with_its_counts(notebook: Notebook) -> None:
    async with Sandbox(seconds=0.1) as sandbox, sandbox.client() as client:
        async for _ in client.run(REQUESTS, in_flight=2):
            pass

    assert notebook.final == ["3 finished, 0 in flight"]
    assert "0 finished, 2 in flight" in notebook.shown


def test_blocking_wait_and_run_in_a_notebook_show_the_same(notebook: Notebook, served: Sandbox) -> None:
    with musicapi_sync.MusicAPI("k", base_url=served.base_url, poll_interval=0.02) as client:
        task = client.sonic.describe(description="rain")
        task.wait()
        assert all(outcome.error is None for outcome in client.run(REQUESTS))

    assert notebook.final == [f"sonic task {task.id}: finished, 0:00", "3 finished, 0 in flight"]


async def test_bulk_run_in_a_notebook_shows_no_line_for_each_task(notebook: Notebook, tmp_path: Path) -> None:
    journal_file = tmp_path / "journal.db"
    async with (
        Sandbox(seconds=0.1) as sandbox,
        sandbox.client() as client,
        bulk.open(journal_file) as journal,
    ):
        states = [outcome.record.state async for outcome in bulk.run(client, journal, REQUESTS)]

    assert states == ["saved"] * 3
    assert notebook.shown == []


async def test_wait_in_a_terminal_shows_nothing(notebook: Notebook) -> None:
    notebook.shell.kernel = None
    async with Sandbox(seconds=0) as sandbox, sandbox.client() as client:
        await client.sonic.describe(description="rain").wait()

    assert notebook.shown == []


async def test_line_in_a_notebook_is_escaped(notebook: Notebook) -> None:
    async with Sandbox(seconds=3600) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        with pytest.raises(errors.MusicAPIError):
            await client.sonic.task("a<b>c").wait(0)

    assert {"a&lt;b&gt;c" in one["data"]["text/html"] for one in notebook.shell.display_pub.outputs} == {True}
