"""A submission: awaited for its task, waited on for its result, driven as any coroutine is; one payment throughout."""

import asyncio
import copy
import gc
import inspect
import logging
import pickle
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

import anyio
import pytest
from scripted import Scripted, Step, cut, respond, scripted, stall

from musicapi_async import MusicAPI, Songs, Submission, Task, errors, sonic
from musicapi_async.sandbox import Sandbox

CREATE = "POST /sonic/create"
REQUEST = sonic.Describe(description="rain")
ACCEPTED = respond(200, {"message": "success", "task_id": "t-1"})
CLIP = {"clip_id": "c-1", "state": "succeeded", "audio_url": "https://files.example/1.mp3"}
DONE = respond(200, {"code": 200, "message": "success", "data": [CLIP, {**CLIP, "clip_id": "c-2"}]})
REFUSED = respond(422, {"error": "no such model"})


@pytest.fixture
async def quick() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0.02) as sandbox:
        yield sandbox


@pytest.fixture
async def quick_client(quick: Sandbox) -> AsyncIterator[MusicAPI]:
    async with MusicAPI("test-key", base_url=quick.base_url, poll_interval=0.01) as client:
        yield client


async def received(server: Scripted, count: int) -> None:
    """Return when the server has read so many requests."""
    async with asyncio.timeout(5):
        while len(server.received) < count:
            await asyncio.sleep(0.001)


def late(step: Step = ACCEPTED, seconds: float = 0.1) -> Step:
    """Answer after a while."""

    async def answer(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(seconds)
        return await step(writer)

    return answer


async def test_submission_wait_returns_the_result(quick_client: MusicAPI, quick: Sandbox) -> None:
    songs = await quick_client.sonic.create(lyrics="[Verse]\nla", title="Harbor").wait()

    assert isinstance(songs, Songs)
    assert [song.title for song in songs] == ["Harbor", "Harbor"]
    assert len(quick.requests(CREATE)) == 1


async def test_submission_wait_passes_its_timeout_on(client: MusicAPI) -> None:
    with pytest.raises(errors.TaskTimeoutError, match="not finished after 0"):
        await client.submit(REQUEST).wait(timeout=0)


async def test_submission_is_a_coroutine(client: MusicAPI) -> None:
    submission = client.submit(REQUEST)

    assert isinstance(submission, Submission)
    assert isinstance(submission, Coroutine)
    assert asyncio.iscoroutine(submission)
    assert inspect.isawaitable(submission)
    submission.close()


async def in_a_task(submission: Submission[Songs]) -> Task[Songs]:
    return await asyncio.create_task(submission)


async def in_gather(submission: Submission[Songs]) -> Task[Songs]:
    first, second = await asyncio.gather(submission, submission)
    assert first is second
    return first


async def in_a_task_group(submission: Submission[Songs]) -> Task[Songs]:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(submission)
    return running.result()


async def in_wait_for(submission: Submission[Songs]) -> Task[Songs]:
    return await asyncio.wait_for(submission, 5)


async def in_a_timeout(submission: Submission[Songs]) -> Task[Songs]:
    async with asyncio.timeout(5):
        return await submission


async def in_shield(submission: Submission[Songs]) -> Task[Songs]:
    return await asyncio.shield(submission)


async def in_two_tasks(submission: Submission[Songs]) -> Task[Songs]:
    first, second = asyncio.create_task(submission), asyncio.create_task(submission)
    assert await first is await second
    return await first


async def in_an_anyio_task_group(submission: Submission[Songs]) -> Task[Songs]:
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: submission)
    return await submission


@pytest.mark.parametrize(
    "drive",
    [
        in_a_task,
        in_gather,
        in_a_task_group,
        in_wait_for,
        in_a_timeout,
        in_shield,
        in_two_tasks,
        in_an_anyio_task_group,
    ],
)
async def test_submission_runs_wherever_a_coroutine_does(
    client: MusicAPI, sandbox: Sandbox, drive: Callable[[Submission[Songs]], Awaitable[Task[Songs]]]
) -> None:
    task = await drive(client.submit(REQUEST))

    assert [accepted.task_id for accepted in sandbox.tasks] == [task.id]


