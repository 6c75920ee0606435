"""What the service charged for, against what the journal of a bulk run knows, after whatever happened to the run."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs

from musicapi_async import sonic
from musicapi_async.bulk import Journal, Planned
from musicapi_async.sandbox import Fault, Sandbox

__all__ = ["CREATE", "Audit", "audit", "faults", "planned"]

CREATE: Final = "POST /sonic/create"
LOSS: Final = 0.05


@attrs.frozen(kw_only=True)
class Audit:
    """What the service charged for, against what the journal knows."""

    planned: int
    charged: int
    doubled: int
    """Requests that were charged for twice."""
    lost: int
    """Tasks that were charged for, and that no record or extra attempt knows, nor is uncertain about."""
    uncertain: int
    for_nothing: int
    """Uncertain records that were not accepted."""
    unrecovered: int
    """Tasks that were charged for and of which an event was received, whose records are uncertain nevertheless."""
    saved: int
    left: int
    """Records that did not end."""
    extras: int
    """Songs that are paid for besides those of their records."""


def planned(records: int) -> list[Planned]:
    """Return so many different requests."""
    return [Planned.of(f"k-{number}", sonic.Describe(description=f"rain {number}")) for number in range(records)]


def faults(chance: random.Random, count: int, *, delay: float) -> list[Fault]:
    """Return faults for so many submissions: late responses, and every twentieth lost, half of these once charged."""
    return [
        Fault(drop=True, accepted=chance.random() < 0.5) if chance.random() < LOSS else Fault(delay=delay)
        for _ in range(count)
    ]


async def audit(journal: Journal, sandbox: Sandbox, records: int) -> Audit:
    """Set a journal against what the sandbox knows."""
    counts = await journal.counts()
    known = {record.task_id for state in counts for record in await journal.records(state, 0, records)}
    extras = {attempt.task_id for attempt in await journal.extras()}
    uncertain = {_meaning(record.request) for record in await journal.records("uncertain", 0, records)}
    charged = {task.task_id: _meaning(task.request.to_wire()) for task in sandbox.tasks}
    received = {one.task_id for one in sandbox.deliveries if one.status == 200}
    times_charged = Counter(charged.values())
    return Audit(
        planned=records,
        charged=len(charged),
        doubled=sum(count - 1 for count in times_charged.values()),
        lost=sum(task_id not in known | extras and meaning not in uncertain for task_id, meaning in charged.items()),
        uncertain=counts["uncertain"],
        for_nothing=len(uncertain - times_charged.keys()),
        unrecovered=sum(task_id in received and meaning in uncertain for task_id, meaning in charged.items()),
        saved=counts["saved"],
        left=records - counts["saved"] - counts["uncertain"],
        extras=len(extras),
    )


def _meaning(request: Mapping[str, object]) -> str:
    """Return a request as text, without the URL of its events."""
    return str(sorted((name, value) for name, value in request.items() if not name.startswith("webhook_")))
