"""``client.run``: bounded, lazy, nothing dropped, and no spending after the loop is left."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from musicapi_async import MusicAPI, Outcome, Songs, errors, sonic
from musicapi_async.sandbox import Fault, Sandbox

CREATE = "POST /sonic/create"


@pytest.fixture
async def quick() -> AsyncIterator[Sandbox]:
    async with Sandbox(seconds=0.05, credits=100_000) as sandbox:
        yield sandbox


@pytest.fixture
async def quick_client(quick: Sandbox) -> AsyncIterator[MusicAPI]:
    async with MusicAPI("k", base_url=quick.base_url, poll_interval=0.02) as client:
        yield client


def requests(count: int, taken: list[int] | None = None) -> Iterator[sonic.Describe]:
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield sonic.Describe(description=f"song {number}")


async def in_flight(sandbox: Sandbox, count: int) -> None:
    """Return when so many tasks were accepted."""
    async with asyncio.timeout(5):
        while len(sandbox.tasks) < count:
            await asyncio.sleep(0.001)


async def test_run_returns_one_outcome_per_request(quick_client: MusicAPI, quick: Sandbox) -> None:
    outcomes = [outcome async for outcome in quick_client.run(requests(40), in_flight=8)]

    assert {outcome.request for outcome in outcomes} == set(requests(40))
    assert all(outcome.result and len(outcome.result) == 2 for outcome in outcomes)
    assert {outcome.task.id for outcome in outcomes if outcome.task} == {task.task_id for task in quick.tasks}


@pytest.mark.parametrize("count", [1, 3])
async def test_run_never_exceeds_in_flight(client: MusicAPI, sandbox: Sandbox, count: int) -> None:
    run = client.run(requests(50), in_flight=count)
    pending = asyncio.create_task(anext(run))
    await in_flight(sandbox, count)
    await client.account.credits()

    assert len(sandbox.tasks) == count
    assert len(run.tasks) <= count
    sandbox.advance(5000)
    await pending
    # More are started only while an outcome is awaited.
    assert len(sandbox.tasks) <= 2 * count


async def test_run_over_a_million_requests_takes_only_what_it_needs(quick_client: MusicAPI) -> None:
    taken: list[int] = []
    run = quick_client.run(requests(1_000_000, taken), in_flight=4)
    for _ in range(10):
        await anext(run)

    assert len(taken) <= 10 + 4
    await run.aclose()


async def test_run_left_by_break_submits_nothing_more(quick_client: MusicAPI, quick: Sandbox) -> None:
    async for _ in quick_client.run(requests(1000), in_flight=3):
        break
    spent = len(quick.tasks)

    for _ in range(20):
        await quick_client.account.credits()

    assert spent <= 6
    assert len(quick.tasks) == spent


async def test_run_over_an_async_source_iterates_it_in_one_task(quick_client: MusicAPI) -> None:
    owners: set[asyncio.Task[object] | None] = set()

    async def source() -> AsyncIterator[sonic.Describe]:
        for request in requests(9):
            owners.add(asyncio.current_task())
            await asyncio.sleep(0)
            yield request

    outcomes = [outcome async for outcome in quick_client.run(source(), in_flight=2)]

    assert len(outcomes) == 9
    assert len(owners) == 1


async def test_run_over_a_slow_async_source_returns_outcomes_meanwhile(quick_client: MusicAPI) -> None:
    go_on = asyncio.Event()

    async def source() -> AsyncIterator[sonic.Describe]:
        yield sonic.Describe(description="first")
        await go_on.wait()
        yield sonic.Describe(description="second")

    run = quick_client.run(source(), in_flight=5)
    first = await anext(run)
    go_on.set()
    second = await anext(run)

    assert [first.request.to_wire()["gpt_description_prompt"], second.request.to_wire()["gpt_description_prompt"]] == [
        "first",
        "second",
    ]
    with pytest.raises(StopAsyncIteration):
        await anext(run)


async def test_run_with_failures_returns_them_as_outcomes(quick_client: MusicAPI, quick: Sandbox) -> None:
    quick.end_next("songs", "failed")
    quick.add_fault(CREATE, Fault(status=403, body={"error": "The song description needs moderation review."}))
    quick.add_fault(CREATE, Fault(drop=True, accepted=True))

    outcomes = [outcome async for outcome in quick_client.run(requests(6), in_flight=1)]

    error_types = sorted(type(outcome.error).__name__ for outcome in outcomes if outcome.error)
    assert error_types == ["ModerationError", "TaskFailedError", "UncertainSubmissionError"]
    assert len(outcomes) == 6
    assert all((outcome.result is None) != (outcome.error is None) for outcome in outcomes)


async def test_outcome_unwrap_returns_the_result_or_raises_the_error(quick_client: MusicAPI, quick: Sandbox) -> None:
    quick.end_next("songs", "failed")

    good, bad = [outcome async for outcome in quick_client.run(requests(2), in_flight=1)]

    assert good.unwrap() is good.result
    with pytest.raises(errors.TaskFailedError) as caught:
        bad.unwrap()
    assert caught.value is bad.error


async def test_run_repr_shows_its_progress(quick_client: MusicAPI) -> None:
    run = quick_client.run(requests(2), in_flight=3)
    assert repr(run) == "<Run in_flight=3: 0 running, 0 finished>"

    await anext(run)
    await run.aclose()

    assert repr(run).endswith("finished, closed>")


@pytest.mark.parametrize("is_async", [False, True])
async def test_run_whose_source_raises_returns_started_outcomes_first(
    quick_client: MusicAPI, *, is_async: bool
) -> None:
    def source() -> Iterator[sonic.Describe]:
        yield from requests(3)
        raise ZeroDivisionError

    async def async_source() -> AsyncIterator[sonic.Describe]:
        for request in source():
            yield request

    outcomes: list[Outcome[Songs]] = []

    async def gather() -> None:
        async for outcome in quick_client.run(async_source() if is_async else source(), in_flight=5):
            outcomes.append(outcome)  # noqa: PERF401 - the loop must be seen to raise

    with pytest.raises(ZeroDivisionError):
        await gather()

    assert len(outcomes) == 3


async def test_run_over_something_else_than_requests_is_refused(quick_client: MusicAPI, quick: Sandbox) -> None:
    requests: list[Any] = ["rain"]
    run = quick_client.run(requests)

    with pytest.raises(errors.InvalidRequestError, match="one of requests is a text of 4 characters"):
        await anext(run)

    assert quick.tasks == ()


@pytest.mark.parametrize("count", [0, -1, 1.5, True, None])
async def test_run_with_an_invalid_in_flight_is_refused(client: MusicAPI, count: int) -> None:
    with pytest.raises(errors.InvalidRequestError, match="in_flight"):
        client.run([], in_flight=count)


async def test_client_closed_during_a_run_returns_running_tasks_as_outcomes(sandbox: Sandbox) -> None:
    client = MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01)
    run = client.run(requests(100), in_flight=3)
    pending = asyncio.create_task(anext(run))
    await in_flight(sandbox, 3)
    await client.account.credits()
    await client.aclose()
    outcomes = [await pending]

    async def gather_the_rest() -> None:
        async for outcome in run:
            outcomes.append(outcome)  # noqa: PERF401 - the loop must be seen to raise

    with pytest.raises(errors.ClientClosedError):
        await gather_the_rest()

    assert {outcome.task.id for outcome in outcomes if outcome.task} == {task.task_id for task in sandbox.tasks}
    assert all(isinstance(outcome.error, errors.ClientClosedError) for outcome in outcomes)
    assert len(sandbox.tasks) == 3


async def test_run_timeout_is_an_outcome_with_its_task(client: MusicAPI) -> None:
    (outcome,) = [outcome async for outcome in client.run(requests(1), timeout=0.05)]

    assert isinstance(outcome.error, errors.TaskTimeoutError)
    assert outcome.task is not None
    assert outcome.error.task_id == outcome.task.id


async def test_run_after_close_lists_undelivered_tasks(sandbox: Sandbox) -> None:
    """Closed client or left loop: every task that was paid for is an outcome or in ``tasks``."""
    client = MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01)
    run = client.run(requests(100), in_flight=3)
    pending = asyncio.create_task(anext(run))
    await in_flight(sandbox, 3)
    sandbox.advance(5000)
    delivered = await pending
    await in_flight(sandbox, 3)
    await client.aclose()

    known = {task.id for task in run.tasks} | {delivered.task.id if delivered.task else ""}
    assert known == {task.task_id for task in sandbox.tasks}


async def test_client_closed_during_a_run_logs_the_running_tasks(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        run = client.run(requests(100), in_flight=2)
        pending = asyncio.create_task(anext(run))
        await in_flight(sandbox, 2)
    await pending

    assert all(f"client.sonic.task({task.task_id!r})" in caplog.text for task in sandbox.tasks)
    assert {task.id for task in run.tasks} <= {task.task_id for task in sandbox.tasks}


async def test_run_start_after_close_raises(client: MusicAPI, sandbox: Sandbox) -> None:
    run = client.run(requests(0))
    await run.aclose()

    with pytest.raises(RuntimeError, match="run was closed"):
        run.start(sonic.Describe(description="one more"))

    assert sandbox.tasks == ()


async def test_run_next_during_close_returns_none(client: MusicAPI) -> None:
    run = client.run(requests(0))
    run.start(sonic.Describe(description="cancelled before its first step"))
    pending = asyncio.create_task(run.next())
    closing = asyncio.create_task(run.aclose())
    async with asyncio.timeout(3):
        await closing
        outcome = await pending

    assert outcome is None


async def test_run_whose_source_is_cancelled_raises_cancelled_error(quick_client: MusicAPI) -> None:
    async def source() -> AsyncIterator[sonic.Describe]:
        yield sonic.Describe(description="the only one")
        raise asyncio.CancelledError

    outcomes: list[Outcome[Songs]] = []

    async def gather() -> None:
        async for outcome in quick_client.run(source(), in_flight=1):
            outcomes.append(outcome)  # noqa: PERF401 - the loop must be seen to raise

    with pytest.raises(asyncio.CancelledError):
        await gather()

    assert [outcome.error for outcome in outcomes] == [None]


async def test_run_next_after_an_unexpected_error_raises_it(
    quick_client: MusicAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``next()`` alone must say it too: the facade fills the run itself."""
    run = quick_client.run(requests(0))

    def no_memory(_: object) -> dict[str, object]:
        raise MemoryError

    monkeypatch.setattr(sonic.Describe, "to_wire", no_memory)
    run.start(sonic.Describe(description="rain"))

    with pytest.raises(MemoryError):
        await run.next()
