"""Tasks that failed are sent again by themselves only after a plain refund, and by a command otherwise."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bulk.runs import described, run_on
from service import clip, done, serving

import musicapi_sync.bulk
from musicapi_async import bulk, errors


def failed(**more: Any) -> tuple[int, object]:
    return 200, {"type": "failed", "message": "generation failed", **more}


@pytest.mark.parametrize(
    "text",
    [
        "generation failed",
        "Credits cannot be refunded.",
        "no credits were refunded",
        "your credits will be refunded",
        "credits are not yet refunded",
        "refund pending",
        "refunded credits are not available for this plan",
    ],
)
async def test_failed_task_without_a_plain_refund_is_not_paid_for_again(text: str, path: Path) -> None:
    async with serving(poll=lambda _: failed(message=text)) as service:
        (outcome,) = await run_on(service.base_url, path, described("rain"))
        assert await run_on(service.base_url, path, described("rain")) == []

        assert len(service.created) == 1
    assert outcome.record.state == "failed"
    assert outcome.record.charged == 20


@pytest.mark.parametrize("more", [{"already_refunded": True}, {"message": "Credits were previously refunded."}])
async def test_failed_task_with_a_plain_refund_is_sent_again(more: dict[str, Any], store: Path | str) -> None:
    async with serving() as service:
        service.poll = lambda number: failed(**more) if number < 2 else done(clip(0), clip(1))
        (outcome,) = await run_on(service.base_url, store, described("rain"))

        assert len(service.created) == 3
    assert (outcome.record.state, outcome.record.charged) == ("saved", 20)


async def test_retry_failed_sends_the_named_records_again_and_counts_both_charges(store: Path | str) -> None:
    async with serving(poll=lambda _: failed()) as service:
        (outcome,) = await run_on(service.base_url, store, described("rain"))
        async with bulk.open(store) as journal:
            assert await bulk.retry_failed(journal, "another") == 0
            assert await bulk.retry_failed(journal, outcome.record.key) == 1
        with pytest.raises(errors.BudgetExceededError):
            await run_on(service.base_url, store, described("rain"), max_credits=30)
        service.poll = lambda _: done(clip(0), clip(1))
        (outcome,) = await run_on(service.base_url, store, described("rain"), max_credits=40)

        assert len(service.created) == 2
    assert (outcome.record.state, outcome.record.charged) == ("saved", 40)


async def test_retry_failed_in_the_blocking_package_does_the_same(path: Path) -> None:
    async with serving(poll=lambda _: failed()) as service:
        await run_on(service.base_url, path, described("rain"))

    def retry() -> int:
        with musicapi_sync.bulk.open(path) as journal:
            return musicapi_sync.bulk.retry_failed(journal)

    assert await asyncio.to_thread(retry) == 1
