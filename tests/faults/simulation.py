"""A simulation with many faults: users, restarts and outages in front of a sandbox, and an audit of the result.

Events come too, with faults of their own, and find the tasks of submissions whose response was lost.

Run it with other seeds: ``PYTHONPATH=tests python -m faults.simulation --seeds 20 --steps 3000``.
"""

import argparse
import asyncio
import contextlib
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Final

import aiohttp
import attrs
from aiohttp import web
from faults.fault_plan import Fault, FaultPlan
from faults.proxy import FaultProxy
from faults.user_records import Findings, UserRecords
from faults.users import Scene, User
from receiving import hook_server
from signing import SECRET

from musicapi_async import MusicAPI, Songs, Task, errors
from musicapi_async.sandbox import EventFault, Sandbox

__all__ = ["Simulation", "simulate"]

KEY: Final = "a-key"
CREDITS: Final = 1e9
USERS: Final = 40
A_SONG: Final = 0.4
"""Seconds."""
PATIENCE: Final = 0.4
"""Seconds a client gives each exchange: what stalls takes as long."""
THE_END: Final = 60.0
ODD_ENDINGS: Final = ("partial", "one_clip", "all_failed", "timeout", "forbidden", "api_error")
EVENT_FAULTS: Final = {
    EventFault(lost=True): 0.1,
    EventFault(doubled=True): 0.1,
    EventFault(reordered=True): 0.1,
    EventFault(delay=0.2): 0.05,
    EventFault(forged=True): 0.05,
    EventFault(before_response=True): 0.02,
}
LEAST_SHARE: Final = 0.1
"""Of the paid requests: with fewer faults a simulation shows nothing."""

Maker = Callable[..., MusicAPI]


@attrs.frozen(kw_only=True)
class Simulation:
    """The result of a simulation."""

    seed: int
    actions: int
    restarts: int
    outages: int
    posts: int
    injected: Counter[tuple[str, Fault]]
    findings: Findings
    left: tuple[str, ...]
    """Connections and tasks of the event loop that were open after everything was closed."""

    @property
    def is_calm(self) -> bool:
        """True when too little went wrong to show anything."""
        paid = {fault: count for (where, fault), count in self.injected.items() if where != "GET"}
        has_few_faults = sum(paid.values()) < LEAST_SHARE * self.posts or len(paid) < len(Fault)
        return has_few_faults or not self.findings.recovered

    @property
    def wrong(self) -> dict[str, object]:
        """The findings that must be zero and are not."""
        return (
            self.findings.wrong | ({"left": self.left} if self.left else {}) | ({"calm": True} if self.is_calm else {})
        )

    def __str__(self) -> str:
        found, faults = self.findings, sum(self.injected.values())
        return (
            f"seed {self.seed}: {self.actions} actions, {found.requests} requests, {faults} faults injected, "
            f"{self.restarts} restarts, {self.outages} outages\n"
            f"  accepted {found.accepted}, duplicates {found.duplicates}, lost {found.lost}, "
            f"uncertain {found.uncertain} (of which accepted {found.uncertain_accepted}, "
            f"found by their events {found.recovered})\n"
            f"  ended with songs {found.songs}, failed {found.failed}, unfinished {found.unfinished}; "
            f"credits charged {found.charged:.0f}, refunded {found.refunded:.0f}, unaccounted {found.missing:.0f}\n"
            f"  wrong: {self.wrong or 'nothing'}"
        )


