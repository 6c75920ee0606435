"""``musicapi bulk resolve``: what its user found out about uncertain requests."""

from pathlib import Path

import attrs

from musicapi_async import bulk
from musicapi_async.cli.bulk import JOURNAL
from musicapi_async.cli.ending import in_order
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.screen import Screen

__all__ = ["Resolution", "resolve"]


@attrs.frozen(kw_only=True)
class Resolution:
    """The arguments of ``musicapi bulk resolve``: see its options."""

    folder: Path
    words: tuple[str, ...]
    """A key and a task's id, or keys with ``not_sent``."""
    not_sent: bool
    everything: bool
    is_current: bool | None

    def check(self) -> None:
        """Raise UsageError where the arguments do not belong together."""
        if self.everything and not self.not_sent:
            raise UsageError("--all goes with --not-sent; for tasks that were found, give KEY TASK_ID, one at a time")
        if self.not_sent and bool(self.words) == self.everything:
            raise UsageError("give --not-sent the keys of the requests that were not accepted, or --all")
        if not self.not_sent and len(self.words) != len(("KEY", "TASK_ID")):
            raise UsageError("give KEY TASK_ID for a task that was found, or --not-sent with keys, or --not-sent --all")
        if not (self.folder / JOURNAL).exists():
            raise UsageError(f"there is no {JOURNAL} in {self.folder}")


async def resolve(resolution: Resolution, screen: Screen) -> None:
    """Record what became of uncertain requests; raises InvalidRequestError for a key that is not uncertain."""
    resolution.check()
    async with in_order(bulk.open(resolution.folder / JOURNAL, is_current=resolution.is_current)) as journal:
        if resolution.not_sent:
            keys = None if resolution.everything else resolution.words
            count = await bulk.resolve_not_sent(journal, keys)
            screen.tell({"not_sent": count})
            screen.say(f"{count:,} requests were not accepted: the next run sends those that are still asked for")
            return
        key, task_id = resolution.words
        await bulk.resolve_as_accepted(journal, key, task_id)
    screen.tell({"key": key, "task_id": task_id})
    screen.say(f"{key} is task {task_id}: the next run resumes it")
