"""Exit codes and their meanings, and the errors of the command line itself; ``exits.py`` explains all others."""

from collections.abc import Mapping
from typing import Final

__all__ = ["BUG", "MEANINGS", "NO_KEY", "STOPPED", "USAGE", "IncompleteError", "UsageError", "exit_code_table"]

BUG: Final = 1
USAGE: Final = 2
NO_KEY: Final = 3
STOPPED: Final = 130
MEANINGS: Final[Mapping[int, str]] = {
    0: "success",
    BUG: "an unexpected error: a bug in this command",
    USAGE: "an option or a field is invalid, or an extra is not installed",
    NO_KEY: "the API key is missing or was rejected",
    4: "too few credits, no subscription, or --max-credits reached",
    5: "the request was refused, for example by moderation",
    6: "the task was not found, or the operation is retired",
    7: "no connection, rate limit, or failure of the service",
    8: "the task failed",
    9: "timeout; the task is still running on the server",
    10: "uncertain: the request may have been accepted and charged",
    11: "a file could not be downloaded, written or tagged",
    12: "the bulk run ended with some songs missing",
    129: "stopped by SIGHUP: the terminal was closed",
    STOPPED: "stopped by Ctrl-C",
    STOPPED + 13: "stopped by SIGTERM",
}


class UsageError(Exception):
    """The command line is not valid; the text says what to change."""


class IncompleteError(Exception):
    """A bulk run has ended with some songs missing; the text says how many and what to do."""


def exit_code_table() -> str:
    """Return the exit codes and their meanings, one per line."""
    return "\n".join(["Exit codes:", *(f"{code:>4}  {meaning}" for code, meaning in MEANINGS.items())])