async def test_submission_awaited_twice_returns_the_same_task(client: MusicAPI, sandbox: Sandbox) -> None:
    submission = client.sonic.describe(description="rain")

    first, second = await submission, await submission

    assert first is second
    assert len(sandbox.requests(CREATE)) == 1


async def test_submission_awaited_and_then_waited_on_is_sent_once(quick_client: MusicAPI, quick: Sandbox) -> None:
    submission = quick_client.submit(REQUEST)
    task = await submission

    assert await submission.wait() == await task.wait() == await submission.wait()
    assert len(quick.requests(CREATE)) == 1


async def test_submission_awaited_and_waited_on_concurrently_is_sent_once(
    quick_client: MusicAPI, quick: Sandbox
) -> None:
    submission = quick_client.submit(REQUEST)

    task, songs, again = await asyncio.gather(submission, submission.wait(), submission.wait())

    assert await task.wait() == songs == again
    assert len(quick.requests(CREATE)) == 1


async def test_submission_that_was_refused_raises_the_same_error_again() -> None:
    async with scripted(REFUSED) as server, MusicAPI("k", base_url=server.base_url) as client:
        submission = client.submit(REQUEST)
        said = []
        for ask in (submission, submission, submission.wait()):
            with pytest.raises(errors.InvalidRequestError, match="no such model") as caught:
                await ask
            said.append(str(caught.value))

        assert len(set(said)) == 1
        assert len(server.received) == 1


async def test_submission_that_is_uncertain_is_never_sent_again() -> None:
    async with scripted(cut(), ACCEPTED) as server, MusicAPI("k", base_url=server.base_url) as client:
        submission = client.submit(REQUEST)
        for _ in range(2):
            with pytest.raises(errors.UncertainSubmissionError):
                await submission

        assert len(server.received) == 1


async def test_submission_cancelled_in_flight_names_its_task_and_returns_it_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted(late(), DONE) as server, MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client:
        submission = client.submit(REQUEST)
        waiting, second = asyncio.create_task(submission.wait()), asyncio.create_task(submission.wait())
        await received(server, 1)
        waiting.cancel()
        with caplog.at_level(logging.WARNING, "musicapi"), pytest.raises(asyncio.CancelledError) as caught:
            await waiting

        assert "client.sonic.task('t-1')" in "\n".join(caught.value.__notes__)
        assert "client.sonic.task('t-1')" in caplog.text
        assert (await submission).id == "t-1"
        assert len(await second) == 2
        assert [one.method for one in server.received].count("POST") == 1


