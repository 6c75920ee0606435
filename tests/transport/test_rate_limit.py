"""The rate limit of submissions: after a 429 all of them wait, and are then sent one at a time."""

import asyncio
import itertools
import json
from collections.abc import Callable

import attrs
import pytest
from clock import Clock
from scripted import Scripted, Step, respond, scripted, stall

from musicapi_async import MusicAPI, errors, sonic

RUNNING = respond(200, {"data": [{"clip_id": "c", "state": "running"}]})


@attrs.define
class Limited:
    """A service that accepts one create in so many seconds and answers the others with a 429."""

    interval: float
    retry_after: str | None = None
    free_at: float = 0.0
    accepted_at: list[float] = attrs.field(factory=list)
    refused_at: list[float] = attrs.field(factory=list)
    polled_at: list[float] = attrs.field(factory=list)

    def steps(self, server: Callable[[], Scripted]) -> Step:
        async def step(writer: asyncio.StreamWriter) -> bool:
            now = asyncio.get_running_loop().time()
            request = server().received[-1]
            if request.method == "GET":
                self.polled_at.append(now)
                return await RUNNING(writer)
            if now < self.free_at:
                self.refused_at.append(now)
                headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
                return await respond(429, {"error": "Too many requests"}, headers)(writer)
            self.free_at = now + self.interval
            self.accepted_at.append(now)
            return await respond(200, {"task_id": json.loads(request.body)["gpt_description_prompt"]})(writer)

        return step


def requests(count: int) -> list[sonic.Describe]:
    return [sonic.Describe(description=f"t-{number}") for number in range(count)]


async def create_all(client: MusicAPI, clock: Clock, count: int, step: float) -> list[str]:
    creating = asyncio.gather(*map(client.submit, requests(count)))
    await clock.run(step, creating)
    return [task.id for task in creating.result()]


