"""Nothing paid for is lost or paid twice, with thousands of actions on a network that fails all the time.

The truth is the server's count. Longer: ``PYTHONPATH=tests python -m faults.simulation --seeds 20 --steps 5000``.
"""

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
from faults.simulation import simulate
from faults.user_records import UserRecords

from musicapi_async import MusicAPI, Task, TaskRequest, errors, sonic
from musicapi_async.sandbox import Sandbox


async def test_simulation_with_faults_loses_and_duplicates_nothing() -> None:
    simulation = await simulate(seed=4, steps=1800)
    print(simulation)  # noqa: T201 - the account of the simulation, with its seed
    # An unclosed socket warns when it is collected; a warning is a failure here.
    gc.collect()

    assert simulation.wrong == {}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A simulation logs hundreds of warnings."""
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
    simulation = await simulate(seed=4, steps=400, make=Naive)

    assert simulation.findings.duplicates > 2
    assert "duplicates" in simulation.wrong


async def test_simulation_of_a_client_that_reports_nothing_finds_lost_tasks() -> None:
    simulation = await simulate(seed=4, steps=400, make=forgetful)

    assert simulation.findings.lost > 2
    assert {"lost", "unreported"} <= simulation.wrong.keys()


async def test_audit_with_unaccounted_credits_reports_them(client: MusicAPI, sandbox: Sandbox) -> None:
    records, account = UserRecords(), sandbox.account("test-key")
    had = account.credits
    request = sonic.Describe(description="song 1")
    records.add_request(request)
    task = await client.submit(request)
    records.add_tasks(task)
    sandbox.advance(7200)
    records.add_result(task.id, await task.wait(10))
    assert records.audit(sandbox.tasks, account, had).wrong == {}

    account.credits -= 1
    assert records.audit(sandbox.tasks, account, had).wrong == {"missing": 1}


async def test_simulation_without_faults_is_reported_as_calm() -> None:
    simulation = await simulate(seed=4, steps=100, share=0.0)

    assert simulation.wrong == {"calm": True}
