"""The backoff delay before a retry."""

import random

from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._transport.retry import FailureKind, TransportError, backoff_delay


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_backoff_delay_grows_within_bounds(attempt: int, seed: int) -> None:
    wait = backoff_delay(attempt, TransportError(FailureKind.CUT, "cut"), random.Random(seed))

    assert wait is not None
    assert 0 <= wait <= min(8.0, 0.5 * 2.0 ** min(attempt, 10))


def test_backoff_delays_are_spread() -> None:
    """Many clients that fail together must not come back together."""
    spread = random.Random(7)
    waits = [backoff_delay(4, TransportError(FailureKind.CUT, "cut"), spread) or 0.0 for _ in range(1000)]

    assert min(waits) < 1
    assert max(waits) > 7