def intervals(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


async def limited(service: Limited, clock: Clock, count: int, *, step: float = 0.25, rate: float | None = None) -> int:
    """Create songs at a limited service; return how many requests it took."""
    script: list[Scripted] = []
    async with scripted(service.steps(lambda: script[0])) as server:
        script.append(server)
        async with MusicAPI("k", base_url=server.base_url, timeout=3600, create_rate=rate) as client:
            assert sorted(await create_all(client, clock, count, step)) == sorted(f"t-{n}" for n in range(count))
        return len(server.received)


async def test_submissions_before_a_429_are_not_delayed(clock: Clock) -> None:
    service = Limited(interval=0.0)

    assert await limited(service, clock, 30) == 30
    assert service.accepted_at[-1] - service.accepted_at[0] < 3


async def test_submissions_after_a_429_are_sent_one_at_a_time(clock: Clock) -> None:
    service = Limited(interval=2.9)

    sent = await limited(service, clock, 30)

    assert len(service.accepted_at) == 30
    # Each of the first burst is refused once, some of them twice; none is refused again and again.
    assert sent <= 30 + 29 + 6
    assert min(intervals(service.accepted_at)) >= 2.9


async def test_submission_made_after_a_429_waits_for_retry_after(clock: Clock) -> None:
    refused = respond(429, {"error": "slow down"}, {"Retry-After": "60"})
    async with scripted(refused, respond(200, {"task_id": "t-1"})) as server:
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


async def test_submissions_queued_before_a_429_wait_for_retry_after(clock: Clock) -> None:
    service = Limited(interval=0.0, retry_after="50")
    service.free_at = asyncio.get_running_loop().time() + 0.5

    await limited(service, clock, 4, step=0.05, rate=1.0)

    assert len(service.refused_at) == 1
    assert min(service.accepted_at) - service.refused_at[0] >= 50


async def test_submissions_after_many_429s_are_spread(clock: Clock) -> None:
    service = Limited(interval=0.0, retry_after="30")
    service.free_at = asyncio.get_running_loop().time() + 20

    await limited(service, clock, 40)

    assert len(service.refused_at) == 40
    assert min(service.accepted_at) - max(service.refused_at) >= 29
    # In order, at the documented rate; later a little faster.
    assert min(intervals(service.accepted_at)[:9]) >= 2.7
    assert sum(intervals(service.accepted_at)[:9]) <= 9 * 3.6


async def test_submission_rate_rises_slowly_without_further_429s(clock: Clock) -> None:
    service = Limited(interval=0.0)
    service.free_at = asyncio.get_running_loop().time() + 1

    await limited(service, clock, 60, step=0.1)

    spaces = intervals(service.accepted_at)
    assert sum(spaces[:9]) > 9 * 2.9
    assert sum(spaces[-9:]) < 9 * 2.2
    assert min(spaces) > 1


async def test_create_rate_applies_from_the_first_submission(clock: Clock) -> None:
    service = Limited(interval=0.0)

    await limited(service, clock, 8, step=0.05, rate=2.0)

    assert min(intervals(service.accepted_at)) >= 0.4
    # The first may be on its way for some milliseconds longer than the last.
    assert service.accepted_at[-1] - service.accepted_at[0] >= 7 * 0.5 - 0.05


async def test_polls_continue_while_submissions_wait(clock: Clock) -> None:
    service = Limited(interval=0.0, retry_after="100")
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

    polls = [at for at in service.polled_at if at - began < 100]
    # Those that were on their way when the first was refused; the others had a turn, and gave it back.
    assert len(service.refused_at) == 3
    assert len(polls) >= 18
    assert max(intervals(polls)) < 7


async def test_submission_cancelled_in_the_queue_is_not_sent_and_delays_no_other(clock: Clock) -> None:
    service = Limited(interval=0.0)
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
    assert intervals(service.accepted_at) == pytest.approx([10, 10], abs=1)


async def test_close_ends_queued_submissions() -> None:
    async with scripted(respond(200, {"task_id": "t-1"})) as server:
        client = MusicAPI("k", base_url=server.base_url, create_rate=0.001)
        creating = [asyncio.create_task(client.submit(request)) for request in requests(3)]
        await creating[0]
        await client.aclose()
        ended = await asyncio.gather(*creating[1:], return_exceptions=True)

        assert [type(end) for end in ended] == [errors.ClientClosedError] * 2
        assert len(server.received) == 1


async def test_close_ends_a_submission_waiting_for_a_retry() -> None:
    refused = respond(429, {"error": "slow down"}, {"Retry-After": "100"})
    async with scripted(refused) as server:
        client = MusicAPI("k", base_url=server.base_url)
        creating = asyncio.create_task(client.submit(requests(1)[0]))
        while not server.received:
            await asyncio.sleep(0)
        await client.aclose()

        with pytest.raises(errors.ClientClosedError):
            await creating


async def test_submissions_waiting_for_a_slot_at_a_429_wait_for_retry_after(clock: Clock) -> None:
    """Polls fill the slots; submissions queued behind them at a 429 are held back."""
    refused = respond(429, {"error": "slow down"}, {"Retry-After": "100"})
    may_answer = asyncio.Event()

    async def step(writer: asyncio.StreamWriter) -> bool:
        if server.received[-1].method == "POST":
            first = not posted
            posted.append(asyncio.get_running_loop().time())
            return await (refused if first else respond(200, {"task_id": "t"}))(writer)
        await may_answer.wait()
        return await RUNNING(writer)

    posted: list[float] = []
    limits = {"timeout": 3600.0, "max_requests": 4}
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url, **limits) as client:  # type: ignore[arg-type]  # numbers by name
        first = asyncio.create_task(client.submit(requests(1)[0]))
        polling = [asyncio.create_task(client.sonic.task(f"t-{number}").poll()) for number in range(4)]
        # A poll starts in its own task, and still gets a slot before the requests behind it.
        for _ in range(3):
            await asyncio.sleep(0)
        others = [asyncio.create_task(client.submit(request)) for request in requests(2)]
        while not posted:
            await asyncio.sleep(0)
        may_answer.set()
        await asyncio.gather(*polling)
        creating = asyncio.gather(first, *others)
        await clock.run(1, creating)

    assert len(posted) == 4
    assert posted[1] - posted[0] >= 100


async def test_create_rate_holds_while_the_service_is_slow(clock: Clock) -> None:
    posted: list[float] = []

    async def step(writer: asyncio.StreamWriter) -> bool:
        posted.append(asyncio.get_running_loop().time())
        await asyncio.sleep(max(0.0, posted[0] + 20 - posted[-1]))
        return await respond(200, {"task_id": "t"})(writer)

    async with scripted(step) as server:
        limits = {"timeout": 3600.0, "create_rate": 2.0}
        async with MusicAPI("k", base_url=server.base_url, max_requests=8, **limits) as client:  # type: ignore[arg-type]  # numbers by name
            creating = asyncio.gather(*map(client.submit, requests(20)))
            await clock.run(0.05, creating)

    assert len(posted) == 20
    assert min(intervals(posted)) >= 0.3


@pytest.mark.parametrize("max_requests", [2, 3, 4, 9])
async def test_polls_keep_a_slot_while_submissions_are_unanswered(max_requests: int) -> None:
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
