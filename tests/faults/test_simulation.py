"""Nothing paid for is lost or paid twice, with thousands of actions on a network that fails all the time.

The truth is the server's count. Longer: ``PYTHONPATH=tests python -m faults.simulation --seeds 20 --steps 5000``.
"""

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
from faults.book import Book
from faults.simulation import live_through

from musicapi_async import MusicAPI, Task, TaskRequest, errors, sonic
from musicapi_async.sandbox import Sandbox


async def test_simulation_with_faults_loses_and_duplicates_nothing() -> None:
    day = await live_through(seed=4, steps=2400)
    print(day)  # noqa: T201 - the account of the day, with its seed
    # An unclosed socket warns when it is collected; a warning is a failure here.
    gc.collect()

    assert day.wrong == {}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of warnings are what such a day brings."""
    caplog.set_level(logging.ERROR, logger="musicapi")


class Naive(MusicAPI):
    """Sends a create again when no answer came, as most clients do."""

    async def submit(self, request: TaskRequest[Any]) -> Task[Any]:  # type: ignore[override]  # awaited, nothing else
        try:
            return await super().submit(request)
        except errors.UncertainSubmissionError:
            return await super().submit(request)


def forgetful(*given: Any, on_uncertain: Callable[..., object], **more: Any) -> MusicAPI:
    """Make a client that does not report what is uncertain."""
    del on_uncertain
    return MusicAPI(*given, **more)


async def test_simulation_of_a_client_that_resends_finds_duplicates() -> None:
    day = await live_through(seed=4, steps=400, make=Naive)

    assert day.findings.duplicates > 2
    assert "duplicates" in day.wrong


async def test_simulation_of_a_client_that_reports_nothing_finds_lost_tasks() -> None:
    day = await live_through(seed=4, steps=400, make=forgetful)

    assert day.findings.lost > 2
    assert {"lost", "unreported"} <= day.wrong.keys()


async def test_audit_with_unaccounted_credits_reports_them(client: MusicAPI, sandbox: Sandbox) -> None:
    book, account = Book(), sandbox.account("test-key")
    had = account.credits
    request = sonic.Describe(description="song 1")
    book.ask(request)
    task = await client.submit(request)
    book.know(task)
    sandbox.advance(7200)
    book.end(task.id, await task.wait(10))
    assert book.audit(sandbox.accepted, account, had).wrong == {}

    account.credits -= 1
    assert book.audit(sandbox.accepted, account, had).wrong == {"missing": 1}


async def test_simulation_without_faults_is_reported_as_calm() -> None:
    day = await live_through(seed=4, steps=100, share=0.0)

    assert day.wrong == {"calm": True}
