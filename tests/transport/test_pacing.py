"""Paid requests stand in one line: one 429 makes all of them wait, and then they go out one at a time."""

import asyncio
import itertools
import json
from collections.abc import Callable

import attrs
import pytest
from clock import Clock
from scripted import Scripted, Step, reply, scripted, stall

from musicapi_async import MusicAPI, errors, sonic

RUNNING = reply(200, {"data": [{"clip_id": "c", "state": "running"}]})


@attrs.define
class Limited:
    """A service that accepts one create in so many seconds and answers the others with a 429."""

    gap: float
    retry_after: str | None = None
    free_at: float = 0.0
    accepted_at: list[float] = attrs.field(factory=list)
    refused_at: list[float] = attrs.field(factory=list)
    looked_at: list[float] = attrs.field(factory=list)

    def steps(self, server: Callable[[], Scripted]) -> Step:
        async def step(writer: asyncio.StreamWriter) -> bool:
            now = asyncio.get_running_loop().time()
            request = server().received[-1]
            if request.method == "GET":
                self.looked_at.append(now)
                return await RUNNING(writer)
            if now < self.free_at:
                self.refused_at.append(now)
                headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
                return await reply(429, {"error": "Too many requests"}, headers)(writer)
            self.free_at = now + self.gap
            self.accepted_at.append(now)
            return await reply(200, {"task_id": json.loads(request.body)["gpt_description_prompt"]})(writer)

        return step


def requests(count: int) -> list[sonic.Describe]:
    return [sonic.Describe(description=f"t-{number}") for number in range(count)]


async def create_all(client: MusicAPI, clock: Clock, count: int, step: float) -> list[str]:
    creating = asyncio.gather(*map(client.submit, requests(count)))
    await clock.run(step, creating)
    return [task.id for task in creating.result()]


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


async def limited(service: Limited, clock: Clock, count: int, *, step: float = 0.25, rate: float | None = None) -> int:
    """Create songs at a limited service; return how many requests it took."""
    script: list[Scripted] = []
    async with scripted(service.steps(lambda: script[0])) as server:
        script.append(server)
        async with MusicAPI("k", base_url=server.base_url, timeout=3600, create_rate=rate) as client:
            assert sorted(await create_all(client, clock, count, step)) == sorted(f"t-{n}" for n in range(count))
        return len(server.received)


async def test_nothing_is_held_back_before_the_first_429(clock: Clock) -> None:
    service = Limited(gap=0.0)

    assert await limited(service, clock, 30) == 30
    assert service.accepted_at[-1] - service.accepted_at[0] < 3


async def test_after_a_429_creates_go_out_one_at_a_time_and_nobody_gives_up(clock: Clock) -> None:
    service = Limited(gap=2.9)

    sent = await limited(service, clock, 30)

    assert len(service.accepted_at) == 30
    # Each of the first burst is refused once, some of them twice; nobody storms.
    assert sent <= 30 + 29 + 6
    assert min(gaps(service.accepted_at)) >= 2.9


async def test_a_429_makes_those_wait_who_come_later(clock: Clock) -> None:
    refused = reply(429, {"error": "slow down"}, {"Retry-After": "60"})
    async with scripted(refused, reply(200, {"task_id": "t-1"})) as server:
        async with MusicAPI("k", base_url=server.base_url, timeout=3600) as client:
            first = asyncio.create_task(client.submit(requests(1)[0]))
            while not server.received:
                await asyncio.sleep(0)
            began = asyncio.get_running_loop().time()
            await clock.run(1, asyncio.create_task(asyncio.sleep(5)))
            await clock.run(0.5, asyncio.create_task(client.submit(requests(1)[0])))
            later = asyncio.get_running_loop().time() - began
            await clock.run(0.5, first)

        assert len(server.received) == 3
    assert 60 <= later < 70


async def test_a_429_holds_back_those_who_already_stand_in_line(clock: Clock) -> None:
    service = Limited(gap=0.0, retry_after="50")
    service.free_at = asyncio.get_running_loop().time() + 0.5

    await limited(service, clock, 4, step=0.05, rate=1.0)

    assert len(service.refused_at) == 1
    assert min(service.accepted_at) - service.refused_at[0] >= 50


async def test_a_storm_does_not_wake_everyone_at_once(clock: Clock) -> None:
    service = Limited(gap=0.0, retry_after="30")
    service.free_at = asyncio.get_running_loop().time() + 20

    await limited(service, clock, 40)

    assert len(service.refused_at) == 40
    assert min(service.accepted_at) - max(service.refused_at) >= 29
    # In the order of a line, at the documented rate; later a little faster.
    assert min(gaps(service.accepted_at)[:9]) >= 2.7
    assert sum(gaps(service.accepted_at)[:9]) <= 9 * 3.6


async def test_the_pace_is_relaxed_slowly_while_all_goes_well(clock: Clock) -> None:
    service = Limited(gap=0.0)
    service.free_at = asyncio.get_running_loop().time() + 1

    await limited(service, clock, 60, step=0.1)

    spaces = gaps(service.accepted_at)
    assert sum(spaces[:9]) > 9 * 2.9
    assert sum(spaces[-9:]) < 9 * 2.2
    assert min(spaces) > 1


async def test_a_given_rate_is_kept_from_the_first_create_on(clock: Clock) -> None:
    service = Limited(gap=0.0)

    await limited(service, clock, 8, step=0.05, rate=2.0)

    assert min(gaps(service.accepted_at)) >= 0.4
    # The first may be on its way for some milliseconds longer than the last.
    assert service.accepted_at[-1] - service.accepted_at[0] >= 7 * 0.5 - 0.05


