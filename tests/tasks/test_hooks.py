"""The hooks of a client: on_accepted gets each task as soon as its id is known, on_poll the state of each poll."""

import asyncio
import logging
import pickle
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from scripted import Held, Step, cut, respond, scripted
from service import RUNNING, clip, done, serving

from musicapi_async import AcceptedTask, MusicAPI, TaskState, bulk, errors, sonic

REQUEST = sonic.Describe(description="rain")
ACCEPTED = respond(200, {"task_id": "t-1"})
OTHER = "client.sonic.task('t-1')"


def raising(error: BaseException) -> Callable[[object], None]:
    def hook(_: object) -> None:
        raise error

    return hook


async def test_on_accepted_gets_the_task_before_submit_returns() -> None:
    accepted: list[AcceptedTask] = []
    async with (
        scripted(ACCEPTED) as server,
        MusicAPI("k", base_url=server.base_url, on_accepted=accepted.append) as client,
    ):
        submission = client.submit(REQUEST)
        submission.close()
        task = await client.submit(REQUEST)
        known = list(accepted)

    assert known == [AcceptedTask(task_id="t-1", family="sonic", request=REQUEST, resumption=OTHER)]
    assert (known[0].task_id, known[0].resumption) == (task.id, task.resumption)
    assert pickle.loads(pickle.dumps(known[0])) == known[0]  # noqa: S301 - our own


@pytest.mark.parametrize(
    "response", [ACCEPTED, respond(400, {"error": "in part", "task_id": "t-1"})], ids=["accepted", "refused in part"]
)
async def test_on_accepted_gets_the_task_of_a_submission_cancelled_in_flight(response: Step) -> None:
    accepted: list[AcceptedTask] = []
    held = Held(response)
    async with (
        scripted(held) as server,
        MusicAPI("k", base_url=server.base_url, on_accepted=accepted.append) as client,
    ):
        await held.cancel(client.submit(REQUEST))

    assert [one.task_id for one in accepted] == ["t-1"]


async def test_on_accepted_is_not_called_for_what_was_refused_or_is_uncertain() -> None:
    accepted: list[AcceptedTask] = []
    async with (
        scripted(respond(402, {"error": "no credits"}), cut()) as server,
        MusicAPI("k", base_url=server.base_url, on_accepted=accepted.append) as client,
    ):
        with pytest.raises(errors.InsufficientCreditsError):
            await client.submit(REQUEST)
        with pytest.raises(errors.UncertainSubmissionError):
            await client.submit(REQUEST)

    assert len(server.received) == 2
    assert not accepted


async def test_on_accepted_that_raises_is_logged_and_loses_no_task(caplog: pytest.LogCaptureFixture) -> None:
    hook = raising(ValueError("a bug in the hook"))
    async with scripted(ACCEPTED) as server, MusicAPI("k", base_url=server.base_url, on_accepted=hook) as client:
        task = await client.submit(REQUEST)

    assert task.id == "t-1"
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.getMessage() == f"on_accepted failed (ValueError('a bug in the hook')) on: {OTHER}"
    assert "rain" not in caplog.text


async def test_on_accepted_that_exits_leaves_a_submission_that_returns_its_task() -> None:
    async with (
        scripted(ACCEPTED) as server,
        MusicAPI("k", base_url=server.base_url, on_accepted=raising(SystemExit(3))) as client,
    ):
        submission = client.submit(REQUEST)
        with pytest.raises(SystemExit):
            await submission
        task = await submission

    assert task.id == "t-1"
    assert len(server.received) == 1


async def test_on_accepted_gets_each_task_of_a_batch() -> None:
    accepted: list[AcceptedTask] = []
    body = {"batch_id": "b", "data": [{"task_id": "t-1"}, {"task_id": "t-2"}]}
    request = sonic.SubmitBatch(items=[REQUEST, REQUEST])
    async with (
        scripted(respond(200, body)) as server,
        MusicAPI("k", base_url=server.base_url, on_accepted=accepted.append) as client,
    ):
        await client.call(request)

    assert [(one.task_id, one.request) for one in accepted] == [("t-1", request), ("t-2", request)]