async def test_submission_cancelled_during_its_wait_names_its_task() -> None:
    async with (
        scripted(ACCEPTED, stall()) as server,
        MusicAPI("k", base_url=server.base_url, poll_interval=0.01) as client,
    ):
        waiting = asyncio.create_task(client.submit(REQUEST).wait())
        await received(server, 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiting

    assert "client.sonic.task('t-1')" in "\n".join(caught.value.__notes__)


async def test_submission_cancelled_before_it_was_sent_is_sent_by_the_next_await() -> None:
    async with scripted(ACCEPTED) as server:
        async with MusicAPI("k", base_url=server.base_url) as client:
            submission = client.submit(REQUEST)
            first, second = asyncio.create_task(submission), asyncio.create_task(submission)
            await asyncio.sleep(0)
            first.cancel()

            assert (await second).id == "t-1"
            assert first.cancelled()
        assert len(server.received) == 1


async def test_submission_closed_after_it_was_sent_is_uncertain() -> None:
    async with scripted(stall(), ACCEPTED) as server, MusicAPI("k", base_url=server.base_url, timeout=1) as client:
        submission = client.submit(REQUEST)
        running = asyncio.create_task(submission)
        await received(server, 1)
        submission.close()
        running.cancel()

        with pytest.raises(errors.UncertainSubmissionError):
            await submission
        assert len(server.received) == 1


async def test_submission_never_awaited_warns_and_sends_nothing(client: MusicAPI, sandbox: Sandbox) -> None:
    with pytest.warns(RuntimeWarning, match=r"client\.sonic\.describe\(\.\.\.\) was never awaited: nothing was sent"):
        client.sonic.describe(description="rain")

    assert len(sandbox.requests(CREATE)) == 0


async def test_submission_closed_unsent_does_not_warn(client: MusicAPI, sandbox: Sandbox) -> None:
    submission = client.submit(REQUEST)
    submission.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del submission
        gc.collect()

    assert len(sandbox.requests(CREATE)) == 0


async def test_submission_with_invalid_arguments_is_refused_by_the_call(client: MusicAPI) -> None:
    with pytest.raises(errors.InvalidRequestError, match="lyrics"):
        client.sonic.create(lyrics="")
    with pytest.raises(errors.InvalidRequestError, match="request is"):
        client.submit("rain")  # type: ignore[arg-type]  # that is the point


async def test_submission_cannot_be_copied_or_pickled(client: MusicAPI) -> None:
    submission = client.submit(REQUEST)
    for travel in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="await it, and pickle its task"):
            travel(submission)
    submission.close()


async def test_submission_repr_shows_operation_and_task(client: MusicAPI) -> None:
    submission = client.sonic.create(lyrics="my secret lyrics")
    assert repr(submission) == "<Submission of sonic.create: not sent>"

    running = asyncio.create_task(submission)
    assert "coro=<sonic.create()>" in repr(running)

    task = await running

    assert repr(submission) == f"<Submission of sonic.create: task {task.id!r}>"


async def test_submission_awaited_in_another_loop_raises_event_loop_error() -> None:
    async with scripted(late(seconds=0.5)) as server, MusicAPI("k", base_url=server.base_url) as client:
        submission = client.submit(REQUEST)
        running = asyncio.create_task(submission)
        await received(server, 1)

        with pytest.raises(errors.EventLoopError):
            await asyncio.to_thread(asyncio.run, submission)

        assert (await running).id == "t-1"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_submission_in_an_eager_task_is_sent(client: MusicAPI) -> None:
    factory = getattr(asyncio, "eager_task_factory")  # noqa: B009 - unknown to the type checkers of 3.11
    asyncio.get_running_loop().set_task_factory(factory)
    try:
        assert (await asyncio.create_task(client.submit(REQUEST))).family == "sonic"
    finally:
        asyncio.get_running_loop().set_task_factory(None)


async def test_submission_closed_while_another_task_awaits_it_returns_its_task_all_the_same() -> None:
    async with scripted(late()) as server, MusicAPI("k", base_url=server.base_url) as client:
        submission = client.sonic.describe(description="rain")
        awaiting = asyncio.create_task(submission)
        await received(server, 1)
        submission.close()
        task = await awaiting

        assert await submission == task
        assert len(server.received) == 1


async def test_submission_with_a_log_handler_that_raises_is_retried_and_accepted() -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError(record.getMessage())

    logger, handler = logging.getLogger("musicapi"), Failing()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        busy = respond(503, {"error": "server is busy"}, {"Retry-After": "0"})
        async with scripted(busy, busy, ACCEPTED) as server, MusicAPI("k", base_url=server.base_url) as client:
            submission = client.sonic.describe(description="rain")
            task = await submission

            assert await submission == task
            assert len(server.received) == 3
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def test_submission_that_cannot_be_encoded_raises_each_time(client: MusicAPI, sandbox: Sandbox) -> None:
    class Odd(sonic.Describe):
        def to_wire(self) -> dict[str, object]:
            raise ValueError("cannot be encoded")

    submission = client.submit(Odd(description="rain"))
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be encoded"):
            await asyncio.wait_for(asyncio.ensure_future(submission), 5)
    assert not len(sandbox.requests(CREATE))