async def test_looks_go_on_while_creates_wait(clock: Clock) -> None:
    service = Limited(gap=0.0, retry_after="100")
    service.free_at = asyncio.get_running_loop().time() + 10
    script: list[Scripted] = []
    async with scripted(service.steps(lambda: script[0])) as server:
        script.append(server)
        async with MusicAPI("k", base_url=server.base_url, timeout=3600, max_requests=4, poll_interval=5) as client:
            waiting = asyncio.create_task(client.sonic.task("t-old").wait(timeout=None))
            began = asyncio.get_running_loop().time()
            await create_all(client, clock, 20, 0.25)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    looks = [at for at in service.looked_at if at - began < 100]
    # Those that were on their way when the first was refused; the others had a turn, and gave it back.
    assert len(service.refused_at) == 3
    assert len(looks) >= 18
    assert max(gaps(looks)) < 7


async def test_a_create_that_leaves_the_line_is_not_sent_and_holds_nobody_up(clock: Clock) -> None:
    service = Limited(gap=0.0)
    script: list[Scripted] = []
    async with scripted(service.steps(lambda: script[0])) as server:
        script.append(server)
        async with MusicAPI("k", base_url=server.base_url, timeout=3600, create_rate=0.1) as client:
            creating = [asyncio.create_task(client.submit(request)) for request in requests(4)]
            while not server.received:
                await asyncio.sleep(0)
            creating[1].cancel()
            await clock.run(0.5, asyncio.gather(*creating, return_exceptions=True))

            assert creating[1].cancelled()
            assert sorted(task.result().id for task in creating if not task.cancelled()) == ["t-0", "t-2", "t-3"]
        assert len(server.received) == 3
    assert gaps(service.accepted_at) == pytest.approx([10, 10], abs=1)


async def test_closing_ends_what_stands_in_line() -> None:
    async with scripted(reply(200, {"task_id": "t-1"})) as server:
        client = MusicAPI("k", base_url=server.base_url, create_rate=0.001)
        creating = [asyncio.create_task(client.submit(request)) for request in requests(3)]
        await creating[0]
        await client.aclose()
        ended = await asyncio.gather(*creating[1:], return_exceptions=True)

        assert [type(end) for end in ended] == [errors.ClientClosedError] * 2
        assert len(server.received) == 1


async def test_closing_ends_what_sleeps_before_a_repetition() -> None:
    refused = reply(429, {"error": "slow down"}, {"Retry-After": "100"})
    async with scripted(refused) as server:
        client = MusicAPI("k", base_url=server.base_url)
        creating = asyncio.create_task(client.submit(requests(1)[0]))
        while not server.received:
            await asyncio.sleep(0)
        await client.aclose()

        with pytest.raises(errors.ClientClosedError):
            await creating


async def test_a_429_holds_back_those_who_had_their_turn_and_waited_for_a_slot(clock: Clock) -> None:
    """Looks fill the slots; what waits behind them when the service says 429 is not sent all the same."""
    refused = reply(429, {"error": "slow down"}, {"Retry-After": "100"})
    may_answer = asyncio.Event()

    async def step(writer: asyncio.StreamWriter) -> bool:
        if server.received[-1].method == "POST":
            first = not posted
            posted.append(asyncio.get_running_loop().time())
            return await (refused if first else reply(200, {"task_id": "t"}))(writer)
        await may_answer.wait()
        return await RUNNING(writer)

    posted: list[float] = []
    limits = {"timeout": 3600.0, "max_requests": 4}
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url, **limits) as client:  # type: ignore[arg-type]  # numbers by name
        first = asyncio.create_task(client.submit(requests(1)[0]))
        looking = [asyncio.create_task(client.sonic.task(f"t-{number}").poll()) for number in range(4)]
        # A look begins in a task of its own: it comes to the slots before those behind it all the same.
        for _ in range(3):
            await asyncio.sleep(0)
        others = [asyncio.create_task(client.submit(request)) for request in requests(2)]
        while not posted:
            await asyncio.sleep(0)
        may_answer.set()
        await asyncio.gather(*looking)
        creating = asyncio.gather(first, *others)
        await clock.run(1, creating)

    assert len(posted) == 4
    assert posted[1] - posted[0] >= 100


async def test_a_rate_holds_also_when_the_service_is_slow_for_a_while(clock: Clock) -> None:
    posted: list[float] = []

    async def step(writer: asyncio.StreamWriter) -> bool:
        posted.append(asyncio.get_running_loop().time())
        await asyncio.sleep(max(0.0, posted[0] + 20 - posted[-1]))
        return await reply(200, {"task_id": "t"})(writer)

    async with scripted(step) as server:
        limits = {"timeout": 3600.0, "create_rate": 2.0}
        async with MusicAPI("k", base_url=server.base_url, max_requests=8, **limits) as client:  # type: ignore[arg-type]  # numbers by name
            creating = asyncio.gather(*map(client.submit, requests(20)))
            await clock.run(0.05, creating)

    assert len(posted) == 20
    assert min(gaps(posted)) >= 0.3


@pytest.mark.parametrize("max_requests", [2, 3, 4, 9])
async def test_a_slot_is_left_to_looks(max_requests: int) -> None:
    async def step(writer: asyncio.StreamWriter) -> bool:
        return await (stall() if server.received[-1].method == "POST" else RUNNING)(writer)

    async with scripted(step) as server:
        client = MusicAPI("k", base_url=server.base_url, max_requests=max_requests, timeout=0.5)
        creating = [asyncio.create_task(client.submit(request)) for request in requests(10)]
        for _ in range(20):
            await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            state = await client.sonic.task("t-1").poll()
        for one in creating:
            one.cancel()
        await asyncio.gather(*creating, return_exceptions=True)
        await client.aclose()

    assert state.status == "running"
