"""Submissions cancelled in flight by asyncio or anyio, once or at every await: the response is read for its task."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from scripted import Scripted, Step, cut, respond, scripted, stall

from musicapi_async import MusicAPI, bulk, errors, sonic

REQUEST = sonic.Describe(description="rain")
ACCEPTED = respond(200, {"message": "success", "task_id": "t-1"})
LATE = 0.1


def late(step: Step = ACCEPTED, seconds: float = LATE) -> Step:
    """Answer after a while."""

    async def answer(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(seconds)
        return await step(writer)

    return answer


async def received(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


Body = Callable[[], Awaitable[object]]
Ready = Callable[[], Awaitable[None]]


async def by_cancel(body: Body, ready: Ready) -> None:
    running = asyncio.ensure_future(body())
    await ready()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def by_cancelling_three_times(body: Body, ready: Ready) -> None:
    running = asyncio.ensure_future(body())
    await ready()
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0.01)
    await asyncio.wait([running])
    assert running.cancelled()


async def by_cancelling_all_tasks(body: Body, ready: Ready) -> None:
    """As an event loop that shuts down does, and many an application."""
    others = asyncio.all_tasks()
    running = asyncio.ensure_future(body())
    await ready()
    for task in asyncio.all_tasks() - others:
        if "scripted" not in repr(task):
            task.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def by_asyncio_timeout(body: Body, ready: Ready) -> None:
    async def limited() -> None:
        async with asyncio.timeout(None) as timeout:
            watching = asyncio.ensure_future(ready())
            watching.add_done_callback(lambda _: timeout.reschedule(0))
            await body()

    with pytest.raises(TimeoutError):
        await limited()


async def by_an_asyncio_task_group(body: Body, ready: Ready) -> None:
    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(body())  # type: ignore[arg-type]  # it is a coroutine
            await ready()
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        await grouped()


async def by_an_anyio_scope(body: Body, ready: Ready) -> None:
    with anyio.CancelScope() as scope:
        watching = asyncio.ensure_future(ready())
        watching.add_done_callback(lambda _: scope.cancel())
        await body()
    assert scope.cancelled_caught


async def by_an_anyio_deadline(body: Body, ready: Ready) -> None:
    async def limited() -> None:
        with anyio.fail_after(3600) as scope:
            watching = asyncio.ensure_future(ready())
            watching.add_done_callback(lambda _: setattr(scope, "deadline", anyio.current_time()))
            await body()

    with pytest.raises(TimeoutError):
        await limited()


async def by_an_anyio_task_group(body: Body, ready: Ready) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(body)  # type: ignore[arg-type]  # it is a coroutine function
        await ready()
        group.cancel_scope.cancel()


WAYS = [
    by_cancel,
    by_cancelling_three_times,
    by_cancelling_all_tasks,
    by_asyncio_timeout,
    by_an_asyncio_task_group,
    by_an_anyio_scope,
    by_an_anyio_deadline,
    by_an_anyio_task_group,
]
Leave = Callable[[Body, Ready], Awaitable[None]]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def leave(request: pytest.FixtureRequest) -> Leave:
    way: Leave = request.param
    return way


@asynccontextmanager
async def client_of(server: Scripted, reported: list[errors.UncertainSubmissionError]) -> AsyncIterator[MusicAPI]:
    async with MusicAPI("k", base_url=server.base_url, on_uncertain=reported.append, poll_interval=0.01) as client:
        yield client


async def test_submit_cancelled_in_flight_names_the_accepted_task(
    leave: Leave, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[errors.UncertainSubmissionError] = []
    ends: list[BaseException] = []
    async with scripted(late()) as server, client_of(server, reported) as client:

        async def body() -> None:
            try:
                await client.submit(REQUEST)
            except asyncio.CancelledError as end:
                ends.append(end)
                raise

        await leave(body, lambda: received(server, 1))

        assert len(server.received) == 1
    assert reported == []
    assert "client.sonic.task('t-1')" in "".join(ends[0].__notes__)
    assert "client.sonic.task('t-1')" in caplog.text


async def test_submit_cancelled_in_flight_and_cut_off_is_uncertain_once(
    leave: Leave, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[errors.UncertainSubmissionError] = []
    async with scripted(late(cut())) as server, client_of(server, reported) as client:
        await leave(lambda: client.submit(REQUEST), lambda: received(server, 1))

        assert len(server.received) == 1
    assert [error.request for error in reported] == [REQUEST]
    assert caplog.text.count("may have been accepted and charged") == 1


async def test_submit_cancelled_in_flight_and_refused_is_not_sent_again(leave: Leave) -> None:
    reported: list[errors.UncertainSubmissionError] = []
    refused = respond(429, {"error": "slow down"}, {"Retry-After": "0"})
    async with scripted(late(refused), ACCEPTED) as server, client_of(server, reported) as client:
        await leave(lambda: client.submit(REQUEST), lambda: received(server, 1))

        assert len(server.received) == 1
    assert reported == []


async def test_submit_cancelled_in_flight_ends_within_its_own_timeout(leave: Leave) -> None:
    reported: list[errors.UncertainSubmissionError] = []
    async with scripted(stall()) as server, client_of(server, reported) as client:
        began = time.monotonic()
        await leave(lambda: client.with_options(timeout=0.3).submit(REQUEST), lambda: received(server, 1))

        assert 0.25 < time.monotonic() - began < 3
    assert [error.request for error in reported] == [REQUEST]


async def test_submit_cancelled_before_its_connection_is_made_sends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted(ACCEPTED) as server, client_of(server, []) as client:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await client.submit(REQUEST)

        assert scope.cancelled_caught
        assert server.received == []
    assert "accepted" not in caplog.text


async def test_submit_cancelled_in_flight_does_not_spin() -> None:
    async with scripted(late(seconds=1.0)) as server, client_of(server, []) as client:
        spent = time.process_time()
        await by_an_anyio_scope(lambda: client.submit(REQUEST), lambda: received(server, 1))

        assert time.process_time() - spent < 0.5


@pytest.mark.parametrize(
    ("call", "body", "named"),
    [
        (lambda client: client.sonic.batch(items=[REQUEST]), {"batch_id": "b-1", "tasks": ["t-9"]}, "t-9"),
        (lambda client: client.sonic.upload(url="https://files.example/a.mp3"), {"clip_id": "c-9"}, "c-9"),
        (lambda client: client.request("POST", "/sonic/new", json={"a": 1}), {"data": {"task_id": "t-9"}}, "t-9"),
    ],
    ids=["batch", "upload", "request"],
)
async def test_paid_call_cancelled_in_flight_names_what_was_accepted(
    call: Callable[[MusicAPI], Awaitable[object]], body: object, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(late(respond(200, body))) as server, client_of(server, []) as client:
        await by_an_anyio_scope(lambda: call(client), lambda: received(server, 1))

    assert named in caplog.text


async def test_close_in_a_cancelled_scope_closes_everything(leave: Leave) -> None:
    """An unclosed session or connector is a ResourceWarning, and that an error."""
    before = asyncio.all_tasks()
    async with scripted(late(), ACCEPTED) as server:

        async def body() -> None:
            async with MusicAPI("k", base_url=server.base_url) as client:
                submitting = asyncio.ensure_future(client.submit(REQUEST))
                try:
                    await asyncio.Event().wait()
                finally:
                    await client.aclose()
                    assert (await submitting).id == "t-1"

        await leave(body, lambda: received(server, 1))
        async with asyncio.timeout(5):
            while server.closed < server.connections:
                await asyncio.sleep(0.001)
    await asyncio.sleep(0)

    assert not {task for task in asyncio.all_tasks() - before if "musicapi" in repr(task)}


async def test_client_left_by_a_cancelled_scope_waits_for_its_other_submissions(leave: Leave) -> None:
    submitted: list[asyncio.Future[object]] = []
    async with scripted(late()) as server:

        async def body() -> None:
            async with MusicAPI("k", base_url=server.base_url) as client:
                submitted.append(asyncio.ensure_future(client.submit(REQUEST)))
                await asyncio.Event().wait()

        if leave is by_cancelling_all_tasks:
            pytest.skip("cancels those as well")
        await leave(body, lambda: received(server, 1))

    (task,) = await asyncio.gather(*submitted)
    assert getattr(task, "id", None) == "t-1"


async def test_run_left_by_a_cancelled_scope_lists_its_tasks(leave: Leave) -> None:
    names = iter(range(100))

    async def answer(writer: asyncio.StreamWriter) -> bool:
        return await late(respond(200, {"task_id": f"t-{next(names)}"}))(writer)

    async with scripted(answer) as server, client_of(server, []) as client:
        run = client.run([REQUEST] * 20, in_flight=4)

        async def body() -> None:
            try:
                async for outcome in run:
                    raise AssertionError(outcome)
            finally:
                await run.aclose()

        if leave is by_cancelling_all_tasks:
            pytest.skip("cancels its workers as well")
        await leave(body, lambda: received(server, 4))

        assert {task.id for task in run.tasks} == {"t-0", "t-1", "t-2", "t-3"}
        assert len(server.received) == 4


@pytest.mark.parametrize("closes", [True, False])
async def test_bulk_run_left_by_a_cancelled_scope_accepts_what_was_in_flight(
    leave: Leave,
    closes: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    names = iter(range(100))

    async def answer(writer: asyncio.StreamWriter) -> bool:
        if server.received[-1].method == "GET":
            return await respond(202, {"type": "not_ready"})(writer)
        return await late(respond(200, {"task_id": f"t-{next(names)}"}))(writer)

    requests = [sonic.Describe(description=f"rain {number}") for number in range(30)]
    async with scripted(answer) as server:

        async def body() -> None:
            async with (
                MusicAPI("k", base_url=server.base_url, poll_interval=0.05, create_rate=1000.0) as client,
                bulk.open(tmp_path / "journal.db") as journal,
            ):
                run = bulk.run(client, journal, requests, in_flight=20)
                try:
                    async for outcome in run:
                        raise AssertionError(outcome)
                finally:
                    if closes:
                        await run.aclose()

        await leave(body, lambda: received(server, 8))
        async with bulk.open(tmp_path / "journal.db") as journal:
            counts = await journal.counts()

        sent = sum(request.method == "POST" for request in server.received)
    assert {state: count for state, count in counts.items() if count} == {"accepted": sent, "planned": 30 - sent}
    assert sent == 8


async def test_journal_left_while_it_opens_can_be_opened_again(leave: Leave, tmp_path: Path) -> None:
    async def body() -> None:
        for _ in range(1000):
            async with bulk.open(tmp_path / "journal.db"):
                pass

    await leave(body, lambda: asyncio.sleep(0.05))

    async with bulk.open(tmp_path / "journal.db") as journal:
        assert (await journal.counts())["uncertain"] == 0