async def test_on_poll_gets_the_state_of_each_poll_before_the_wait_ends() -> None:
    states: list[TaskState[Any]] = []
    responses = [RUNNING, done(clip(0, "running"), clip(1)), done(clip(0), clip(1))]
    async with (
        serving(poll=lambda _: responses.pop(0)) as service,
        MusicAPI("k", base_url=service.base_url, poll_interval=0.01, on_poll=states.append) as client,
    ):
        await client.submit(REQUEST).wait()
        known = list(states)

    assert [(state.task_id, state.status) for state in known] == [
        ("t-0", "waiting"),
        ("t-0", "running"),
        ("t-0", "finished"),
    ]
    assert [len(state.clips) for state in known] == [0, 2, 2]


async def test_on_poll_is_called_for_a_poll_on_demand_and_not_for_one_that_fails() -> None:
    states: list[TaskState[Any]] = []
    async with (
        scripted(respond(400, {"error": "no"}), respond(*RUNNING)) as server,
        MusicAPI("k", base_url=server.base_url, on_poll=states.append) as client,
    ):
        task = client.sonic.task("t-1")
        with pytest.raises(errors.MusicAPIError):
            await task.poll()
        state = await task.poll()

    assert states == [state]


@pytest.mark.parametrize("error", [ValueError("a bug in the hook"), SystemExit(3)])
async def test_on_poll_that_raises_is_logged_and_ends_no_wait(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving() as service,
        MusicAPI("k", base_url=service.base_url, poll_interval=0.01, on_poll=raising(error)) as client,
    ):
        songs = await client.submit(REQUEST).wait()

    assert len(songs) == 2
    assert repr(error) in caplog.text


async def test_on_poll_sees_the_context_variables_of_the_caller_that_waits() -> None:
    name: ContextVar[str] = ContextVar("name", default="none")
    seen: set[tuple[str, str]] = set()

    async def make(client: MusicAPI, number: int) -> None:
        name.set(f"caller-{number}")
        task = await client.submit(REQUEST)
        tasks[task.id] = name.get()
        await task.wait()

    tasks: dict[str, str] = {}
    async with (
        serving() as service,
        MusicAPI(
            "k",
            base_url=service.base_url,
            poll_interval=0.02,
            on_poll=lambda state: seen.add((state.task_id, name.get())),
        ) as client,
    ):
        await asyncio.gather(*(make(client, number) for number in range(5)))

    assert len(tasks) == 5
    assert seen == set(tasks.items())


async def test_view_has_hooks_of_its_own() -> None:
    calls: list[str] = []
    async with serving() as service, MusicAPI("k", base_url=service.base_url, poll_interval=0.01) as client:
        view = client.with_options(
            on_accepted=lambda task: calls.append(f"accepted {task.task_id}"),
            on_poll=lambda state: calls.append(f"polled {state.task_id}"),
        )
        await client.submit(REQUEST).wait()
        await view.submit(REQUEST).wait()

    assert calls == ["accepted t-1", "polled t-1"]


async def test_hooks_are_called_by_runs(tmp_path: Any) -> None:
    calls: list[str] = []
    async with (
        serving() as service,
        MusicAPI(
            "k",
            base_url=service.base_url,
            poll_interval=0.01,
            on_accepted=lambda task: calls.append(f"accepted {task.task_id}"),
            on_poll=lambda state: calls.append(f"polled {state.task_id}"),
        ) as client,
    ):
        async for outcome in client.run([REQUEST]):
            outcome.unwrap()
        async with bulk.open(tmp_path / "journal.db") as journal:
            async for record in bulk.run(client, journal, [REQUEST]):
                record.unwrap()

    assert calls == ["accepted t-0", "polled t-0", "accepted t-1", "polled t-1"]
