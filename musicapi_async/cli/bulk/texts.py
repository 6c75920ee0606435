"""Texts that several commands of ``musicapi bulk`` print."""

from collections.abc import Mapping, Sequence
from typing import Final

from musicapi_async.bulk.records import Attempt
from musicapi_async.cli.screen import Screen

__all__ = ["LOST_ENTRIES", "options_text", "report_paid_twice", "requests_text"]

LOST_ENTRIES: Final = (
    "the journal has lost entries, so requests that are not sent yet, or that it does not know, are uncertain too, "
    "until you run 'musicapi bulk resolve DIR --not-sent --all'"
)


def requests_text(count: int, state: str = "") -> str:
    """Return a count with its noun, such as "1 request" or "2 refused requests"."""
    return f"{count:,} {state} request{'s'[: count != 1]}".replace("  ", " ")


def options_text(options: Mapping[str, object]) -> str:
    """Return the options of a plan, such as "in flight 200, max credits 50,000"."""
    shown = (f"{value:,g}" if isinstance(value, (int, float)) else str(value) for value in options.values())
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in zip(options, shown, strict=True))


def _paid_twice(extras: Sequence[Attempt]) -> list[dict[str, object]]:
    """Return the attempts that were paid for besides their records, as JSON objects."""
    return [
        {"key": extra.record.key, "task_ids": _tasks_of(extra), "files": list(extra.files or ())} for extra in extras
    ]


def report_paid_twice(extras: Sequence[Attempt], screen: Screen) -> None:
    """Name the attempts that were paid for besides their records, and their files."""
    screen.emit({"paid_twice": _paid_twice(extras)})
    if extras:
        screen.warn(
            "paid for twice: an uncertain attempt of these requests had been accepted, as its event showed after the "
            "request was sent again or dropped; its song, of the last task here, is saved too:"
        )
        screen.table(
            [
                [
                    extra.record.key,
                    ", ".join(_tasks_of(extra)),
                    "not saved yet" if extra.files is None else ", ".join(extra.files),
                ]
                for extra in extras
            ]
        )


def _tasks_of(extra: Attempt) -> list[str]:
    """Return the ids of the record's own task, where it has one, and of the one besides."""
    return [task_id for task_id in (extra.record.task_id, extra.task_id) if task_id is not None]
