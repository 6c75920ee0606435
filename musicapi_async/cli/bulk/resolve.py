"""``musicapi bulk resolve``: the user's decision on uncertain requests, on which the next run acts."""

from collections.abc import Sequence

import attrs

from musicapi_async import bulk
from musicapi_async.cli.bulk.journals import JournalChoice
from musicapi_async.cli.bulk.texts import requests_text
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.running import closing_shielded
from musicapi_async.cli.screen import Screen

__all__ = ["Resolution", "resolve"]


@attrs.frozen(kw_only=True)
class Resolution:
    """What became of uncertain requests, as the user states it."""

    choice: JournalChoice
    arguments: Sequence[str]
    """A key and the id of its task; with ``not_sent`` keys, none for all."""
    not_sent: bool
    all_uncertain: bool
    is_current: bool | None

    def check(self) -> None:
        """Raise UsageError if the arguments do not fit together, or there is no journal."""
        if self.all_uncertain and not self.not_sent:
            raise UsageError("--all needs --not-sent; for a task that you found, give KEY TASK_ID, one pair at a time")
        if self.not_sent and bool(self.arguments) == self.all_uncertain:
            raise UsageError("with --not-sent, give the keys of requests that were not accepted, or --all")
        if not self.not_sent and len(self.arguments) != len(("KEY", "TASK_ID")):
            raise UsageError("give KEY TASK_ID for a task that you found, or --not-sent with keys, or --not-sent --all")
        self.choice.check_exists()


async def resolve(resolution: Resolution, screen: Screen) -> None:
    """Record the outcome of uncertain requests; raises InvalidRequestError for a key that is not uncertain."""
    async with closing_shielded(resolution.choice.open(is_current=resolution.is_current)) as journal:
        if resolution.not_sent:
            # Without keys, all of them.
            count = await bulk.resolve_not_sent(journal, resolution.arguments or None)
            screen.emit({"not_sent": count})
            screen.print(
                f"{requests_text(count)} recorded as not accepted; the next run sends those that are still in the file"
            )
            return
        key, task_id = resolution.arguments
        await bulk.resolve_as_accepted(journal, key, task_id)
    screen.emit({"key": key, "task_id": task_id})
    screen.print(f"{key} recorded as task {task_id}; the next run resumes it")
