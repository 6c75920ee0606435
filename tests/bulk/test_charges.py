"""The charges of a record over all its attempts: the pure rule, and the journal that stores them."""

from pathlib import Path

import pytest

from musicapi_async import bulk
from musicapi_async.bulk import Changes, Planned, Record, State
from musicapi_async.bulk.records import attempts_after, charged_after


def record(state: State, charge: float | None, charged: float) -> Record:
    return Record(
        key="k", operation="sonic.describe", request={}, number=1, state=state, charge=charge, charged=charged
    )


@pytest.mark.parametrize(
    ("before", "after", "charged"),
    [
        (record("planned", None, 0), "sending", 20),
        (record("planned", 15, 15), "sending", 35),  # sent again after an attempt that was not refunded
        (record("sending", 20, 20), "planned", 0),
        (record("sending", 20, 35), "refused", 15),
        (record("sending", 20, 20), "accepted", 20),
        (record("sending", 20, 20), "uncertain", 20),
        (record("uncertain", 20, 20), "planned", 20),
        (record("accepted", 20, 20), "refunded", 0),
        (record("accepted", 20, 20), "failed", 20),
        (record("accepted", None, 0), "refunded", 0),
    ],
)
def test_charged_after_a_transition_counts_what_may_have_been_paid(
    before: Record, after: State, charged: float
) -> None:
    assert charged_after(before, after, Changes(charge=20)) == charged


@pytest.mark.parametrize(
    ("before", "after", "charged", "attempts"),
    [
        (record("uncertain", 20, 35), "planned", 15, 0),
        (record("uncertain", None, 15), "planned", 15, 0),  # it was never sent, as far as the journal knows
        (record("uncertain", 20, 20), "accepted", 20, 1),
        (record("uncertain", 20, 20), "failed", 20, 1),
    ],
)
def test_request_that_was_not_accepted_costs_nothing_and_is_no_attempt(
    before: Record, after: State, charged: float, attempts: int
) -> None:
    facts = Changes(was_not_accepted=True)

    assert (charged_after(before, after, facts), attempts_after(before, after, facts)) == (charged, attempts)


async def test_journal_reopened_after_a_charge_still_knows_it(tmp_path: Path) -> None:
    planned = Planned(key="k", operation="sonic.describe", request={"gpt_description_prompt": "rain"})
    async with bulk.open(tmp_path / "j.db") as journal:
        await journal.plan([planned])
        (found,) = await journal.records("planned")
        sending = await journal.transition(found, "sending", Changes(charge=20.0))
        await journal.transition(sending, "accepted", Changes(task_id="t-1"))
    async with bulk.open(tmp_path / "j.db") as journal:
        (found,) = await journal.records("accepted")
        assert (found.charge, found.charged) == (20.0, 20.0)
        refunded = await journal.transition(found, "refunded")
    assert refunded.charged == 0.0
