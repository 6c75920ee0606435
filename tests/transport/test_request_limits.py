"""Limits of requests: timeouts of one attempt and of all, attempts, the retry budget, requests in flight."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from clock import Clock
from scripted import Scripted, Step, cut, raw, respond, scripted, stall

from musicapi_async import MusicAPI, errors, sonic

BALANCE = respond(200, {"credits": 50})
TROUBLE = respond(500, {"error": "Internal Server Error."})
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


async def test_submit_on_an_unanswered_connection_was_not_accepted(unanswering: int) -> None:
    url = f"http://127.0.0.1:{unanswering}"
    async with MusicAPI("k", base_url=url, connect_timeout=0.1, max_attempts=2) as client:
        with pytest.raises(errors.ConnectionFailedError, match="could not connect to 127.0.0.1: no response in time"):
            await client.submit(REQUEST)


async def test_timeout_applies_while_connecting(unanswering: int) -> None:
    url = f"http://127.0.0.1:{unanswering}"
    async with MusicAPI("k", base_url=url, timeout=0.1, max_attempts=1) as client:
        with pytest.raises(errors.ConnectionFailedError, match="could not connect"):
            await client.submit(REQUEST)


@pytest.mark.parametrize("step", [stall(), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", close=False)])
async def test_read_timeout_of_a_silent_server_makes_a_submission_uncertain(step: Step) -> None:
    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url, read_timeout=0.1) as client:
        with pytest.raises(errors.UncertainSubmissionError, match="no response in time"):
            await client.submit(REQUEST)

        assert len(server.received) == 1


async def test_timeout_of_an_upload_is_at_least_two_minutes(clock: Clock) -> None:
    async def after_100_seconds(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(100)
        return await respond(200, {"clip_id": "c-1"})(writer)

    limits = {"timeout": 5.0, "read_timeout": 5.0}
    async with scripted(after_100_seconds) as server, client_of(server, **limits) as client:
        uploading = asyncio.create_task(client.sonic.upload(url="https://files.example/a.mp3"))
        await clock.run(1, uploading)

        assert uploading.result().clip_id == "c-1"


@pytest.mark.parametrize("limit", ["timeout", "read_timeout"])
async def test_view_with_a_timeout_uses_its_own(limit: str) -> None:
    async with scripted(stall(), BALANCE) as server, MusicAPI("k", base_url=server.base_url) as client:
        hasty = client.with_options(**{limit: 0.05}, max_attempts=1)  # type: ignore[arg-type]  # a number by name
        with pytest.raises(errors.ConnectionFailedError, match="no response in time"):
            await hasty.account.credits()

        assert (await client.account.credits()).credits == 50


async def test_read_after_the_total_timeout_is_not_retried(clock: Clock) -> None:
    async with scripted(TROUBLE) as server:
        async with MusicAPI("k", base_url=server.base_url, max_attempts=1000, total_timeout=60) as client:
            began = asyncio.get_running_loop().time()
            pending = asyncio.create_task(client.account.credits())
            await clock.run(0.5, pending)
            with pytest.raises(errors.ServerError):
                await pending

            assert asyncio.get_running_loop().time() - began < 62
        # Full jitter up to 8 s: some 15 attempts in a minute, never a thousand.
        assert 5 < len(server.received) < 60


async def test_total_timeout_excludes_the_rate_limit_queue(clock: Clock) -> None:
    refused = respond(429, {"error": "slow down"}, {"Retry-After": "0"})
    async with scripted(refused, respond(200, {"task_id": "t-1"})) as server:
        limits = {"create_rate": 0.01, "total_timeout": 30.0}
        async with client_of(server, timeout=3600.0, **limits) as client:
            creating = asyncio.create_task(client.submit(REQUEST))
            await clock.run(2, creating)

            assert creating.result().id == "t-1"
        assert len(server.received) == 2


@pytest.mark.parametrize("step", [TROUBLE, respond(503, b"unavailable")])
async def test_retry_budget_limits_retries_of_a_failing_service(step: Step, clock: Clock) -> None:
    async with scripted(step) as server:
        async with MusicAPI("k", base_url=server.base_url, timeout=3600) as client:
            pending = asyncio.gather(*(client.account.credits() for _ in range(300)), return_exceptions=True)
            await clock.run(0.5, pending)

            assert {type(error) for error in pending.result()} == {errors.ServerError}
        # Four attempts each would have been 1,200.
        assert len(server.received) == 300 + 50


async def test_retry_budget_refills_when_the_service_recovers(clock: Clock) -> None:
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


async def test_retry_budget_is_not_spent_by_a_429(clock: Clock) -> None:
    refused = respond(429, {"error": "slow down"}, {"Retry-After": "0"})
    async with scripted(refused) as server:
        async with MusicAPI("k", base_url=server.base_url, timeout=3600, create_rate=1000, max_attempts=2) as client:
            creating = asyncio.gather(*(client.submit(REQUEST) for _ in range(100)), return_exceptions=True)
            await clock.run(0.1, creating)

        assert len(server.received) == 200


async def test_unanswered_submissions_leave_a_slot_for_polls() -> None:
    running = respond(200, {"data": [{"clip_id": "c", "state": "running"}]})

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


async def test_submit_with_max_attempts_one_is_sent_once() -> None:
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        with pytest.raises(errors.UncertainSubmissionError):
            await client.submit(REQUEST)

        assert len(server.received) == 1


async def test_concurrent_requests_each_end_at_their_own_timeout(clock: Clock) -> None:
    limits = (40.0, 10.0, 30.0, 20.0)
    ended: list[float] = []

    async def read(client: MusicAPI, limit: float) -> None:
        with pytest.raises(errors.ConnectionFailedError, match="no response in time"):
            await client.with_options(timeout=limit).account.credits()
        ended.append(limit)

    async with scripted(stall()) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        began = asyncio.get_running_loop().time()
        reading = asyncio.gather(*(read(client, limit) for limit in limits))
        await clock.run(1, reading)

        assert ended == sorted(limits)
        assert 40 <= asyncio.get_running_loop().time() - began < 50


async def test_timeout_after_idle_hours_still_applies(clock: Clock) -> None:
    steps = (BALANCE, stall())
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        await client.account.credits()
        clock.ahead += 7200
        pending = asyncio.create_task(client.account.credits())
        await clock.run(1, pending)

        with pytest.raises(errors.ConnectionFailedError, match="no response in time"):
            await pending


async def test_request_cancelled_at_its_timeout_raises_cancelled_error(clock: Clock) -> None:
    async with scripted(stall()) as server, MusicAPI("k", base_url=server.base_url, timeout=60) as client:

        async def ask_for_a_minute() -> None:
            async with asyncio.timeout(60):
                await client.account.credits()

        pending = asyncio.gather(*(ask_for_a_minute() for _ in range(3)), return_exceptions=True)
        while len(server.received) < 3:
            await asyncio.sleep(0)
        cancelled = asyncio.create_task(client.account.credits())
        while len(server.received) < 4:
            await asyncio.sleep(0)
        clock.ahead += 60
        cancelled.cancel()
        await clock.run(1, pending)

        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert {type(error) for error in pending.result()} == {TimeoutError}
        assert cancelled.cancelled()


async def test_request_in_a_cancelled_task_can_be_repeated() -> None:
    """A task cancelled during a request can catch that and send another."""
    async with scripted(stall(), BALANCE) as server, MusicAPI("k", base_url=server.base_url) as client:

        async def insist() -> float:
            try:
                await client.account.credits()
            except asyncio.CancelledError:
                asyncio.current_task().uncancel()  # type: ignore[union-attr]  # it runs in one
            return (await client.account.credits()).credits

        pending = asyncio.create_task(insist())
        while not server.received:
            await asyncio.sleep(0)
        pending.cancel()

        assert await pending == 50
