"""Uncertain submissions are reported: to the caller, or, after a cancellation, to the hook and the log."""

import asyncio
import functools
import logging
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from clock import Clock
from scripted import Scripted, Step, cut, respond, scripted, stall

from musicapi_async import MusicAPI, errors, sonic
from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.sandbox import Sandbox

REQUEST = sonic.Describe(description="rain")
CREATE = "POST /sonic/create"


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0)


@asynccontextmanager
async def reporting(reported: list[UncertainSubmissionError], step: Step) -> AsyncIterator[tuple[Scripted, MusicAPI]]:
    async with (
        scripted(step) as server,
        MusicAPI("k", base_url=server.base_url, on_uncertain=reported.append) as client,
    ):
        yield server, client


@pytest.mark.parametrize("step", [cut(), respond(500, {"error": "oops"}), respond(200, b"<html>")])
async def test_hook_receives_the_error_the_caller_gets(step: Step) -> None:
    reported: list[UncertainSubmissionError] = []
    async with reporting(reported, step) as (_, client):
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

    assert reported == [caught.value]
    assert reported[0].request == REQUEST


# Cancelled at any step of its way: what the server received whole is named, by its task or as uncertain.
@pytest.mark.parametrize("turns", range(40))
async def test_submit_cancelled_at_any_point_is_unsent_reported_or_logged(
    turns: int, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[UncertainSubmissionError] = []
    async with MusicAPI("k", base_url=sandbox.base_url, on_uncertain=reported.append) as client:
        creating = asyncio.create_task(client.submit(REQUEST))
        for _ in range(turns):
            await asyncio.sleep(0)
        creating.cancel()
        (end,) = await asyncio.gather(creating, return_exceptions=True)
        await client.account.credits()

        assert reported == []
        if isinstance(end, asyncio.CancelledError) and sandbox.tasks:
            assert sandbox.tasks[0].task_id in caplog.text
        # Nothing is left half open: the client stays usable.
        assert (await client.submit(sonic.Describe(description="sun"))).id == sandbox.tasks[-1].task_id


async def test_submit_cancelled_in_flight_is_reported_to_the_hook(caplog: pytest.LogCaptureFixture) -> None:
    reported: list[UncertainSubmissionError] = []
    async with (
        scripted(stall()) as server,
        MusicAPI("k", base_url=server.base_url, timeout=0.3, on_uncertain=reported.append) as client,
    ):
        creating = asyncio.create_task(client.submit(REQUEST))
        await until(lambda: bool(server.received))
        creating.cancel()
        (end,) = await asyncio.gather(creating, return_exceptions=True)

    assert isinstance(end, asyncio.CancelledError)
    assert [(error.request, error.reason) for error in reported] == [(REQUEST, "no response in time")]
    assert "may have been accepted and charged" in caplog.text
    assert pickle.loads(pickle.dumps(reported[0])).request == REQUEST  # noqa: S301 - our own


async def test_close_with_an_unanswered_submission_reports_it_to_the_hook() -> None:
    reported: list[UncertainSubmissionError] = []
    async with scripted(stall()) as server:
        client = MusicAPI("k", base_url=server.base_url, timeout=0.3, on_uncertain=reported.append)
        creating = asyncio.create_task(client.submit(REQUEST))
        await until(lambda: bool(server.received))
        await client.aclose()
        with pytest.raises(UncertainSubmissionError):
            await creating

    assert [error.request for error in reported] == [REQUEST]


async def test_hook_that_raises_is_logged_and_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: UncertainSubmissionError) -> None:
        raise RuntimeError("the disk is full")

    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url, on_uncertain=broken) as client:
        with pytest.raises(UncertainSubmissionError):
            await client.submit(REQUEST)

    assert "the disk is full" in caplog.text


async def test_view_with_a_hook_uses_it() -> None:
    reported: list[UncertainSubmissionError] = []
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(UncertainSubmissionError):
            await client.with_options(on_uncertain=reported.append).submit(REQUEST)

    assert len(reported) == 1


async def test_read_that_is_cancelled_is_not_reported() -> None:
    reported: list[UncertainSubmissionError] = []
    async with (
        scripted(stall()) as server,
        MusicAPI("k", base_url=server.base_url, on_uncertain=reported.append) as client,
    ):
        pending = asyncio.create_task(client.account.credits())
        await until(lambda: bool(server.received))
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)

    assert reported == []


