"""Responses that did not come from the API: pages, redirects, proxies; and refusals in nested shapes."""

import asyncio
from pathlib import Path

import pytest
from clock import Clock
from scripted import Scripted, Step, respond, scripted

from musicapi_async import MusicAPI, TaskRequest, bulk, errors, sonic

KEY = "sk-1234567890abcdefghij"
HTML = {"Content-Type": "text/html; charset=utf-8"}
DONE = {"clip_id": "c", "state": "succeeded", "audio_url": "https://files.example/c.mp3"}
REQUEST = sonic.Describe(description="rain")


def page(status: int, title: str = "Attention Required!") -> Step:
    return respond(status, f"<!DOCTYPE html><html><head><title>{title}</title></head>".encode(), HTML)


def client_of(server: Scripted, **settings: float) -> MusicAPI:
    return MusicAPI(KEY, base_url=server.base_url, **settings)  # type: ignore[arg-type]  # numbers by name


ELSEWHERE = {
    "HTML 400": page(400),
    "HTML 401": page(401),
    "HTML 403": page(403, "Lyrics blocked: subscription and credits"),
    "HTML 404": page(404, "404 Not Found"),
    "HTML 404 behind a byte order mark": respond(404, b"\xef\xbb\xbf \n<html>"),
    "HTML 410": page(410),
    "XML 403": respond(403, b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
    "text 404": respond(404, b"404 page not found"),
    "text 403": respond(403, b"error code: 1020"),
    "proxy's 407": page(407),
    "JSON 407": respond(407, {"error": "login"}),
    "301": respond(301, b"", {"Location": f"https://www.example.com/login?key={KEY}"}),
    "307": respond(307, b"<html>", {"Location": "http://portal.example:8080/hotel"}),
    "308": respond(308, {}, {"Location": "/api/v2/"}),
    "301 to what cannot be read": respond(301, b"", {"Location": "http://[::1"}),
}


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_submit_answered_by_a_gateway_is_not_accepted_and_says_what_to_check(name: str) -> None:
    async with scripted(ELSEWHERE[name]) as server, client_of(server) as client:
        with pytest.raises(errors.GatewayError, match="Check base_url") as caught:
            await client.submit(REQUEST)

        assert len(server.received) == 1
    assert "proxy" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_wait_outlives_a_gateways_answer_to_a_poll(name: str) -> None:
    async with scripted(*[ELSEWHERE[name]] * 3, respond(200, {"data": [DONE, DONE]})) as server:
        async with client_of(server, poll_interval=0.001) as client:
            songs = await client.sonic.task("t-1").wait()

        assert len(server.received) == 4
    assert len(songs) == 2


@pytest.mark.parametrize("status", [403, 429])
async def test_wait_outlives_missing_credits_in_the_answer_to_a_poll(status: int) -> None:
    refused = respond(status, {"error": {"message": "Not enough credits"}})
    async with scripted(*[refused] * 3, respond(200, {"data": [DONE, DONE]})) as server:
        async with client_of(server, poll_interval=0.001) as client:
            songs = await client.sonic.task("t-1").wait()

        assert len(server.received) == 4
    assert len(songs) == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"Not enough credits", errors.InsufficientCreditsError),
        (b"No active subscription", errors.SubscriptionError),
        (b"The lyrics contain inappropriate content: 'x'.", errors.ModerationError),
    ],
)
async def test_submit_refused_in_plain_text_with_a_reason_of_the_service_is_classed_by_it(
    text: bytes, error: type[errors.MusicAPIError]
) -> None:
    async with scripted(respond(403, text)) as server, client_of(server) as client:
        with pytest.raises(error, match=text.decode()):
            await client.submit(REQUEST)


