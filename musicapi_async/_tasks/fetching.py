"""One poll of a task: the request, and what its response says of the task."""

import re
from contextvars import Context
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from musicapi_async._request import GET
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.state import TaskState, progress_of, read_state
from musicapi_async._tasks.unfinished import Unfinished
from musicapi_async._tracing import span
from musicapi_async._transport.call import Call

__all__ = ["fetch_state"]

# Quoting doubles the cost of building a poll, and the service's own ids need none.
PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
TERMINAL: Final = ("finished", "failed")
"""The statuses after which a task does not change any more."""


async def fetch_state(
    entry: Entry, unfinished: Unfinished, waiting: tuple[Context, ...] = (), *, is_retried: bool = True
) -> TaskState[Any]:
    """Poll a task once, and note its state in its entry and in the unfinished tasks.

    A poll that fails is retried, unless ``is_retried`` is False. ``waiting`` are the contexts of further callers that
    wait for the task.
    """
    rule, caller = entry.rule, entry.caller
    assert caller is not None  # noqa: S101 - for the type checker: an unattached task has no poller
    path = f"{rule.poll_path}/{entry.id if PLAIN_ID.fullmatch(entry.id) else quote(entry.id, safe='')}"
    attempted = f"{GET} {path}"
    call = Call(method=GET, path=path, attempted=attempted, is_retried=is_retried, replacement=rule.replacement)
    state: TaskState[Any] | None = None

    def describe() -> dict[str, str | int | bool | None]:
        status = None if state is None else state.status
        return call.describe(caller.settings.base_url) | entry.describe() | {"musicapi.task.state": status}

    with span("poll", describe, is_request=True, waiting=waiting):
        state = await caller.send(call, partial(read_state, entry.id, rule, attempted))
    if state.status in TERMINAL:
        entry.record_end(state)
        unfinished.end(entry.id)
    elif entry.end is None:
        progress = progress_of(state)
        if progress.stage == "partial":
            entry.finished_clips = progress.finished_clips
        unfinished.add(entry.id, rule)
    entry.report(state)
    return state
