"""Connections that are never made, and clients closed while requests wait: always a typed error."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from scripted import Scripted, respond, scripted, stall

from musicapi_async import MusicAPI, errors, sonic

BALANCE = respond(200, {"credits": 50})


async def received(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Listen without ever accepting, the queue full: connecting never completes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port
        for one in waiting:
            one.close()


@pytest.mark.parametrize("times", [{"connect_timeout": 0.1}, {"timeout": 0.1}], ids=["connect_timeout", "timeout"])
async def test_submit_to_a_host_that_never_accepts_was_not_accepted(deaf_port: int, times: dict[str, float]) -> None:
    async with MusicAPI("k", base_url=f"http://127.0.0.1:{deaf_port}", max_attempts=1, **times) as client:  # type: ignore[arg-type]
        with pytest.raises(errors.ConnectionFailedError, match="nothing was accepted"):
            await client.sonic.describe(description="rain")


async def test_submit_to_an_unknown_host_was_not_accepted() -> None:
    async with MusicAPI("k", base_url="http://no-such-host.invalid", max_attempts=1) as client:
        with pytest.raises(errors.ConnectionFailedError, match="no-such-host.invalid"):
            await client.sonic.describe(description="rain")


async def test_submit_to_a_server_without_tls_was_not_accepted() -> None:
    async with scripted(BALANCE) as server:
        address = f"https://127.0.0.1:{server.port}"
        async with MusicAPI("k", base_url=address, max_attempts=1, connect_timeout=0.2) as client:
            with pytest.raises(errors.ConnectionFailedError):
                await client.sonic.describe(description="rain")

        assert server.received == []


async def test_close_with_queued_requests_raises_client_closed_in_each() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, max_requests=1)
        polls = [asyncio.create_task(client.sonic.task(f"t-{number}").poll()) for number in range(3)]
        await received(server, 1)
        await client.aclose()

        raised = await asyncio.gather(*polls, return_exceptions=True)

        assert len(server.received) == 1
    assert [type(one) for one in raised] == [errors.ClientClosedError] * 3


async def test_close_with_an_unanswered_submission_makes_it_uncertain() -> None:
    """The service has it and stays silent: closing does not wait for ever, and does not call it refused."""
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.2)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await received(server, 1)
        await client.aclose()

        with pytest.raises(errors.UncertainSubmissionError):
            await submitting
        assert len(server.received) == 1


async def test_close_in_progress_refuses_new_requests() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.2)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await received(server, 1)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)

        with pytest.raises(errors.ClientClosedError):
            await client.submit(sonic.Describe(description="snow"))
        assert not closing.done()
        await asyncio.gather(submitting, closing, return_exceptions=True)
        assert len(server.received) == 1


async def test_close_during_retry_after_sends_nothing_more() -> None:
    later = respond(429, {"error": "slow down"}, {"Retry-After": "1"})
    async with scripted(later, respond(200, {"task_id": "t-1"})) as server:
        client = MusicAPI("k", base_url=server.base_url)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await received(server, 1)
        await client.aclose()

        with pytest.raises((errors.ClientClosedError, errors.RateLimitError)):
            await submitting
        assert len(server.received) == 1


async def test_submission_cancelled_in_the_queue_is_not_uncertain(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(stall()) as server:
        async with MusicAPI("k", base_url=server.base_url, max_requests=1) as client:
            polling = asyncio.create_task(client.sonic.task("t-1").poll())
            await received(server, 1)
            submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
            await asyncio.sleep(0)
            for task in (submitting, polling):
                task.cancel()
            await asyncio.gather(submitting, polling, return_exceptions=True)

        assert len(server.received) == 1
    assert "may have been accepted" not in caplog.text


async def test_close_called_concurrently_closes_once() -> None:
    async with scripted(BALANCE) as server:
        client = MusicAPI("k", base_url=server.base_url)
        await client.account.credits()
        await asyncio.gather(*(client.aclose() for _ in range(5)))

        with pytest.raises(errors.ClientClosedError, match="Make a new client"):
            await client.submit(sonic.Describe(description="rain"))
        assert len(server.received) == 1


async def test_close_that_is_cancelled_still_closes() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.5)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await received(server, 1)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)

        with pytest.raises(errors.UncertainSubmissionError):
            await submitting
        with pytest.raises(errors.ClientClosedError):
            await client.account.credits()
    assert closing.cancelled()


async def test_close_of_an_unused_client_works() -> None:
    async with MusicAPI("k", base_url="http://127.0.0.1:9"):
        pass


async def test_exception_in_the_client_block_is_raised() -> None:
    async def fail(server: Scripted) -> None:
        async with MusicAPI("k", base_url=server.base_url) as client:
            await client.account.credits()
            raise ZeroDivisionError

    async with scripted(BALANCE) as server:
        with pytest.raises(ZeroDivisionError):
            await fail(server)


@pytest.mark.parametrize("closes_first", [True, False])
async def test_call_cancelled_during_close_raises_cancelled_error(closes_first: bool) -> None:  # noqa: FBT001
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url)
        calling = asyncio.create_task(client.account.credits())
        while not server.received:
            await asyncio.sleep(0)
        closing = asyncio.create_task(client.aclose())
        if closes_first:
            await asyncio.sleep(0)
        calling.cancel()
        await closing

        with pytest.raises(asyncio.CancelledError):
            await calling


async def test_call_in_a_cancelled_task_is_ended_by_close() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url)

        async def clean_up() -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await client.account.credits()

        cleaning = asyncio.create_task(clean_up())
        await asyncio.sleep(0)
        cleaning.cancel()
        while not server.received:
            await asyncio.sleep(0)
        await client.aclose()

        with pytest.raises(errors.ClientClosedError):
            await cleaning
