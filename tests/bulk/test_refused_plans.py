"""A batch of requests that is refused: none of it is planned, so that none of it is paid for."""

from pathlib import Path

import pytest

from musicapi_async import errors
from musicapi_async.bulk.keys import Planned
from musicapi_async.bulk.sqlite.journal import SQLiteJournal


def planned(key: str) -> Planned:
    return Planned(key=key, operation="sonic.describe", request={"description": key})


async def test_plan_with_a_key_planned_before_adds_none_of_the_batch(tmp_path: Path) -> None:
    async with SQLiteJournal(tmp_path / "j.db") as journal:
        plan = await journal.new_plan()
        await journal.plan([planned("a")], plan)
        with pytest.raises(errors.InvalidRequestError):
            await journal.plan([planned("new"), planned("a")], plan)
        await journal.activate_plan(plan)

        assert await journal.plan([planned("new")]) == 1
