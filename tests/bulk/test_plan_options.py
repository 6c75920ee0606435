"""The options of a plan: what is refused, and what a journal gives back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicapi_async import bulk
from musicapi_async.bulk.journal import PLAN
from musicapi_async.bulk.plan_options import PlanOptions, recall_options, remember_options
from musicapi_async.errors import InvalidRequestError, JournalError

AMOUNTS = st.floats(min_value=0, max_value=1e12) | st.integers(min_value=0, max_value=10**12)
OPTIONS = st.builds(
    PlanOptions,
    in_flight=st.none() | st.integers(1, 100_000),
    max_credits=st.none() | AMOUNTS,
    create_rate=st.none() | st.floats(min_value=1e-6, max_value=1e6),
    attempts=st.none() | st.integers(1, 100),
    names=st.sampled_from([None, "{index:05d}-{clip_id}.{ext}", "é-{clip_id}.{ext}"]),
    timeout=st.none() | AMOUNTS,
    operation=st.sampled_from([None, "sonic.describe", "producer.create"]),
)


@settings(max_examples=30, deadline=None)
@given(options=st.lists(OPTIONS, min_size=1, max_size=5))
def test_plan_options_kept_in_a_journal_come_back_as_they_were(
    options: list[PlanOptions], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def keep() -> None:
        async with bulk.open(tmp_path_factory.mktemp("options") / "journal.db") as journal:
            for one in options:
                await remember_options(journal, one)
                assert await recall_options(journal) == one

    asyncio.run(keep())


async def test_plan_options_of_a_journal_without_any_are_the_default(path: Path) -> None:
    async with bulk.open(path) as journal:
        assert await recall_options(journal) == PlanOptions()
        await remember_options(journal, PlanOptions(in_flight=5))
        await remember_options(journal, PlanOptions(attempts=2))
    async with bulk.open(path) as journal:
        assert await recall_options(journal) == PlanOptions(attempts=2)


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("in_flight", 0, "1 to 100000"),
        ("in_flight", 100_001, "1 to 100000"),
        ("in_flight", True, "1 to 100000"),
        ("in_flight", 2.0, "1 to 100000"),
        ("max_credits", -1, ">= 0, or None"),
        ("max_credits", float("nan"), ">= 0, or None"),
        ("max_credits", float("inf"), ">= 0, or None"),
        ("max_credits", "5", ">= 0, or None"),
        ("create_rate", 0, "> 0, or None"),
        ("create_rate", float("inf"), "> 0, or None"),
        ("attempts", 101, "1 to 100"),
        ("timeout", -0.1, ">= 0, or None"),
    ],
)
def test_plan_options_with_a_wrong_number_name_field_value_and_limit(name: str, value: Any, limit: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^{name} is .*{value!r}.*; it must be a") as refused:
        PlanOptions(**{name: value})

    assert (refused.value.field, refused.value.limit) == (name, limit)
    assert repr(refused.value.value) == repr(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("names", "{title}.{ext}"), ("names", 5), ("operation", "sonic.bpm"), ("operation", ""), ("operation", 5)],
)
def test_plan_options_with_a_wrong_text_name_the_field(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        PlanOptions(**{name: value})

    assert refused.value.field == name


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"in_flight": 5, "per_worker": 2}, "options of a newer version of this package .per_worker.: update"),
        ({"in_flight": 0}, "refused by this version of the package: in_flight is 0; it must be"),
        (["in_flight"], "cannot be read: plan the requests again"),
    ],
)
async def test_plan_options_that_this_version_does_not_accept_are_refused(
    kept: object, expected: str, path: Path
) -> None:
    async with bulk.open(path) as journal:
        await journal.remember(PLAN, kept)
        with pytest.raises(JournalError, match=expected):
            await recall_options(journal)
