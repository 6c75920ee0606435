"""Write ``docs/reference.md`` from the classes: ``make docs``. A test holds the page against them."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

import musicapi_async
from musicapi_async import MusicAPI, Request, Settings, TaskRequest, errors, results
from musicapi_async._transport.retry import RULES, FailureKind, RequestClass
from musicapi_async.wire.requests import field_spec, fields_of

PAGE: Final = Path(__file__).with_name("reference.md")
FAMILIES: Final = ("sonic", "producer", "riffusion", "nuro", "studio", "lyrics", "suno", "account")
OPENING: Final = """\
# Reference

Every operation, result, error and setting. Made from the classes by `make docs`: change those, not this page.

Each operation is a method of the client, `await client.sonic.create(lyrics=...)` (without `await` in `musicapi_sync`),
and a request value of its own, `sonic.Create(lyrics=...)`, for `client.submit`, `client.call` and `client.run`. What
starts a task returns a `Submission`: `await` it for its `Task`, or `await client.sonic.create(...).wait()` for the
result at once; in `musicapi_sync` the call returns the `Task`. A submission is a coroutine, and its method a plain
function, of which `inspect.iscoroutinefunction` is False: wrap it in an `async def` for a framework that checks that.
A clip is given as a `Clip`, an `UploadedClip` or an id. Prices are what the service's pages said at the date beside
them: your balance is the truth.
"""
RETRIES: Final = """\
## What is retried

One table decides, by what was sent and by what failed. *Paid request* is every POST, *free request* every GET
(and asking again for a file that is being prepared), *file* a download. The HTTP library's tracing reports whether
bytes of a paid request can have been sent, on a connection that is used for this request alone.

- *retry*: up to `max_attempts` attempts, none later than `total_timeout` after the first, with full jitter (up to 1, 2,
  4, then 8 seconds). A `Retry-After`, in seconds or as a date, is waited for in full; one above two minutes is raised
  as the error it came with. All retries of a client draw on one budget: 50 at first, a tenth back for each success.
- A 429 or a busy 503 to a paid request costs nothing of the budget, and makes all paid requests of the client wait.
- A download that breaks off is resumed at the byte where it broke off (`Range`) if its host named the version of the
  file by a strong `ETag`, or by a date (`If-Range`); in any doubt it begins again. An attempt that brought the file at
  least 64 KiB further than any before is no failure: attempts are counted from it as from the first, and the next one
  costs nothing of the budget. `total_timeout` holds all the same.
- *uncertain*: `UncertainSubmissionError`, and `on_uncertain` is called. It is never sent again.
- *give up*: the typed error of what happened. Nothing was accepted.

A task that is waited for is polled again after any failure that may be retried, and after a response that cannot be
read: until the wait's own time limit, or for 15 minutes of nothing but such polls where it has none; so is one the
service does not know yet, in the first minute. What the service itself reports of the task ends the wait at once,
whatever the status of the response.
"""


def page() -> str:
    """Return the whole page."""
    parts = [OPENING, contents(), *map(family_part, FAMILIES), results_part(), errors_part(), retries_part()]
    parts.append(settings_part())
    return "\n".join(parts).rstrip() + "\n"


def operations_of(family: str) -> list[type[Request[Any]]]:
    """Return a family's operations in the order of its methods."""
    listed = vars(type(getattr(MusicAPI("reference"), family)))
    return [method.request_class for method in listed.values() if hasattr(method, "request_class")]


def contents() -> str:
    """List every operation, a row for each family."""
    links = {
        family: ", ".join(f"[{kind.method_name}](#{anchor(kind)})" for kind in operations_of(family))
        for family in FAMILIES
    }
    rows = [f"| [{family}](#{family}) | {listed} |" for family, listed in links.items()]
    return "\n".join(["| family | operations |", "|---|---|", *rows, ""])


def anchor(kind: type[Request[Any]]) -> str:
    """Return where an operation's heading is."""
    return kind.operation_name().replace(".", "")


def family_part(family: str) -> str:
    """Describe a family and its operations."""
    module = importlib.import_module(f"musicapi_async.requests.{family}")
    parts = [f"## {family}", "", markdown(inspect.getdoc(module) or ""), ""]
    for kind in operations_of(family):
        parts += operation_part(kind)
    return "\n".join(parts)


