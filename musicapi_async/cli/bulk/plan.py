"""``musicapi bulk plan FILE``: put a file's requests into a journal, with the limits that all workers on it keep."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import attrs

from musicapi_async import bulk
from musicapi_async.bulk import PlanOptions
from musicapi_async.bulk.requests_file import price_list
from musicapi_async.cli.bulk.journals import JournalChoice
from musicapi_async.cli.bulk.requests_file import RequestsSource, is_planned, note_planned
from musicapi_async.cli.bulk.texts import options_text, requests_text
from musicapi_async.cli.screen import Screen

__all__ = ["PlanCommand", "plan"]


@attrs.frozen(kw_only=True)
class PlanCommand:
    """The arguments of ``musicapi bulk plan``."""

    source: RequestsSource
    choice: JournalChoice
    options: PlanOptions
    is_current: bool | None


async def plan(command: PlanCommand, screen: Screen) -> None:
    """Check the whole file and plan its requests; a plan that is there already is replaced, and so are its options."""
    source, choice = command.source, command.choice
    async with choice.open_for_plan(is_current=command.is_current) as journal:
        # Before the file is read: a change during the reading must be noticed by the next plan.
        fingerprint = await asyncio.to_thread(source.fingerprint)
        operations = await is_planned(journal, fingerprint)
        if operations is not None:
            await bulk.remember_options(journal, command.options)
            count, new = sum(operations.values()), 0
            screen.print(f"{source.name} has not changed since it was planned; its options are replaced")
        else:
            operations = Counter()
            count, new = await bulk.plan_all(journal, source.read(screen, operations), command.options)
            await note_planned(journal, fingerprint, operations)
            screen.print(f"{requests_text(count)} planned, {new:,} of them new, in {choice.name}")
        counts = await journal.counts()
    _report(command, operations, screen)
    screen.emit({"requests": count, "new": new, "counts": dict(counts), "journal": choice.name})


def _report(command: PlanCommand, operations: Mapping[str, int], screen: Screen) -> None:
    """Show what the plan costs at most, its options, and the next step."""
    prices = price_list()
    credits = sum(number * (prices.get(name) or 0.0) for name, number in operations.items())
    unknown = [name for name in operations if prices.get(name) is None]
    limit = command.options.max_credits
    given = command.options.given()
    next_step = command.choice.command("work", "--out", "DIR")
    if operations:
        missing = f", besides {', '.join(unknown)}, whose price is unknown" if unknown else ""
        screen.print(f"at most {credits:,g} credits at list prices, less what is made already{missing}")
    if limit is not None:
        screen.print(f"no more than {limit:,g} credits are spent on this journal, across all plans (--max-credits)")
    if others := {name: value for name, value in given.items() if name != "max_credits"}:
        screen.print(f"options: {options_text(others)}")
    screen.print(f"nothing is sent yet; next: {next_step}")
    screen.emit(
        {
            "credits": credits if operations and not unknown else None,
            "unknown_prices": unknown,
            "options": given,
            "next": next_step,
        }
    )