async def simulate(seed: int, steps: int, make: Maker = MusicAPI, share: float = 0.3) -> Simulation:
    """Let the users do this many things with clients made by ``make``, then compare their records with the server's.

    ``share`` is that of the paid requests that meet a fault; of the polls it is half as many.
    """
    before = asyncio.all_tasks()
    plan = FaultPlan(seed=seed, paid=share, polls=share / 2)
    records = UserRecords()
    async with (
        _receiving(lambda: scene.client) as webhook_url,
        Sandbox(
            seconds=A_SONG, credits=CREDITS, keys=(KEY,), seed=seed, endings={"failed": 0.05}, event_faults=EVENT_FAULTS
        ) as sandbox,
    ):
        sandbox.end_next(*ODD_ENDINGS)
        async with FaultProxy(int(sandbox.base_url.split(":")[2].split("/")[0]), plan) as proxy:

            def client() -> MusicAPI:
                return make(
                    KEY,
                    base_url=proxy.base_url,
                    timeout=PATIENCE,
                    poll_interval=0.05,
                    create_rate=1000.0,
                    on_uncertain=records.on_uncertain,
                    webhook_url=webhook_url,
                    webhook_secret=SECRET,
                    # Odd seeds take the HTTP library's own path of a request.
                    trace_configs=[aiohttp.TraceConfig()] * (seed % 2),
                )

            scene = Scene(client(), records)
            restarts, outages = await _live(scene, client, proxy, random.Random(f"{seed} fate"), seed, steps)
            await scene.client.aclose()
            # What was on its way is served before it is counted.
            left = await _left(proxy)
            scene.note_runs()
            plan.clear()
            async with client() as last:
                scene.client = last
                await asyncio.gather(
                    *(_see_end(last, records, task_id) for task_id in records.tasks.keys() - records.ended)
                )
                balance = (await last.account.credits()).total
            left += await _left(proxy)
            account = sandbox.account(KEY)
            if balance != account.credits:
                left += (f"a balance of {balance}, not {account.credits}",)
            findings = records.audit(sandbox.tasks, account, CREDITS)
            posts = sum(1 for received in sandbox.requests() if received.route.startswith("POST"))
    left += tuple(map(repr, asyncio.all_tasks() - before))
    return Simulation(
        seed=seed,
        actions=scene.actions,
        restarts=restarts,
        outages=outages,
        posts=posts,
        injected=plan.injected,
        findings=findings,
        left=left,
    )


@contextlib.asynccontextmanager
async def _receiving(client: Callable[[], MusicAPI]) -> AsyncIterator[str]:
    """Pass events to the client of the moment, which may be closed; yield their URL."""

    async def receive(request: web.Request) -> web.Response:
        return await client().webhooks.aiohttp(request)

    async with hook_server(receive) as url:
        yield url


async def _live(
    scene: Scene, client: Callable[[], MusicAPI], proxy: FaultProxy, fate: random.Random, seed: int, steps: int
) -> tuple[int, int]:
    """Let the users live, while clients are closed and made anew and the service is down now and then."""
    users = [User(scene, f"{seed} user {number}") for number in range(USERS)]
    living = asyncio.gather(*(user.live(steps // USERS) for user in users))
    restarts = outages = 0
    while not living.done():
        await asyncio.wait({living}, timeout=fate.uniform(0.1, 0.6))
        if fate.random() < 0.4:
            outages += 1
            async with proxy.down():
                await asyncio.wait({living}, timeout=fate.uniform(0, 0.05))
        else:
            restarts += 1
            old, scene.client = scene.client, client()
            # A closing that is interrupted is begun again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(fate.choice((0.001, 0.05, None))):
                    await old.aclose()
            await old.aclose()
    await living
    return restarts, outages


async def _see_end(client: MusicAPI, records: UserRecords, task_id: str) -> None:
    """Resume a task by its id and wait for its end: no id that was returned may be useless."""
    task: Task[Songs] = getattr(client, records.tasks[task_id]).task(task_id)
    try:
        records.add_result(task_id, await task.wait(THE_END))
    except errors.MusicAPIError as error:
        records.add_error(error)


async def _left(proxy: FaultProxy) -> tuple[str, ...]:
    try:
        await proxy.drained()
    except TimeoutError:
        return (f"{proxy.connections} connections",)
    return ()


def main() -> None:
    """Run several simulations, and exit with 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description="Simulate many users on a network with many faults.")
    parser.add_argument("--seeds", type=int, default=5, help="how many simulations")
    parser.add_argument("--steps", type=int, default=3000, help="actions of the users in each")
    parser.add_argument("--first", type=int, default=random.randrange(10**6), help="the first seed")
    given = parser.parse_args()
    is_wrong = False
    for seed in range(given.first, given.first + given.seeds):
        simulation = asyncio.run(simulate(seed, given.steps))
        print(simulation, flush=True)  # noqa: T201 - this is a script as well
        is_wrong |= bool(simulation.wrong)
    sys.exit(is_wrong)


if __name__ == "__main__":
    main()