def operation_part(kind: type[Request[Any]]) -> Iterator[str]:
    """Describe an operation: what it does, its fields, its price, where it goes."""
    summary, _, rest = (kind.__doc__ or "").partition("\n- ``")
    closing = (rest or summary).rstrip().rpartition("\n\n")[2]
    gives = f"Submission[{kind.result.__name__}]" if issubclass(kind, TaskRequest) else kind.result.__name__
    yield f"### {kind.operation_name()}"
    yield ""
    yield markdown(summary.removesuffix(closing).strip())
    yield ""
    yield f"`client.{kind.operation_name()}(...)` → `{gives}`; the request is `{kind.family()}.{kind.__name__}`."
    yield ""
    if fields := fields_of(kind):
        yield "| field | sent as | type | default | limits and meaning |"
        yield "|---|---|---|---|---|"
        yield from map(field_row, fields)
        yield ""
    constants = "".join(f", `{name}: {value!r}`" for name, value in kind.constants.items())
    uploaded = f" (`{kind.upload_task_type!r}` for an uploaded clip)" if kind.upload_task_type else ""
    yield f"`{kind.method} {kind.path}`{constants}{uploaded}. {closing}"
    yield ""


def field_row(field: "attrs.Attribute[Any]") -> str:
    """Describe a field in a row of a table."""
    spec = field_spec(field)
    sent = spec.sent_default if field.default is None else field.default
    default = "required" if field.default is attrs.NOTHING else "" if sent is None else f"`{sent!r}`"
    meaning = "; ".join(filter(None, [spec.description, spec.constraints]))
    cells = (f"`{field.name}`", f"`{spec.name or field.name}`", type_text(field.type), default, markdown(meaning))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def type_text(kind: object) -> str:
    """Name a type as a user would."""
    text = kind if isinstance(kind, str) else str(kind) if getattr(kind, "__args__", None) else kind.__name__  # type: ignore[attr-defined]  # a class
    text = re.sub(r"(?:\w+\.)+(\w+)", r"\1", text)
    return f"`{text.replace('Clip | UploadedClip | str', 'ClipOrId').replace(' | None', '')}`"


def results_part() -> str:
    """Describe every result."""
    parts = ["## Results", "", markdown(inspect.getdoc(results) or ""), ""]
    for name in results.__all__:
        kind = getattr(results, name)
        fields = ", ".join(f"`{field.name}`" for field in attrs.fields(kind) if field.name.lstrip("_") != "raw")
        parts += [f"### {name}", "", markdown(inspect.getdoc(kind) or ""), "", f"Fields: {fields}.", ""]
    return "\n".join(parts)


def errors_part() -> str:
    """Show the tree of errors as it is drawn in their module."""
    doc = inspect.getdoc(errors) or ""
    before, _, rest = doc.partition("::\n\n")
    tree, _, after = rest.partition("\n\nEach says")
    return "\n".join(
        [
            "## Errors",
            "",
            markdown(before.strip()),
            "",
            "```text",
            inspect.cleandoc(tree),
            "```",
            "",
            f"Each says{after}",
        ]
    )


def retries_part() -> str:
    """Return the table of what is retried, from the rules."""
    rows = [f"| {kind.value} | {' | '.join(decision.value for decision in RULES[kind])} |" for kind in FailureKind]
    classes = " | ".join(one.value for one in RequestClass)
    return "\n".join([RETRIES, f"| what happened | {classes} |", "|---|---|---|---|", *rows, ""])


def settings_part() -> str:
    """Describe every setting."""
    text = markdown(inspect.getdoc(Settings) or "")
    defaults = ", ".join(
        f"`{field.name}={field.default!r}`" for field in attrs.fields(Settings) if field.name != "api_key"
    )
    return "\n".join(["## Settings", "", text, "", f"Defaults: {defaults}.", ""])


def markdown(text: str) -> str:
    """Turn double backticks into single ones."""
    return text.replace("``", "`")


if __name__ == "__main__":
    sys.stdout.write(f"{len(musicapi_async.operations())} operations in {PAGE}\n")
    PAGE.write_text(page(), encoding="utf-8")
