"""Connections that never come about, and clients closed while requests stand in line: always our own error."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from scripted import Scripted, reply, scripted, stall

from musicapi_async import MusicAPI, errors, sonic

BALANCE = reply(200, {"credits": 50})


async def seen(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Listen without ever accepting, the queue full: whoever connects waits."""
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
async def test_a_host_that_does_not_take_the_connection_has_accepted_nothing(
    deaf_port: int, times: dict[str, float]
) -> None:
    async with MusicAPI("k", base_url=f"http://127.0.0.1:{deaf_port}", max_attempts=1, **times) as client:  # type: ignore[arg-type]
        with pytest.raises(errors.ConnectionFailedError, match="nothing was accepted"):
            await client.sonic.describe(description="rain")


async def test_a_name_that_does_not_exist_has_accepted_nothing() -> None:
    async with MusicAPI("k", base_url="http://no-such-host.invalid", max_attempts=1) as client:
        with pytest.raises(errors.ConnectionFailedError, match="no-such-host.invalid"):
            await client.sonic.describe(description="rain")


async def test_a_server_that_speaks_no_tls_has_accepted_nothing() -> None:
    async with scripted(BALANCE) as server:
        address = f"https://127.0.0.1:{server.port}"
        async with MusicAPI("k", base_url=address, max_attempts=1, connect_timeout=0.2) as client:
            with pytest.raises(errors.ConnectionFailedError):
                await client.sonic.describe(description="rain")

        assert server.received == []


async def test_a_request_that_stands_in_line_when_the_client_is_closed_is_told_so() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, max_requests=1)
        looks = [asyncio.create_task(client.sonic.task(f"t-{number}").poll()) for number in range(3)]
        await seen(server, 1)
        await client.aclose()

        told = await asyncio.gather(*looks, return_exceptions=True)

        assert len(server.received) == 1
    assert [type(one) for one in told] == [errors.ClientClosedError] * 3


async def test_a_paid_request_that_gets_no_answer_while_closing_is_uncertain() -> None:
    """The service has it and stays silent: closing does not wait for ever, and does not call it refused."""
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.2)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await seen(server, 1)
        await client.aclose()

        with pytest.raises(errors.UncertainSubmissionError):
            await submitting
        assert len(server.received) == 1


async def test_nothing_new_is_sent_while_a_client_closes() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.2)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await seen(server, 1)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)

        with pytest.raises(errors.ClientClosedError):
            await client.submit(sonic.Describe(description="snow"))
        assert not closing.done()
        await asyncio.gather(submitting, closing, return_exceptions=True)
        assert len(server.received) == 1


async def test_what_was_told_to_come_back_later_is_not_sent_by_a_client_that_closes() -> None:
    later = reply(429, {"error": "slow down"}, {"Retry-After": "1"})
    async with scripted(later, reply(200, {"task_id": "t-1"})) as server:
        client = MusicAPI("k", base_url=server.base_url)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await seen(server, 1)
        await client.aclose()

        with pytest.raises((errors.ClientClosedError, errors.RateLimitError)):
            await submitting
        assert len(server.received) == 1


async def test_what_was_cancelled_in_line_is_not_said_to_be_uncertain(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(stall()) as server:
        async with MusicAPI("k", base_url=server.base_url, max_requests=1) as client:
            looking = asyncio.create_task(client.sonic.task("t-1").poll())
            await seen(server, 1)
            submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
            await asyncio.sleep(0)
            for task in (submitting, looking):
                task.cancel()
            await asyncio.gather(submitting, looking, return_exceptions=True)

        assert len(server.received) == 1
    assert "may have been accepted" not in caplog.text


async def test_closing_while_closing_is_fine() -> None:
    async with scripted(BALANCE) as server:
        client = MusicAPI("k", base_url=server.base_url)
        await client.account.credits()
        await asyncio.gather(*(client.aclose() for _ in range(5)))

        with pytest.raises(errors.ClientClosedError, match="make a new one"):
            await client.submit(sonic.Describe(description="rain"))
        assert len(server.received) == 1


async def test_a_close_that_is_cancelled_has_closed_nevertheless() -> None:
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.5)
        submitting = asyncio.create_task(client.submit(sonic.Describe(description="rain")))
        await seen(server, 1)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)

        with pytest.raises(errors.UncertainSubmissionError):
            await submitting
        with pytest.raises(errors.ClientClosedError):
            await client.account.credits()
    assert closing.cancelled()


async def test_a_client_that_was_never_used_closes_too() -> None:
    async with MusicAPI("k", base_url="http://127.0.0.1:9"):
        pass


async def test_an_error_inside_the_block_is_the_one_that_comes_out() -> None:
    async def fail(server: Scripted) -> None:
        async with MusicAPI("k", base_url=server.base_url) as client:
            await client.account.credits()
            raise ZeroDivisionError

    async with scripted(BALANCE) as server:
        with pytest.raises(ZeroDivisionError):
            await fail(server)


@pytest.mark.parametrize("closes_first", [True, False])
async def test_who_cancels_a_call_in_the_moment_of_the_closing_sees_it_cancelled(closes_first: bool) -> None:  # noqa: FBT001
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


async def test_a_call_in_a_cancelled_task_is_still_ended_by_the_closing() -> None:
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