async def test_wait_answered_by_a_gateway_every_time_ends_in_time_and_says_so(clock: Clock) -> None:
    async with scripted(page(403)) as server, client_of(server, poll_interval=1.0) as client:
        began = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(client.sonic.task("t-1").wait())
        await clock.run(2.0, waiting)

    with pytest.raises(errors.TaskTimeoutError) as caught:
        await waiting
    assert asyncio.get_running_loop().time() - began >= 600
    assert isinstance(caught.value.__cause__, errors.GatewayError)
    assert "Attention Required" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (f"https://user:{KEY}@www.example.com/login?key={KEY}", "https://www.example.com,"),
        ("http://portal.example:8080/hotel", "http://portal.example:8080,"),
        ("//other.example/x", "other.example,"),
        ("/login", "another path of the same host"),
    ],
)
async def test_call_answered_by_a_redirect_names_scheme_and_host(location: str, target: str) -> None:
    async with scripted(respond(301, b"", {"Location": location})) as server, client_of(server) as client:
        with pytest.raises(errors.GatewayError) as caught:
            await client.account.credits()

    assert f"a redirect to {target}" in str(caught.value)
    assert KEY not in str(caught.value)
    assert "login" not in str(caught.value).replace("login page", "")


async def test_call_answered_by_a_login_page_names_it() -> None:
    async with scripted(page(200, "Hotel &amp; Wi-Fi\n login")) as server, client_of(server) as client:
        with pytest.raises(errors.InvalidResponseError, match="'Hotel & Wi-Fi login'.*check base_url"):
            await client.account.credits()
        with pytest.raises(errors.UncertainSubmissionError, match="HTML page"):
            await client.submit(REQUEST)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_submit_answered_by_a_gateways_5xx_page_is_uncertain(status: int) -> None:
    """A page's title that says busy does not come from the service."""
    async with scripted(page(status, "The server is busy")) as server, client_of(server) as client:
        with pytest.raises(errors.UncertainSubmissionError, match="HTML page"):
            await client.submit(REQUEST)

        assert len(server.received) == 1


async def test_poll_of_unknown_task_in_json_stays_not_found() -> None:
    async with scripted(respond(404, {"detail": "Not Found"})) as server, client_of(server) as client:
        with pytest.raises(errors.NotFoundError, match="base_url"):
            await client.sonic.task("t-1").poll()


async def run(client: MusicAPI, path: Path, count: int) -> None:
    requests: list[TaskRequest[object]] = [sonic.Describe(description=f"rain {at}") for at in range(count)]
    async with bulk.open(path) as journal:
        async for _ in bulk.run(client, journal, requests, in_flight=2):
            pass


async def states(path: Path) -> dict[str, int]:
    async with bulk.open(path) as journal:
        return {state: count for state, count in (await journal.counts()).items() if count}


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "The remaining credits are not enough.", "code": 403}},
        {"detail": [{"msg": "Not enough credits"}]},
        {"data": {"error": {"type": "insufficient_credits"}}},
    ],
)
async def test_bulk_run_stops_at_missing_credits_in_nested_shape(status: int, body: object, tmp_path: Path) -> None:
    async with scripted(respond(status, body)) as server, client_of(server, create_rate=1000.0) as client:
        with pytest.raises(errors.InsufficientCreditsError):
            await run(client, tmp_path / "journal.db", 24)

        assert len(server.received) <= 2
    assert await states(tmp_path / "journal.db") == {"planned": 24}


async def test_bulk_run_refuses_nothing_for_good_because_of_a_wrong_base_url(tmp_path: Path) -> None:
    async with scripted(page(404)) as server, client_of(server, create_rate=1000.0) as client:
        with pytest.raises(errors.GatewayError):
            await run(client, tmp_path / "journal.db", 24)

        assert len(server.received) <= 12
    assert await states(tmp_path / "journal.db") == {"planned": 24}


async def test_bulk_journal_keeps_little_of_large_refusals(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    refused = respond(400, {"error": "x" * 1_000_000})
    async with scripted(refused) as server, client_of(server, create_rate=1000.0) as client:
        await run(client, path, 10)

    assert await states(path) == {"refused": 10}
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1_000_000
