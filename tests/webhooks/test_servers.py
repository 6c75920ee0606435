"""Every adapter in its real server: the status that the service gets, and what the application is given."""

import asyncio
import gzip
import io
import logging
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import attrs
import pytest
from signing import SECRET, body_of, headers_of
from webhooks.servers import ADAPTERS, SERVERS, Served

from musicapi_async import webhooks
from musicapi_async._webhook_urls import attempt_url, new_reference, reference_of
from musicapi_async.webhooks import Event
from musicapi_async.webhooks.responses import ResponseStatus
from musicapi_async.webhooks.verification import Headers

BODY: Final = body_of(title="Für Elise")
MIB: Final = 1024 * 1024

each_server = pytest.mark.parametrize("server", SERVERS)
each_adapter = pytest.mark.parametrize("server", ADAPTERS)


@attrs.define
class Application:
    """Keeps verified events, as a client does."""

    kept: list[tuple[Event, str | None]] = attrs.field(factory=list)
    begun: asyncio.Event = attrs.field(factory=asyncio.Event)
    may_end: asyncio.Event | None = None
    ended: asyncio.Event = attrs.field(factory=asyncio.Event)
    error: Exception | None = None

    async def receive(self, body: bytes, headers: Headers, url: str) -> ResponseStatus:
        self.begun.set()
        if self.may_end is not None:
            await self.may_end.wait()
        if self.error is not None:
            raise self.error
        self.kept.append((webhooks.verify(body, headers, SECRET), reference_of(url)))
        self.ended.set()
        return ResponseStatus.KEPT


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
async def served(server: str, application: Application) -> AsyncIterator[Served]:
    async with SERVERS[server](application.receive) as served:
        yield served


@pytest.fixture
async def sender() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


@each_server
async def test_signed_event_is_kept_and_answered_with_200(
    served: Served, application: Application, sender: aiohttp.ClientSession
) -> None:
    reference = new_reference()
    url = attempt_url(f"{served.url}?of=%7e%2F", reference)

    async with sender.post(url, data=BODY, headers=headers_of(BODY), allow_redirects=False) as response:
        assert (response.status, await response.read()) == (200, b"")

    assert [(event.task_id, found) for event, found in application.kept] == [("t-1", reference)]


@each_server
async def test_event_in_chunks_is_kept(served: Served, application: Application, sender: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(BODY), 50):
            yield BODY[at : at + 50]

    async with sender.post(served.url, data=chunks(), headers=headers_of(BODY)) as response:
        assert response.status == 200

    assert len(application.kept) == 1


@each_server
async def test_event_of_any_content_type_is_kept(
    served: Served, application: Application, sender: aiohttp.ClientSession
) -> None:
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "application/octet-stream"):
        headers = {**headers_of(BODY), "Content-Type": content_type}
        async with sender.post(served.url, data=BODY, headers=headers) as response:
            assert response.status == 200

    assert len(application.kept) == 3


@each_server
async def test_event_that_is_not_verified_is_answered_with_401(
    served: Served, application: Application, sender: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "musicapi")
    right = headers_of(BODY)
    for headers in ({}, headers_of(BODY, "other"), headers_of(BODY, age=400), {**right, "X-Webhook-Signature": "x"}):
        async with sender.post(served.url, data=BODY, headers=headers) as response:
            assert (response.status, await response.read()) == (401, b"")
    async with sender.post(served.url, data=b"", headers=right) as response:
        assert response.status == 401
    doubled = [*right.items(), ("X-Webhook-Timestamp", right["X-Webhook-Timestamp"])]
    async with sender.post(served.url, data=BODY, headers=doubled) as response:
        assert response.status == 401

    assert application.kept == []
    assert [record.name for record in caplog.records if "cannot be verified" in record.message] == ["musicapi"] * 6
    assert SECRET not in caplog.text


@each_server
async def test_event_that_cannot_be_kept_is_answered_with_503_and_no_traceback(
    served: Served, application: Application, sender: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    application.error = OSError("the disk is full")
    with caplog.at_level(logging.ERROR, "musicapi"):
        async with sender.post(served.url, data=BODY, headers=headers_of(BODY)) as response:
            assert (response.status, await response.read()) == (503, b"")

    assert ["the disk is full" in record.message for record in caplog.records if record.name == "musicapi"] == [True]


@each_adapter
async def test_request_that_is_no_post_is_answered_with_405(
    served: Served, application: Application, sender: aiohttp.ClientSession
) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        async with sender.request(method, served.url, data=BODY, headers=headers_of(BODY)) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")

    assert not application.begun.is_set()


@each_adapter
async def test_body_of_exactly_one_mebibyte_is_taken(
    served: Served, application: Application, sender: aiohttp.ClientSession
) -> None:
    body = body_of(filling="")
    body = body_of(filling="x" * (MIB - len(body)))
    assert len(body) == MIB

    async with sender.post(served.url, data=io.BytesIO(body), headers=headers_of(body)) as response:
        assert response.status == 200

    assert len(application.kept) == 1


@each_adapter
@pytest.mark.parametrize("size", [MIB + 1, 5 * MIB])
async def test_body_that_is_too_large_is_answered_with_413(
    served: Served, application: Application, sender: aiohttp.ClientSession, size: int
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, size, MIB // 2):
            yield b"x" * min(MIB // 2, size - at)

    for data in (io.BytesIO(b"x" * size), chunks()):  # with and without a declared length
        async with sender.post(served.url, data=data, headers=headers_of(BODY)) as response:
            assert (response.status, await response.read()) == (413, b"")

    assert not application.begun.is_set()


@each_server
async def test_sender_that_leaves_early_stops_nothing(
    served: Served, application: Application, sender: aiohttp.ClientSession
) -> None:
    application.may_end = asyncio.Event()
    sending = asyncio.ensure_future(sender.post(served.url, data=BODY, headers=headers_of(BODY)))
    await application.begun.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await sender.close()
    async with aiohttp.ClientSession(timeout=sender.timeout) as other, other.get(served.url):
        pass  # the server has noticed by now that the sender has left
    application.may_end.set()

    await asyncio.wait_for(application.ended.wait(), 5)
    assert len(application.kept) == 1


async def test_body_that_aiohttp_has_unpacked_is_verified_as_it_is(
    application: Application, sender: aiohttp.ClientSession
) -> None:
    packed, encoded = gzip.compress(BODY), {"Content-Encoding": "gzip"}
    async with SERVERS["aiohttp"](application.receive) as served:
        async with sender.post(served.url, data=packed, headers={**headers_of(BODY), **encoded}) as response:
            assert response.status == 200
        async with sender.post(served.url, data=packed, headers={**headers_of(packed), **encoded}) as response:
            assert response.status == 401
        async with sender.post(served.url, data=packed[:-20], headers={**headers_of(BODY), **encoded}) as response:
            assert response.status in {401, 503}
        async with sender.post(served.url, data=b"no gzip", headers={**headers_of(BODY), **encoded}) as response:
            assert response.status in {401, 503}
        bomb = gzip.compress(b"x" * 5 * MIB)
        async with sender.post(served.url, data=bomb, headers={**headers_of(BODY), **encoded}) as response:
            assert response.status == 413

    assert len(application.kept) == 1
