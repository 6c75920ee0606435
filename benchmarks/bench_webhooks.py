"""Verifying an event of two clips with 400 word timings each (106 kB): CPU time, with orjson and without it.

The baseline is what no verifier can do without: HMAC-SHA256 over the same bytes, a comparison, and the JSON parse. The
event's clips are structured on first access; what that adds, words included, is shown beside it. No server takes part:
body and headers are in memory.
"""

import gc
import hashlib
import hmac
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final

from common import MICROSECONDS, in_a_fresh_process, print_table, print_title, ratio, verdict
from long_response import CLIPS, RESPONSE, TASK_ID, WORDS

ROUNDS: Final = 60
EVENTS: Final = 10
TARGET: Final = 1.2
SECRET: Final = "a-secret-of-forty-letters-for-the-events"

BARE: Final = "HMAC, comparison and JSON parse alone"
VERIFIED: Final = "webhooks.verify"
CLIPS_READ: Final = "webhooks.verify, clips structured"
WORDS_READ: Final = "webhooks.verify, clips and words structured"

ENVELOPE: Final = {"event": "song.completed", "task_id": TASK_ID, "platform": "suno"}
BODY: Final = json.dumps({**json.loads(RESPONSE), **ENVELOPE}).encode()


def signature(timestamp: str) -> str:
    """Sign the body as the service does."""
    return hmac.new(SECRET.encode(), f"{timestamp}.".encode() + BODY, hashlib.sha256).hexdigest()


def contenders() -> Mapping[str, Callable[[], object]]:
    """Return the ways to read an event, over the JSON parser that this process has."""
    from musicapi_async import webhooks  # noqa: PLC0415 - after orjson is hidden
    from musicapi_async.wire.json import read_json  # noqa: PLC0415

    timestamp = str(int(time.time()))
    signed = signature(timestamp)
    headers = {
        "Host": "app.example",
        "Content-Type": "application/json",
        "Content-Length": str(len(BODY)),
        "User-Agent": "events/1",
        "X-Webhook-Id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "Idempotency-Key": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "X-Webhook-Event": "song.completed",
        "X-Webhook-Timestamp": timestamp,
        "X-Webhook-Signature": f"sha256={signed}",
    }

    def bare() -> object:
        expected = hmac.digest(SECRET.encode(), f"{timestamp}.".encode() + BODY, "sha256")
        if not hmac.compare_digest(expected.hex(), signed):
            raise RuntimeError("the signature is wrong")
        return read_json(BODY)

    def clips() -> object:
        return webhooks.verify(BODY, headers, SECRET).clips

    def words() -> object:
        if sum(len(clip.words) for clip in webhooks.verify(BODY, headers, SECRET).clips) != CLIPS * WORDS:
            raise RuntimeError("words are missing")
        return None

    return {BARE: bare, VERIFIED: lambda: webhooks.verify(BODY, headers, SECRET), CLIPS_READ: clips, WORDS_READ: words}


def measure(*, with_orjson: bool) -> dict[str, float]:
    """Measure in this process; return microseconds an event by contender, and the ratio within a round."""
    if not with_orjson:
        sys.modules["orjson"] = None  # type: ignore[assignment]  # an import of it fails
    ways = contenders()
    names = deque(ways)
    costs: dict[str, list[float]] = {name: [] for name in ways}
    gc.freeze()
    for turn in range(ROUNDS + 1):
        for name in names:
            gc.collect()
            begun = time.process_time()
            for _ in range(EVENTS):
                ways[name]()
            if turn:
                costs[name].append((time.process_time() - begun) / EVENTS * MICROSECONDS)
        names.rotate()
    ratios = {f"{name} ratio": ratio(of_name, costs[BARE]) for name, of_name in costs.items()}
    found = {name: median(of_name) for name, of_name in costs.items()}
    for name, one in ratios.items():
        found |= {name: one.median, f"{name} low": one.low, f"{name} high": one.high}
    return found


def main() -> None:
    """Print the table for both JSON parsers."""
    if sys.argv[1:]:
        json.dump(measure(with_orjson=sys.argv[1] == "orjson"), sys.stdout)
        return
    print_title(f"Verifying an event of {len(BODY) / 1000:.0f} kB")
    figures = {parser: in_a_fresh_process(__file__, parser) for parser in ("orjson", "json")}
    heads = [f"{head}, {parser}" for parser in figures for head in ("CPU µs", "ratio")]
    rows = []
    for name in (BARE, VERIFIED, CLIPS_READ, WORDS_READ):
        cells = [name]
        for found in figures.values():
            middle = [found[f"{name} ratio{end}"] for end in ("", " low", " high")]
            cells += [f"{found[name]:.0f}", "{:.2f} ({:.2f} to {:.2f})".format(*middle)]
        rows.append(cells)
    print_table(["an event through", *heads], rows)
    for parser, found in figures.items():
        verdict(
            f"verify takes {found[f'{VERIFIED} ratio']:.2f} times the bare work ({parser})",
            found[f"{VERIFIED} ratio"],
            TARGET,
        )


if __name__ == "__main__":
    main()
