"""How long and how often is tried: limits for each try, for all of them, and for a client as a whole."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from clock import Clock
from scripted import Scripted, Step, cut, raw, reply, scripted, stall

from musicapi_async import MusicAPI, errors, sonic

BALANCE = reply(200, {"credits": 50})
TROUBLE = reply(500, {"error": "Internal Server Error."})
REQUEST = sonic.Describe(description="rain")


def client_of(server: Scripted, **settings: float) -> MusicAPI:
    return MusicAPI("k", base_url=server.base_url, **settings)  # type: ignore[arg-type]  # numbers by name


@pytest.fixture
def unanswering() -> Iterator[int]:
    """Listen on a port whose queue of connections is full: one more gets no answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


async def test_a_connection_that_is_not_answered_was_never_paid_for(unanswering: int) -> None:
    url = f"http://127.0.0.1:{unanswering}"
    async with MusicAPI("k", base_url=url, connect_timeout=0.1, max_attempts=2) as client:
        with pytest.raises(errors.ConnectionFailedError, match="could not connect to 127.0.0.1: no response in time"):
            await client.submit(REQUEST)


async def test_the_limit_of_a_try_holds_while_connecting_too(unanswering: int) -> None:
    url = f"http://127.0.0.1:{unanswering}"
    async with MusicAPI("k", base_url=url, timeout=0.1, max_attempts=1) as client:
        with pytest.raises(errors.ConnectionFailedError, match="could not connect"):
            await client.submit(REQUEST)


