"""Each fault of the proxy: whether the server received the request, and how a client reacts."""

import random

import pytest
from faults.fault_plan import Fault, FaultPlan
from faults.proxy import FaultProxy

from musicapi_async import MusicAPI, errors, sonic
from musicapi_async.sandbox import Sandbox

KEY = "test-key"
HARMLESS = {Fault.DRIPPED_AFTER, Fault.CLOSED_AFTER}
REPEATED = {Fault.BUSY, Fault.LIMITED, Fault.LIMITED_AT_ONCE}


class Once(FaultPlan):
    """One fault for the first request, or its connection; then nothing."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(seed=0, paid=0, polls=0)
        self.coming: list[Fault] = [fault]

    def of_connection(self) -> tuple[Fault | None, random.Random]:
        is_it = self.coming[:1] in ([Fault.CLOSED_UNREAD], [Fault.TORN])
        return self.coming.pop() if is_it else None, random.Random(0)

    def of_request(self, *_: object) -> tuple[Fault | None, random.Random]:
        return self.coming.pop() if self.coming else None, random.Random(0)


def port_of(sandbox: Sandbox) -> int:
    return int(sandbox.base_url.split(":")[2].split("/")[0])


@pytest.mark.parametrize("fault", Fault)
async def test_submit_with_any_fault_is_sent_once_or_uncertain(sandbox: Sandbox, fault: Fault) -> None:
    reported: list[errors.UncertainSubmissionError] = []
    request = sonic.Describe(description="song 1")
    async with (
        FaultProxy(port_of(sandbox), Once(fault)) as proxy,
        MusicAPI(KEY, base_url=proxy.base_url, timeout=0.5, create_rate=1000, on_uncertain=reported.append) as client,
    ):
        if fault in HARMLESS | REPEATED:
            task = await client.submit(request)
            assert [task.id] == [task.task_id for task in sandbox.tasks]
        else:
            with pytest.raises(errors.UncertainSubmissionError) as raised:
                await client.submit(request)
            assert reported == [raised.value]
            assert len(sandbox.tasks) == (1 if fault.is_served else 0)


@pytest.mark.parametrize("fault", Fault)
async def test_wait_with_any_fault_returns_the_result(sandbox: Sandbox, fault: Fault) -> None:
    async with MusicAPI(KEY, base_url=sandbox.base_url) as direct:
        task = await direct.sonic.describe(description="song 1")
    sandbox.advance(7200)
    async with (
        FaultProxy(port_of(sandbox), Once(fault)) as proxy,
        MusicAPI(KEY, base_url=proxy.base_url, timeout=0.5, poll_interval=0.01) as client,
    ):
        songs = await client.sonic.task(task.id).wait(20)
        assert [song.state for song in songs] == ["succeeded", "succeeded"]


async def test_fault_plan_with_the_same_seed_is_the_same() -> None:
    def faults(seed: int) -> list[Fault | None]:
        plan = FaultPlan(seed=seed, paid=0.5, polls=0.5)
        return [plan.of_request("POST", "/", b"song %d" % (number % 20))[0] for number in range(200)]

    assert faults(1) == faults(1)
    assert faults(1) != faults(2)
    assert len(set(faults(1))) > 10


async def test_proxy_that_is_down_refuses_connections(sandbox: Sandbox) -> None:
    async with (
        FaultProxy(port_of(sandbox), FaultPlan(seed=0, paid=0, polls=0)) as proxy,
        MusicAPI(KEY, base_url=proxy.base_url, max_attempts=1) as client,
    ):
        async with proxy.down():
            with pytest.raises(errors.ConnectionFailedError):
                await client.sonic.describe(description="song 1")
        assert await client.sonic.describe(description="song 2")
        assert len(sandbox.tasks) == 1
