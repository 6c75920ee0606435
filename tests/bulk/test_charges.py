"""What a record has cost over all its attempts: the pure rule, and the journal that keeps it."""

from pathlib import Path

import pytest

from musicapi_async.bulk import Facts, Journal, Planned, Row, State
from musicapi_async.bulk.states import attempts_after, charged_after


def row(state: State, charge: float | None, charged: float) -> Row:
    return Row(key="k", operation="sonic.describe", request={}, number=1, state=state, charge=charge, charged=charged)


@pytest.mark.parametrize(
    ("before", "after", "charged"),
    [
        (row("planned", None, 0), "sending", 20),
        (row("planned", 15, 15), "sending", 35),  # sent again after an attempt that was not refunded
        (row("sending", 20, 20), "planned", 0),
        (row("sending", 20, 35), "refused", 15),
        (row("sending", 20, 20), "accepted", 20),
        (row("sending", 20, 20), "uncertain", 20),
        (row("uncertain", 20, 20), "planned", 20),
        (row("accepted", 20, 20), "refunded", 0),
        (row("accepted", 20, 20), "failed", 20),
        (row("accepted", None, 0), "refunded", 0),
    ],
)
def test_charged_after_a_transition_counts_what_may_have_been_paid(before: Row, after: State, charged: float) -> None:
    assert charged_after(before, after, Facts(charge=20)) == charged


@pytest.mark.parametrize(
    ("before", "after", "charged", "attempts"),
    [
        (row("uncertain", 20, 35), "planned", 15, 0),
        (row("uncertain", None, 15), "planned", 15, 0),  # it was never sent, as far as the journal knows
        (row("uncertain", 20, 20), "accepted", 20, 1),
        (row("uncertain", 20, 20), "failed", 20, 1),
    ],
)
def test_request_that_was_not_accepted_costs_nothing_and_is_no_attempt(
    before: Row, after: State, charged: float, attempts: int
) -> None:
    facts = Facts(was_not_accepted=True)

    assert (charged_after(before, after, facts), attempts_after(before, after, facts)) == (charged, attempts)


async def test_journal_reopened_after_a_charge_still_knows_it(tmp_path: Path) -> None:
    planned = Planned(key="k", operation="sonic.describe", request={"gpt_description_prompt": "rain"})
    async with Journal.open(tmp_path / "j.db") as journal:
        await journal.plan([planned])
        (found,) = await journal.rows("planned")
        sending = await journal.move(found, "sending", Facts(charge=20.0))
        await journal.move(sending, "accepted", Facts(task_id="t-1"))
    async with Journal.open(tmp_path / "j.db") as journal:
        (found,) = await journal.rows("accepted")
        assert (found.charge, found.charged) == (20.0, 20.0)
        refunded = await journal.move(found, "refunded")
    assert refunded.charged == 0.0
