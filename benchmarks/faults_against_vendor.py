"""The same bad network in front of this package and of ``musicapi-sdk``: what is paid twice, lost, unfinished.

A report, not a test: ``PYTHONPATH=tests python benchmarks/faults_against_vendor.py``. Both make the same songs, a few
at a time, through the same proxy and the same seed: the n-th sending of a song's create meets the same fault. The
sandbox counts. Both are given the same time limit for one exchange and the same interval between polls.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs
import musicapi
from common import KEY, print_table, print_title
from faults.fault_plan import FaultPlan
from faults.proxy import FaultProxy
from faults.user_records import names_of

from musicapi_async import MusicAPI, errors, sonic
from musicapi_async.sandbox import Sandbox

AT_ONCE: Final = 16
A_SONG: Final = 1.5
PATIENCE: Final = 1.0
INTERVAL: Final = 0.2
LONGEST_WAIT: Final = 60.0
MODEL: Final = "sonic-v5"


@attrs.define
class Received:
    """What the user of one client was given."""

    clips: set[str] = attrs.field(factory=set)
    """Clips of all songs that were returned as finished."""
    unfinished: int = 0
    """Returned as finished, and some clip still ran: its audio is a stream."""
    songs: int = 0
    task_ids: set[str] = attrs.field(factory=set)
    uncertain: set[str] = attrs.field(factory=set)
    """Requests that an error named as perhaps accepted."""
    errors: Counter[str] = attrs.field(factory=Counter)
    texts: str = ""
    """All texts of the errors: an id found there is known."""

    def take(self, clips: Iterable[tuple[str, str | None, str | None]]) -> None:
        """Take a result: clips with their state and audio."""
        found = tuple(clips)
        self.songs += 1
        self.clips.update(clip_id for clip_id, _, _ in found)
        is_running = (state not in {"succeeded", "failed"} or "/stream/" in (audio or "") for _, state, audio in found)
        self.unfinished += any(is_running)

    def fail(self, error: Exception) -> None:
        """Take an error."""
        self.errors[type(error).__name__] += 1
        self.texts += f"{error} {vars(error)}\n"


async def through_this_package(url: str, names: Sequence[str]) -> Received:
    received = Received()

    def report(error: errors.UncertainSubmissionError) -> None:
        received.uncertain.update(names_of(error.request))

    requests = (sonic.Describe(description=name, model=MODEL) for name in names)
    # A given rate is kept after a 429; else one create in 3 seconds would go out, and this take half an hour.
    async with MusicAPI(
        KEY, base_url=url, timeout=PATIENCE, poll_interval=INTERVAL, create_rate=1000, on_uncertain=report
    ) as client:
        async for outcome in client.run(requests, in_flight=AT_ONCE, timeout=LONGEST_WAIT):
            if outcome.task is not None:
                received.task_ids.add(outcome.task.id)
            if outcome.error is not None:
                received.fail(outcome.error)
            elif outcome.result is not None:
                received.take((clip.clip_id, clip.state, clip.audio_url) for clip in outcome.result)
    return received


async def through_musicapi_sdk(url: str, names: Sequence[str]) -> Received:
    received = Received()
    options = musicapi.PollOptions(poll_interval_ms=int(INTERVAL * 1000), timeout_ms=int(LONGEST_WAIT * 1000))

    def make(name: str) -> None:
        params = musicapi.SonicCreateParams(custom_mode=False, mv=MODEL, gpt_description_prompt=name)
        try:
            found = client.sonic.generate_and_wait(params, options)
        except Exception as error:  # noqa: BLE001 - any error its user may get
            received.fail(error)
        else:
            received.take((song.clip_id, song.state, song.audio_url) for song in found.data)

    loop = asyncio.get_running_loop()
    with musicapi.MusicAPI(KEY, base_url=url, timeout=PATIENCE) as client, ThreadPoolExecutor(AT_ONCE) as threads:
        await asyncio.gather(*(loop.run_in_executor(threads, make, name) for name in names))
    return received


Through = Callable[[str, Sequence[str]], Awaitable[Received]]


async def measure(name: str, through: Through, given: argparse.Namespace) -> list[str]:
    """Let one client make all songs, and return its row of the table."""
    plan = FaultPlan(seed=given.seed, paid=given.share, polls=given.share / 2, before_reading=False)
    async with Sandbox(seconds=A_SONG, credits=1e9, seed=given.seed) as sandbox:
        async with FaultProxy(int(sandbox.base_url.split(":")[2].split("/")[0]), plan) as proxy:
            received = await through(proxy.base_url, [f"song {number}" for number in range(given.creates)])
            await proxy.drained()
        tasks = sandbox.tasks
    distinct = {name for task in tasks for name in names_of(task.request)}
    known = {task.task_id for task in tasks if task.task_id in received.task_ids or task.task_id in received.texts}
    known |= {task.task_id for task in tasks if received.clips.intersection(task.clip_ids)}
    unknown = [task for task in tasks if task.task_id not in known]
    reported = [task for task in unknown if received.uncertain.intersection(names_of(task.request))]
    faults = sum(count for (where, _), count in plan.injected.items() if where == "POST")
    print(f"{name}: errors {dict(received.errors)}; named as uncertain {len(received.uncertain)}", flush=True)
    figures = (
        given.creates,
        faults,
        len(sandbox.requests("POST /sonic/create")),
        len(tasks),
        len(tasks) - len(distinct),
        len(reported),
        len(unknown) - len(reported),
        received.songs,
        received.unfinished,
    )
    return [name, *map(str, figures)]


async def compare(given: argparse.Namespace) -> None:
    rows = [
        await measure("musicapi-async", through_this_package, given),
        await measure("musicapi-sdk", through_musicapi_sdk, given),
    ]
    print_title(f"{given.creates} songs, faults on {given.share:.0%} of creates and half as many of polls")
    heads = ("creates asked", "faults on them", "reached the server", "accepted", "paid twice")
    more_heads = ("accepted, reported uncertain", "accepted, not reported", "songs returned", "of which unfinished")
    print_table(["client", *heads, *more_heads], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="The same faults in front of two clients.")
    parser.add_argument("--creates", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
