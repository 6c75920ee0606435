"""The pages of the errors and of the retry policy."""

import inspect
import re
from collections.abc import Iterator
from typing import Final

from musicapi_async import errors
from musicapi_async._transport.retry import RULES, FailureKind, RequestClass
from reference_pages.objects import member_row
from reference_pages.source import docstring, first_sentence, markdown, own_members, table, table_row

__all__ = ["errors_page", "retries_page"]

RETRIES: Final = """\
# Retry policy

The table below shows the retry policy by class of request and kind of failure. A *paid request* is any POST, a *free
request* any GET (and each further request for a file that is being prepared), a *file* a download. The HTTP library's
tracing reports whether any bytes of a paid request can have been sent, on a connection used for this request alone.

- *retry*: up to `max_attempts` attempts, none later than `total_timeout` after the first, with full jitter (up to 1, 2,
  4, then 8 seconds). A `Retry-After`, in seconds or as a date, is honored in full; if it exceeds two minutes, the error
  it came with is raised instead. All retries of a client draw on one budget: 50 at first, plus a tenth for each
  success.
- A 429 or a busy 503 to a paid request does not count against the budget, and makes all paid requests of the client
  wait.
- A download that breaks off is resumed at that byte (`Range`) if its host identified the version of the file by a
  strong `ETag` or by a date (`If-Range`); otherwise it starts again. An attempt that brought the file at least 64 KiB
  further than any before is not a failure: attempts are counted anew from it, and the next one does not count against
  the budget. `total_timeout` still applies.
- *uncertain*: `UncertainSubmissionError` is raised and `on_uncertain` is called. The request is never sent again.
- *give up*: the typed error of the failure is raised. Nothing was accepted.

While a task is waited for, it is polled again after any failure that may be retried and after a response that cannot be
read: until the timeout of the wait or, without one, for 15 minutes in which every poll fails. A task that the service
does not know yet is polled again during the first minute. A failure that the service reports for the task itself ends
the wait at once, whatever the status of the response.
"""


def errors_page() -> str:
    """Show the tree of errors as it is drawn in their module, and describe each of them."""
    doc = inspect.getdoc(errors) or ""
    before, _, rest = doc.partition("::\n\n")
    tree, _, after = rest.partition("\n\n")
    drawing = ["```text", inspect.cleandoc(tree), "```", ""]
    parents_first = [getattr(errors, name) for name in sorted(errors.__all__, key=lambda name: tree.find(f"{name} "))]
    parts = ["# Errors", "", markdown(before.strip()), "", *drawing, markdown(after), ""]
    parts += ["## Cause and remedy", ""]
    parts += table(("error", "cause and remedy"), [remedy_row(cls) for cls in parents_first[1:]])
    for cls in parents_first:
        parts += error_part(cls)
    return "\n".join(parts)


def remedy_row(cls: type[errors.MusicAPIError]) -> str:
    """Describe an error in a row of a table."""
    advice = advice_of(cls) or "Its message names the next step"
    return table_row(f"[{cls.__name__}](#{cls.__name__.lower()})", f"{first_sentence(cls)} **{advice}.**")


def advice_of(cls: type[errors.MusicAPIError]) -> str:
    """Return what to do next after an error; empty where only its message can say it."""
    return re.sub(r"\{(\w+)\}", r"`error.\1`", cls._advice)


def error_part(cls: type[errors.MusicAPIError]) -> Iterator[str]:
    """Describe an error: when it is raised, what to do next, and the fields that its base class has not."""
    yield from (f"## {cls.__name__}", "", docstring(cls), "")
    if advice := advice_of(cls):
        yield from (f"What to do next: {advice}.", "")
    (base, *_) = [one for one in cls.__bases__ if issubclass(one, errors.MusicAPIError)] or [cls]
    if base not in {cls, errors.MusicAPIError}:
        yield from (f"A subclass of [{base.__name__}](#{base.__name__.lower()}), with its fields.", "")
    yield from table(("field", "type and meaning"), [member_row(member) for member in own_members(cls)])


def retries_page() -> str:
    """Return the table of what is retried, from the rules."""
    rows = [table_row(kind.value, *(decision.value for decision in RULES[kind])) for kind in FailureKind]
    return "\n".join([RETRIES, *table(("what happened", *(one.value for one in RequestClass)), rows)])
