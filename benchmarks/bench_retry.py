"""A poll that succeeds at once: its attempt inside backoff's retry loop, against outside of it.

The transport starts backoff after the first failed attempt only; what it costs a poll that succeeds is the reason.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Final

import backoff
from common import (
    KEY,
    Contender,
    OnALoop,
    Sender,
    cpu_ratio,
    fake_service,
    interleaved,
    print_costs,
    print_title,
    verdict,
)

from musicapi_async import MusicAPI

ROUNDS: Final = 100
REQUESTS: Final = 256
CONCURRENCIES: Final = (1, 64)
WORTH_IT: Final = 1.03
OUTSIDE: Final = "outside backoff"
INSIDE: Final = "inside backoff"


@asynccontextmanager
async def polling(base_url: str, *, is_inside: bool) -> AsyncIterator[Sender]:
    async with MusicAPI(KEY, base_url=base_url) as client:
        poll = client.sonic.task("0f8fad5b-d9cb-469f-a165-708677289501").poll
        # On top of the poll: only one of the two pays for a retry loop.
        retry = backoff.on_exception(backoff.constant, LookupError, max_tries=4, jitter=None, logger=None)
        yield retry(poll) if is_inside else poll


def contenders(base_url: str, stack: ExitStack) -> list[Contender]:
    return [
        OnALoop(OUTSIDE, polling(base_url, is_inside=False), stack),
        OnALoop(INSIDE, polling(base_url, is_inside=True), stack),
    ]


def main() -> None:
    with fake_service() as url:
        costs = interleaved(
            partial(contenders, f"{url}/running"), rounds=ROUNDS, requests=REQUESTS, concurrencies=CONCURRENCIES
        )
    print_title("A poll that succeeds")
    print_costs(costs, baseline=OUTSIDE, concurrencies=CONCURRENCIES, unit="{} at once")
    for concurrency in CONCURRENCIES:
        found = cpu_ratio(costs, INSIDE, OUTSIDE, concurrency)
        verdict(
            f"{concurrency} at once: a poll inside backoff takes {found} times the CPU",
            found.median,
            WORTH_IT,
            at_least=True,
        )


if __name__ == "__main__":
    main()
