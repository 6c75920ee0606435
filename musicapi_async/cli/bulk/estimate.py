"""``musicapi bulk FILE --dry-run``: check a file, estimate its cost, and compare it with the journal; send nothing."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from musicapi_async.bulk import State
from musicapi_async.bulk.requests_file import class_of, price_list
from musicapi_async.bulk.saving import timed_clips
from musicapi_async.cli.bulk.journals import JournalChoice
from musicapi_async.cli.bulk.requests_file import RequestsSource
from musicapi_async.cli.bulk.texts import requests_text
from musicapi_async.cli.screen import Screen
from musicapi_async.media.caption_formats import CaptionFormat
from musicapi_async.requests.sonic import AlignLyrics

__all__ = ["estimate"]

KEYS_AT_ONCE = 500


async def estimate(
    source: RequestsSource, choice: JournalChoice, lyrics_as: Sequence[CaptionFormat], screen: Screen
) -> None:
    """Count the requests of a file by operation, their credits, and those that the journal has already."""
    prices = price_list()
    counts: Counter[str] = Counter()
    keys: list[str] = [line.key async for line in source.read(screen, counts)]
    present = await asyncio.to_thread(_states, choice, keys)
    costs = {operation: count * (prices[operation] or 0.0) for operation, count in counts.items()}
    rows = [[operation, f"{count:,}", f"{costs[operation]:,g} credits"] for operation, count in counts.items()]
    if lyrics_as and (clips := sum(count * timed_clips(class_of(name)) for name, count in counts.items())):
        name = AlignLyrics.operation_name
        costs[name] = clips * (AlignLyrics.credits or 0.0)
        rows.append([name, f"{clips:,}", f"{costs[name]:,g} credits, at most"])
    screen.emit({"requests": dict(counts), "credits": costs, "total": sum(costs.values()), "in_journal": dict(present)})
    screen.table(rows)
    unknown = [operation for operation in counts if prices[operation] is None]
    screen.print(
        f"{requests_text(counts.total())}, about {sum(costs.values()):,g} credits at list prices, "
        "including songs that are already saved; nothing was sent"
        + (f"; the price of {', '.join(unknown)} is unknown" if unknown else "")
    )
    if present:
        states = ", ".join(f"{count:,} {state}" for state, count in present.items())
        screen.print(
            f"{present.total():,} of them are in the journal {choice.name} already ({states}); "
            f"{counts.total() - present.total():,} are new"
        )


def _states(choice: JournalChoice, keys: Sequence[str]) -> "Counter[State]":
    """Return how many of these keys the journal has in each state; none where there is no journal yet."""
    found: Counter[State] = Counter()
    if choice.file is not None and not choice.file.exists():
        return found
    with choice.snapshot() as snapshot:
        for start in range(0, len(keys), KEYS_AT_ONCE):
            found.update(snapshot.states(keys[start : start + KEYS_AT_ONCE]).values())
    return found
