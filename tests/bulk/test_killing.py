"""Killed at any moment, a bulk run goes on where it was: nothing is paid for twice, nothing paid for is lost."""

import pytest
from bulk.killing import kill


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_again_and_again_it_pays_once_and_loses_nothing(seed: int) -> None:
    books = await kill(rows=100, kills=4, seed=seed)

    assert (books.doubled, books.lost, books.left) == (0, 0, 0), books
    assert books.saved + books.uncertain == books.planned == 100
    assert books.saved <= books.charged <= books.planned
    # At most eight in the air for each kill, and the answers that were lost.
    assert books.uncertain < 100 * 0.12 + books.kills * 8