@pytest.mark.parametrize("step", [stall(), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", close=False)])
async def test_a_silence_ends_a_try(step: Step) -> None:
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url, read_timeout=0.1) as client:
        with pytest.raises(errors.UncertainSubmissionError, match="no response in time"):
            await client.submit(REQUEST)

        assert len(server.received) == 1


async def test_an_upload_gets_two_minutes(clock: Clock) -> None:
    async def after_100_seconds(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(100)
        return await reply(200, {"clip_id": "c-1"})(writer)

    limits = {"timeout": 5.0, "read_timeout": 5.0}
    async with scripted(after_100_seconds) as server, client_of(server, **limits) as client:
        uploading = asyncio.create_task(client.sonic.upload(url="https://files.example/a.mp3"))
        await clock.run(1, uploading)

        assert uploading.result().clip_id == "c-1"


@pytest.mark.parametrize("limit", ["timeout", "read_timeout"])
async def test_a_view_has_limits_of_its_own(limit: str) -> None:
    async with scripted(stall(), BALANCE) as server, MusicAPI("k", base_url=server.base_url) as client:
        hasty = client.with_options(**{limit: 0.05}, max_attempts=1)  # type: ignore[arg-type]  # a number by name
        with pytest.raises(errors.ConnectionFailedError, match="no response in time"):
            await hasty.account.credits()

        assert (await client.account.credits()).credits == 50


async def test_no_try_begins_after_the_total_time(clock: Clock) -> None:
    async with scripted(TROUBLE) as server:
        async with MusicAPI("k", base_url=server.base_url, max_attempts=1000, total_timeout=60) as client:
            began = asyncio.get_running_loop().time()
            asking = asyncio.create_task(client.account.credits())
            await clock.run(0.5, asking)
            with pytest.raises(errors.ServerError):
                await asking

            assert asyncio.get_running_loop().time() - began < 62
        # Full jitter up to 8 s: some 15 tries in a minute, never a thousand.
        assert 5 < len(server.received) < 60


async def test_waiting_in_line_is_not_counted_as_trying(clock: Clock) -> None:
    refused = reply(429, {"error": "slow down"}, {"Retry-After": "0"})
    async with scripted(refused, reply(200, {"task_id": "t-1"})) as server:
        limits = {"create_rate": 0.01, "total_timeout": 30.0}
        async with client_of(server, timeout=3600.0, **limits) as client:
            creating = asyncio.create_task(client.submit(REQUEST))
            await clock.run(2, creating)

            assert creating.result().id == "t-1"
        assert len(server.received) == 2


@pytest.mark.parametrize("step", [TROUBLE, reply(503, b"unavailable")])
async def test_a_service_that_is_down_gets_little_more_than_what_it_is_asked_once(step: Step, clock: Clock) -> None:
    async with scripted(step) as server:
        async with MusicAPI("k", base_url=server.base_url, timeout=3600) as client:
            asking = asyncio.gather(*(client.account.credits() for _ in range(300)), return_exceptions=True)
            await clock.run(0.5, asking)

            assert {type(error) for error in asking.result()} == {errors.ServerError}
        # Four tries each would have been 1,200.
        assert len(server.received) == 300 + 50


async def test_a_service_that_is_back_is_trusted_again(clock: Clock) -> None:
    steps = [*[TROUBLE] * 204, *[BALANCE] * 100, TROUBLE, BALANCE]
    async with scripted(*steps) as server, client_of(server, timeout=3600.0) as client:
        down = asyncio.gather(*(client.account.credits() for _ in range(154)), return_exceptions=True)
        await clock.run(0.5, down)
        assert len(server.received) == 204
        for _ in range(100):
            await client.account.credits()
        again = asyncio.create_task(client.account.credits())
        await clock.run(0.5, again)

        assert again.result().credits == 50


async def test_a_429_costs_nothing_of_the_budget(clock: Clock) -> None:
    refused = reply(429, {"error": "slow down"}, {"Retry-After": "0"})
    async with scripted(refused) as server:
        async with MusicAPI("k", base_url=server.base_url, timeout=3600, create_rate=1000, max_attempts=2) as client:
            creating = asyncio.gather(*(client.submit(REQUEST) for _ in range(100)), return_exceptions=True)
            await clock.run(0.1, creating)

        assert len(server.received) == 200


async def test_paid_requests_leave_slots_to_looks() -> None:
    running = reply(200, {"data": [{"clip_id": "c", "state": "running"}]})

    async def step(writer: asyncio.StreamWriter) -> bool:
        if server.received[-1].method == "POST":
            return await stall()(writer)
        return await running(writer)

    async with scripted(step) as server:
        client = MusicAPI("k", base_url=server.base_url, max_requests=4, timeout=0.5)
        creating = [asyncio.create_task(client.submit(REQUEST)) for _ in range(20)]
        while len(server.received) < 3:
            await asyncio.sleep(0)
        state = await client.sonic.task("t-1").poll()
        for one in creating:
            one.cancel()
        await asyncio.gather(*creating, return_exceptions=True)
        await client.aclose()

    assert state.status == "running"
    assert [request.method for request in server.received[:4]] == ["POST"] * 3 + ["GET"]


async def test_a_dead_service_is_given_up_at_once_when_only_one_try_is_wanted() -> None:
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        with pytest.raises(errors.UncertainSubmissionError):
            await client.submit(REQUEST)

        assert len(server.received) == 1


async def test_each_request_has_its_own_limit(clock: Clock) -> None:
    limits = (40.0, 10.0, 30.0, 20.0)
    ended: list[float] = []

    async def look(client: MusicAPI, limit: float) -> None:
        with pytest.raises(errors.ConnectionFailedError, match="no response in time"):
            await client.with_options(timeout=limit).account.credits()
        ended.append(limit)

    async with scripted(stall()) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        began = asyncio.get_running_loop().time()
        looking = asyncio.gather(*(look(client, limit) for limit in limits))
        await clock.run(1, looking)

        assert ended == sorted(limits)
        assert 40 <= asyncio.get_running_loop().time() - began < 50


async def test_a_request_after_quiet_hours_has_its_limit_too(clock: Clock) -> None:
    steps = (BALANCE, stall())
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        await client.account.credits()
        clock.ahead += 7200
        asking = asyncio.create_task(client.account.credits())
        await clock.run(1, asking)

        with pytest.raises(errors.ConnectionFailedError, match="no response in time"):
            await asking


async def test_who_cancels_at_the_limit_is_not_taken_for_it(clock: Clock) -> None:
    async with scripted(stall()) as server, MusicAPI("k", base_url=server.base_url, timeout=60) as client:

        async def ask_for_a_minute() -> None:
            async with asyncio.timeout(60):
                await client.account.credits()

        asking = asyncio.gather(*(ask_for_a_minute() for _ in range(3)), return_exceptions=True)
        while len(server.received) < 3:
            await asyncio.sleep(0)
        cancelled = asyncio.create_task(client.account.credits())
        while len(server.received) < 4:
            await asyncio.sleep(0)
        clock.ahead += 60
        cancelled.cancel()
        await clock.run(1, asking)

        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert {type(error) for error in asking.result()} == {TimeoutError}
        assert cancelled.cancelled()


async def test_a_limit_in_a_cancelled_task_leaves_nothing_behind() -> None:
    """What was cancelled while it asked can go on and ask again."""
    async with scripted(stall(), BALANCE) as server, MusicAPI("k", base_url=server.base_url) as client:

        async def insist() -> float:
            try:
                await client.account.credits()
            except asyncio.CancelledError:
                asyncio.current_task().uncancel()  # type: ignore[union-attr]  # it runs in one
            return (await client.account.credits()).credits

        asking = asyncio.create_task(insist())
        while not server.received:
            await asyncio.sleep(0)
        asking.cancel()

        assert await asking == 50