@pytest.mark.parametrize(
    "body",
    [
        {"type": "failed", "error": "no GPU", "already_refunded": True},
        {"code": 500, "message": "no GPU", "already_refunded": True},
    ],
)
@pytest.mark.parametrize("status", [200, 500])
async def test_submit_refunded_at_once_is_not_uncertain(status: int, body: object) -> None:
    async with scripted(respond(status, body)) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(errors.APIStatusError, match="no GPU") as caught:
            await client.submit(REQUEST)

        assert len(server.received) == 1
    assert type(caught.value) is errors.APIStatusError


async def test_submit_whose_task_is_named_by_a_step_returns_it() -> None:
    answer = respond(200, {"message": "success", "steps": {"upload": {"clip_id": "c-1"}, "cover": {"task_id": "t-7"}}})
    async with scripted(answer) as server, MusicAPI("k", base_url=server.base_url) as client:
        task = await client.sonic.upload_cover(url="https://files.example/a.mp3", lyrics="la", tags="folk")

    assert task.id == "t-7"
    assert task.uploaded is not None
    assert task.uploaded.clip_id == "c-1"


async def test_batch_refused_in_part_returns_the_accepted_tasks() -> None:
    body = {
        "code": 403,
        "message": "not enough credits",
        "batch_id": "b-1",
        "tasks": [{"task_id": "t-1"}, {"error": "no"}],
    }
    async with scripted(respond(200, body)) as server, MusicAPI("k", base_url=server.base_url) as client:
        batch = await client.sonic.batch(items=[REQUEST, REQUEST])

    assert [task.task_id for task in batch] == ["t-1", None]


async def test_submit_whose_response_cannot_be_processed_is_uncertain_with_its_body() -> None:
    endless = respond(200, b'{"task_id": ' + b"9" * 5000 + b"}")  # Python refuses to make a number's text of it
    async with scripted(endless) as server, MusicAPI("k", base_url=server.base_url) as client:
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

    assert str(caught.value.body).startswith('{"task_id": 999')


async def test_hook_that_is_not_callable_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="on_uncertain must be a function"):
        MusicAPI("k", on_uncertain="print")  # type: ignore[arg-type]  # what is refused


async def _a_coroutine(_: UncertainSubmissionError) -> None:
    """Would never run: it is not awaited."""


class _Awaited:
    async def __call__(self, _: UncertainSubmissionError) -> None:
        """Would never run either."""


@pytest.mark.parametrize("hook", [_a_coroutine, functools.partial(_a_coroutine), _Awaited()])
async def test_hook_that_is_a_coroutine_function_is_refused(hook: Callable[[UncertainSubmissionError], object]) -> None:
    with pytest.raises(errors.InvalidRequestError, match="on_uncertain must be a plain function"):
        MusicAPI("k", on_uncertain=hook)


async def test_uncertain_submissions_are_logged_without_a_hook(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(cut()) as server, MusicAPI("k", base_url=server.base_url) as client:
        await asyncio.gather(client.submit(REQUEST), client.submit(REQUEST), return_exceptions=True)

    assert [record.levelname for record in caplog.records].count("WARNING") == 2


@pytest.fixture
def broken_log() -> Iterator[None]:
    """Have every record of the package raise."""

    def fail(_: logging.LogRecord) -> bool:
        raise OSError("the disk is full")

    logger = logging.getLogger("musicapi")
    logger.addFilter(fail)
    logger.setLevel(logging.DEBUG)
    yield
    logger.removeFilter(fail)
    logger.setLevel(logging.NOTSET)


@pytest.mark.usefixtures("broken_log")
async def test_logging_that_raises_loses_nothing() -> None:
    reported: list[UncertainSubmissionError] = []
    async with reporting(reported, cut()) as (_, client):
        with pytest.raises(UncertainSubmissionError):
            await client.submit(REQUEST)
    async with reporting(reported, respond(200, {"task_id": "t-1"})) as (_, client):
        task = await client.submit(REQUEST)

    assert (len(reported), task.id) == (1, "t-1")


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "musicapi")


async def test_submit_cancelled_before_a_retry_is_not_uncertain(clock: Clock) -> None:
    reported: list[errors.UncertainSubmissionError] = []
    refused = respond(429, {"error": "slow down"}, {"Retry-After": "0"})
    async with scripted(refused) as server:
        async with MusicAPI("k", base_url=server.base_url, create_rate=0.001, on_uncertain=reported.append) as client:
            creating = asyncio.create_task(client.submit(REQUEST))
            while not server.received:
                await asyncio.sleep(0)
            for _ in range(40):
                clock.ahead += 1
                await asyncio.sleep(0.001)
            creating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await creating

        assert (reported, len(server.received)) == ([], 1)
