"""What the balance shows about an uncertain submission: never more than this client can know."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from scripted import Step, cut, respond, scripted

from musicapi_async import MusicAPI, errors, sonic
from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.sandbox import Fault, Sandbox

REQUEST = sonic.Describe(description="rain")
CREATE = "POST /sonic/create"


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0)


async def test_investigation_without_an_earlier_balance_is_unclear() -> None:
    async with Sandbox(credits=100) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)
        evidence = await client.investigate(caught.value)

    assert (caught.value.balance, evidence.spent, evidence.verdict) == (None, None, "unclear")
    assert evidence.after < 100


@pytest.mark.parametrize(("accepted", "verdict"), [(True, "charged"), (False, "not charged")])
async def test_investigation_with_an_earlier_balance_says_whether_it_was_charged(accepted: bool, verdict: str) -> None:  # noqa: FBT001
    async with Sandbox(credits=100) as sandbox, MusicAPI("k", base_url=sandbox.base_url) as client:
        await client.account.credits()
        sandbox.add_fault(CREATE, Fault(drop=True, accepted=accepted))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)
        balance_requests = len(sandbox.requests("GET /get-credits"))
        evidence = await client.investigate(caught.value)

    # Only on request, never behind the user's back.
    assert balance_requests == 1
    assert caught.value.balance == 100
    assert caught.value.balance_at is not None
    assert (evidence.verdict, evidence.before, evidence.accepted, evidence.uncertain) == (verdict, 100, 0, 1)
    assert evidence.spent == (100 - evidence.after)
    assert (evidence.spent > 0) is accepted


async def test_investigation_after_other_accepted_requests_is_unclear(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url) as client:
        await client.account.credits()
        await client.submit(REQUEST)
        sandbox.add_fault(CREATE, Fault(drop=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)
        evidence = await client.investigate(caught.value)

    assert (evidence.verdict, evidence.accepted) == ("unclear", 1)


async def test_investigation_during_an_async_export_counts_it(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        song = await client.submit(REQUEST)
        sandbox.advance(4000)
        clip = (await song.wait())[0]
        await client.account.credits()
        preparing = asyncio.create_task(client.sonic.midi(clip=clip))
        await until(lambda: len(sandbox.requests("POST /sonic/midi")) > 0)
        sandbox.advance(4000)
        sandbox.add_fault(CREATE, Fault(drop=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)
        evidence = await client.investigate(caught.value)
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)

    assert (evidence.verdict, evidence.accepted) == ("unclear", 1)


async def test_investigation_with_an_older_refundable_task_is_unclear(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        sandbox.end_next("failed")
        older = await client.submit(REQUEST)
        await client.account.credits()
        sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)
        sandbox.advance(4000)
        evidence = await client.investigate(caught.value)
        with pytest.raises(errors.TaskFailedError):
            await older.wait()

    # What it cost came back from the other: equal balances would lie.
    assert (evidence.spent, evidence.verdict) == (0, "unclear")


async def test_investigation_after_finished_tasks_is_conclusive(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        older = await client.submit(REQUEST)
        sandbox.advance(4000)
        await older.wait()
        await client.account.credits()
        sandbox.add_fault(CREATE, Fault(drop=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

        assert (await client.investigate(caught.value)).verdict == "not charged"


async def batch(client: MusicAPI, _: Sandbox) -> None:
    await client.sonic.batch(items=[REQUEST, REQUEST])


async def uncertain(client: MusicAPI, sandbox: Sandbox) -> None:
    sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
    with pytest.raises(UncertainSubmissionError):
        await client.submit(REQUEST)


async def plain_post(client: MusicAPI, _: Sandbox) -> None:
    await client.request("POST", "/sonic/create", json=REQUEST.to_wire())  # type: ignore[arg-type]  # JSON by its nature


async def by_its_id(client: MusicAPI, sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url) as another:
        task_id = (await another.submit(REQUEST)).id
    client.sonic.task(task_id)


@pytest.mark.parametrize("older", [batch, uncertain, plain_post, by_its_id])
async def test_investigation_with_older_refundable_work_never_says_not_charged(
    older: Callable[[MusicAPI, Sandbox], Awaitable[None]], sandbox: Sandbox
) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url) as client:
        sandbox.end_next("failed", "songs")
        await older(client, sandbox)
        await client.account.credits()
        sandbox.add_fault(CREATE, Fault(drop=True, accepted=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)
        sandbox.advance(4000)

        assert (await client.investigate(caught.value)).verdict != "not charged"


async def test_investigation_after_a_resumed_task_ended_is_conclusive(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        task_id = (await client.submit(REQUEST)).id
        sandbox.advance(4000)
        await client.sonic.task(task_id).wait()
        await client.account.credits()
        sandbox.add_fault(CREATE, Fault(drop=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

        assert (await client.investigate(caught.value)).verdict == "not charged"


async def test_investigation_after_all_tasks_of_a_batch_ended_is_conclusive(sandbox: Sandbox) -> None:
    async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
        started = await client.sonic.batch(items=[REQUEST, REQUEST])
        sandbox.advance(4000)
        for one in started:
            await client.sonic.task(one.task_id or "").wait()
        await client.account.credits()
        sandbox.add_fault(CREATE, Fault(drop=True))
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)

        assert (await client.investigate(caught.value)).verdict == "not charged"


async def test_balance_read_during_a_submission_is_not_the_earlier_one() -> None:
    may_break = asyncio.Event()
    balances = iter((100, 80, 80))

    async def step(writer: asyncio.StreamWriter) -> bool:
        if server.received[-1].method == "GET":
            return await respond(200, {"credits": next(balances)})(writer)
        await may_break.wait()
        return await cut()(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        await client.account.credits()
        creating = asyncio.create_task(client.submit(REQUEST))
        await until(lambda: len(server.received) == 2)
        # It is charged already, and not answered yet.
        assert (await client.account.credits()).credits == 80
        may_break.set()
        with pytest.raises(UncertainSubmissionError) as caught:
            await creating

        evidence = await client.investigate(caught.value)
        assert (caught.value.balance, evidence.verdict) == (100, "charged")


@pytest.mark.parametrize("is_answered_in_time", [True, False])
async def test_investigation_with_a_submission_in_flight_is_unclear(is_answered_in_time: bool) -> None:  # noqa: FBT001
    may_pay, may_tell = asyncio.Event(), asyncio.Event()
    gets: list[asyncio.Event | None] = [None, may_tell]
    posts: list[Step] = [cut(), respond(200, {"task_id": "t-2"})]

    async def step(writer: asyncio.StreamWriter) -> bool:
        if server.received[-1].method == "POST":
            answer = posts.pop(0)
            if not posts:
                await may_pay.wait()
            return await answer(writer)
        wait = gets.pop(0)
        if wait is None:
            return await respond(200, {"credits": 100})(writer)
        await wait.wait()
        return await respond(200, {"credits": 80})(writer)

    async with scripted(step) as server, MusicAPI("k", base_url=server.base_url) as client:
        await client.account.credits()
        with pytest.raises(UncertainSubmissionError) as caught:
            await client.submit(REQUEST)
        investigating = asyncio.create_task(client.investigate(caught.value))
        await until(lambda: len(server.received) == 3)
        paying = asyncio.create_task(client.submit(REQUEST))
        await until(lambda: len(server.received) == 4)
        if is_answered_in_time:
            may_pay.set()
            await paying
        may_tell.set()
        evidence = await investigating
        may_pay.set()
        await paying

        assert (evidence.spent, evidence.verdict) == (20, "unclear")
