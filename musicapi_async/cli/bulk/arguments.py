"""Arguments and options that several commands of ``musicapi bulk`` share."""

from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from musicapi_async.bulk.defaults import NAMES
from musicapi_async.cli.exit_codes import UsageError

__all__ = [
    "DEFAULT_ATTEMPTS",
    "DEFAULT_IN_FLIGHT",
    "DEFAULT_OUTAGE",
    "DEFAULT_TIMEOUT",
    "NAMES",
    "VARIABLE",
    "AsEvents",
    "AsJson",
    "Attempts",
    "BaseUrl",
    "CreateRate",
    "Folder",
    "InFlight",
    "IsCurrent",
    "IsOld",
    "JournalOption",
    "Listen",
    "MaxCredits",
    "NameTemplate",
    "Operation",
    "Out",
    "Outage",
    "RequestsFile",
    "SameAccount",
    "TaskTimeout",
    "WebhookUrl",
    "is_current",
    "unless_default",
]

T = TypeVar("T")

VARIABLE: Final = "MUSICAPI_JOURNAL"
"""The environment variable that names a journal."""
DEFAULT_IN_FLIGHT: Final = 50
DEFAULT_ATTEMPTS: Final = 3
DEFAULT_TIMEOUT: Final = 600.0
DEFAULT_OUTAGE: Final = 900.0

RequestsFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="JSONL or CSV, one request per line: "
        '{"key": "1", "operation": "sonic.describe", "description": "rain"}; - reads JSONL from standard input.',
    ),
]
Folder = Annotated[Path | None, typer.Argument(metavar="DIR", help="The --out folder of a bulk run.")]
JournalOption = Annotated[
    str | None,
    typer.Option(
        "--journal",
        metavar="JOURNAL",
        help=f"The journal's file, or its address (postgresql://user@host/name); by default {VARIABLE}.",
    ),
]
Out = Annotated[
    str, typer.Option(metavar="DIR", help="Output folder for the songs; created if missing. Or an address.")
]
Operation = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The operation of the lines that name none, such as sonic.describe."),
]
InFlight = Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of tasks in flight.")]
Attempts = Annotated[
    int, typer.Option(metavar="N", min=1, help="Maximum attempts for a song whose task fails and is refunded.")
]
MaxCredits = Annotated[
    float | None,
    typer.Option(metavar="N", min=0, help="Maximum number of credits to spend on this journal, across all runs."),
]
CreateRate = Annotated[
    float | None, typer.Option(metavar="N", help="Maximum number of paid requests per second, such as 0.3.")
]
TaskTimeout = Annotated[
    float,
    typer.Option(
        metavar="N", min=0, help="Seconds to wait for each task; after that its slot goes to the next request."
    ),
]
Outage = Annotated[
    float,
    typer.Option(
        metavar="N", min=0, help="Seconds to keep trying while no connection can be made; then the run stops."
    ),
]
NameTemplate = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        show_default=False,
        help=f"Template of file names; by default {NAMES}. Fields: index, key, title, clip_id, operation, ext.",
    ),
]
WebhookUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Public https:// URL to which the service reports finished songs, also of requests whose response was "
        "lost; signed with MUSICAPI_WEBHOOK_SECRET.",
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Address to receive these reports at during the run, such as 127.0.0.1:8788."
    ),
]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="URL of the service, or of a sandbox; by default MUSICAPI_BASE_URL.")
]
SameAccount = Annotated[
    bool,
    typer.Option("--same-account", help="MUSICAPI_KEY was changed; it is of the same account as before."),
]
IsCurrent = Annotated[
    bool,
    typer.Option("--journal-is-current", help="The journal lost its lock file, and no newer copy was ever used."),
]
IsOld = Annotated[
    bool,
    typer.Option("--journal-is-old", help="The journal may be an old backup: treat its unsent requests as uncertain."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end, also on failure.")]
AsEvents = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per event, one per line; the last one is the result.")
]


def is_current(*, current: bool, old: bool) -> bool | None:
    """Return whether a journal without its lock file is the newest; None if neither option was given."""
    if current and old:
        raise UsageError("give --journal-is-current or --journal-is-old, not both")
    return True if current else False if old else None


def unless_default(value: T, default: T) -> T | None:
    """Return an option's value; None where it is the default, which a later version may change."""
    return None if value == default else value
