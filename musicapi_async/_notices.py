"""Sentences on paid tasks that are left, and how each is resumed: for logs, and for notes on exceptions. No I/O."""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final

__all__ = ["MAX_NAMED", "RUNNING", "describe_tasks", "note_tasks"]

MAX_NAMED: Final = 20
"""How many tasks a sentence names; of more, the rest is counted."""
RUNNING: Final = "still running on the server"


def describe_tasks(resumptions: Collection[str], state: str = RUNNING) -> str:
    """Return a sentence on paid tasks in this state, from how each is resumed."""
    count = len(resumptions)
    tasks = "1 paid task is" if count == 1 else f"{count} paid tasks are"
    more = f" and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
    return f"{tasks} {state}: resume with {', '.join(islice(resumptions, MAX_NAMED))}{more}"


def note_tasks(error: BaseException, running: Mapping[str, str]) -> None:
    """Add to an exception that leaves a client's block the tasks that are still running, unless it names them already.

    ``running`` has by id how each is resumed.
    """
    known = [str(error)]
    for one in filter(None, (error, error.__cause__, error.__context__)):
        known += getattr(one, "__notes__", ())
    text = "\n".join(known)
    if new := [resumption for task_id, resumption in running.items() if task_id not in text]:
        error.add_note(describe_tasks(new))
