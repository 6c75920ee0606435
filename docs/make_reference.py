"""Write ``docs/reference.md`` from the classes: ``make docs``. A test compares the page with them."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import attrs

import musicapi_async
from musicapi_async import (
    AcceptedTask,
    MusicAPI,
    Outcome,
    Request,
    SavedFile,
    Settings,
    TaskRequest,
    TaskState,
    bulk,
    errors,
    media,
    results,
    webhooks,
)
from musicapi_async._transport.retry import RULES, FailureKind, RequestClass
from musicapi_async.webhooks import ClientWebhooks
from musicapi_async.wire.requests import field_spec, fields_of

PAGE: Final = Path(__file__).with_name("reference.md")
PROPERTIES: Final = frozenset({"property", "cached_property"})
FAMILIES: Final = ("sonic", "producer", "riffusion", "nuro", "studio", "lyrics", "suno", "account")
HANDLES: Final = (AcceptedTask, TaskState, Outcome, SavedFile, bulk.Outcome, bulk.Record, webhooks.Event)
OPENING: Final = """\
# Reference

Every operation, result, error and setting. Generated from the classes by `make docs`: change those, not this page.

Each operation is a method of the client, `await client.sonic.create(lyrics=...)` (without `await` in `musicapi_sync`),
and a request value, `sonic.Create(lyrics=...)`, for `client.submit`, `client.call` and `client.run`. A method that
starts a task returns a `Submission`: await it for its `Task`, or use `await client.sonic.create(...).wait()` for the
result directly; in `musicapi_sync` the call returns the `Task`. A submission is a coroutine, but its method is a plain
function, for which `inspect.iscoroutinefunction` is False: wrap it in an `async def` for a framework that checks this.
A clip is given as a `Clip`, an `UploadedClip` or an id. Prices are those of the service's pages on the given date; your
balance is authoritative.
"""
RETRIES: Final = """\
## What is retried

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


def page() -> str:
    """Return the whole page."""
    parts = [OPENING, contents(), *map(family_part, FAMILIES), results_part(), handles_part()]
    parts += [media_part(), webhooks_part(), errors_part(), retries_part(), settings_part()]
    return "\n".join(parts).rstrip() + "\n"


def operations_of(family: str) -> list[type[Request[Any]]]:
    """Return a family's operations in the order of its methods."""
    listed = vars(type(getattr(MusicAPI("reference"), family)))
    return [method.request_class for method in listed.values() if hasattr(method, "request_class")]


def contents() -> str:
    """List every operation, a row for each family."""
    links = {
        family: ", ".join(
            f"[{kind.operation_name.rpartition('.')[2]}](#{anchor(kind)})" for kind in operations_of(family)
        )
        for family in FAMILIES
    }
    rows = [f"| [{family}](#{family}) | {listed} |" for family, listed in links.items()]
    return "\n".join(["| family | operations |", "|---|---|", *rows, ""])


def anchor(kind: type[Request[Any]]) -> str:
    """Return where an operation's heading is."""
    return kind.operation_name.replace(".", "")


def family_part(family: str) -> str:
    """Describe a family and its operations."""
    module = importlib.import_module(f"musicapi_async.requests.{family}")
    parts = [f"## {family}", "", markdown(inspect.getdoc(module) or ""), ""]
    for kind in operations_of(family):
        parts += operation_part(kind)
    return "\n".join(parts)


def operation_part(kind: type[Request[Any]]) -> Iterator[str]:
    """Describe an operation: what it does, its fields, its price, where it goes."""
    summary, args, price = parts_of(kind)
    gives = f"Submission[{kind.result.__name__}]" if issubclass(kind, TaskRequest) else kind.result.__name__
    yield f"### {kind.operation_name}"
    yield ""
    yield markdown(summary)
    yield ""
    yield f"`client.{kind.operation_name}(...)` → `{gives}`; the request is `{kind.family}.{kind.__name__}`."
    yield ""
    if fields := fields_of(kind):
        yield "| field | sent as | type | default | limits and meaning |"
        yield "|---|---|---|---|---|"
        yield from (field_row(field, args[field.name]) for field in fields)
        yield ""
    constants = "".join(f", `{name}: {value!r}`" for name, value in kind.constants.items())
    uploaded = f" (`{kind.upload_task_type!r}` for an uploaded clip)" if kind.upload_task_type else ""
    yield f"`{kind.method} {kind.path}`{constants}{uploaded}. {price} Source: {kind.source}."
    yield ""


def parts_of(kind: type[Request[Any]]) -> tuple[str, dict[str, str], str]:
    """Return the parts of a request class's docstring: the summary, the text of each field, and the price."""
    above, _, price = (inspect.getdoc(kind) or "").rpartition("\n\n")
    summary, _, args = above.partition("\n\nArgs:\n")
    lines = (line.partition(": ") for line in inspect.cleandoc(args).splitlines())
    return summary, {name: text for name, _, text in lines}, price


def field_row(field: "attrs.Attribute[Any]", text: str) -> str:
    """Describe a field in a row of a table."""
    spec = field_spec(field)
    sent = spec.sent_default if field.default is None else field.default
    default = "required" if field.default is attrs.NOTHING else "" if sent is None else f"`{sent!r}`"
    return table_row(f"`{field.name}`", f"`{spec.name or field.name}`", type_text(field.type), default, markdown(text))


def type_text(kind: object) -> str:
    """Name a type as a user would."""
    text = kind if isinstance(kind, str) else str(kind) if getattr(kind, "__args__", None) else kind.__name__  # type: ignore[attr-defined]  # a class
    text = re.sub(r"(?:\w+\.)+(\w+)", r"\1", text)
    return f"`{text.replace('Clip | UploadedClip | str', 'ClipOrId').replace(' | None', '')}`"


def results_part() -> str:
    """Describe every result."""
    parts = ["## Results", "", markdown(inspect.getdoc(results) or ""), ""]
    for name in results.__all__:
        parts += class_part(name, getattr(results, name))
    return "\n".join(parts)


def handles_part() -> str:
    """Describe the values that tasks, runs, downloads and webhooks return."""
    parts = ["## Tasks, runs, files and events", ""]
    for cls in HANDLES:
        module = next((f"{name}." for name in ("bulk", "webhooks") if f".{name}." in cls.__module__), "")
        parts += class_part(f"{module}{cls.__name__}", cls)
    return "\n".join(parts)


def media_part() -> str:
    """Describe the functions and values that deal with files after the download."""
    parts = ["## media", "", markdown(inspect.getdoc(media) or ""), ""]
    for name in media.__all__:
        value = getattr(media, name)
        if value in HANDLES:
            continue
        parts += class_part(f"media.{name}", value) if inspect.isclass(value) else function_part(f"media.{name}", value)
    return "\n".join(parts)


def function_part(name: str, function: Callable[..., object]) -> Iterator[str]:
    """Describe a function: its signature as it stands in the source, and its docstring."""
    (node,) = ast.parse(inspect.getsource(function)).body
    assert isinstance(node, ast.FunctionDef)  # noqa: S101 - for the type checker
    returned = "" if node.returns is None else f" → `{ast.unparse(node.returns)}`"
    yield from (
        f"### {name}",
        "",
        f"`{name}({ast.unparse(node.args)})`{returned}",
        "",
        markdown(inspect.getdoc(function) or ""),
        "",
    )


def class_part(name: str, cls: type) -> Iterator[str]:
    """Describe a class and its fields."""
    yield from (f"### {name}", "", markdown(inspect.getdoc(cls) or ""), "")
    yield from ("| field | type | meaning |", "|---|---|---|", *map(member_row, members(cls)), "")


class Member(NamedTuple):
    """A public field or property of a class, with the text beside it in the source."""

    name: str
    type: str
    text: str
    is_property: bool = False


def members(kind: type) -> Iterator[Member]:
    """Yield the public fields and properties of a class and its bases, in the order of their source."""
    for cls in reversed(kind.__mro__):
        if cls.__module__.startswith("musicapi_"):
            yield from own_members(cls)


def own_members(cls: type) -> Iterator[Member]:
    """Yield the public fields and properties that a class defines, in the order of their source."""
    for node, after in pairwise([*body_of(cls), ast.Pass()]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found = Member(node.target.id, annotation_text(node.annotation), literal_text(after))
        elif (
            isinstance(node, ast.FunctionDef) and node.returns and PROPERTIES & {*map(ast.unparse, node.decorator_list)}
        ):
            found = Member(node.name, ast.unparse(node.returns), ast.get_docstring(node) or "", is_property=True)
        else:
            continue
        if not found.name.startswith("_"):
            yield found


def body_of(cls: type) -> list[ast.stmt]:
    """Return the statements of a class, which stands in its module or, of a package, in one of its files."""
    module = sys.modules[cls.__module__]
    file = Path(inspect.getsourcefile(module) or "")
    files = sorted(file.parent.glob("*.py")) if hasattr(module, "__path__") else [file]
    nodes = (node for path in files for node in ast.parse(path.read_text(encoding="utf-8")).body)
    return next(node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == cls.__name__)


def annotation_text(annotation: ast.expr) -> str:
    """Return a field's type as a user would write it."""
    return ast.unparse(annotation).removeprefix("Annotated[").partition(", wire(")[0]


def literal_text(node: ast.stmt) -> str:
    """Return the text of a docstring below a field; empty for any other statement."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return inspect.cleandoc(node.value.value) if is_text else ""  # type: ignore[attr-defined]  # tested above


def member_row(member: Member) -> str:
    """Describe a field or a property in a row of a table."""
    text = " ".join(member.text.split()) + (" (property)" if member.is_property else "")
    return table_row(f"`{member.name}`", f"`{member.type}`", markdown(text))


def table_row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def webhooks_part() -> str:
    """Describe the functions that receive events."""
    members = [(f"client.webhooks.{name}", member) for name, member in vars(ClientWebhooks).items() if name[0] != "_"]
    parts = ["## Webhooks", "", markdown(inspect.getdoc(ClientWebhooks) or ""), ""]
    for name, member in [("webhooks.verify", webhooks.verify), *members, ("webhooks.FileInbox", webhooks.FileInbox)]:
        parts += (f"### {name}{parameters_text(member)}", "", markdown(inspect.getdoc(member) or ""), "")
    return "\n".join(parts)


def parameters_text(member: object) -> str:
    """Return the parameters of a function or a class in parentheses; empty for a property."""
    if not callable(member):
        return ""
    parameters = inspect.signature(member).parameters.values()
    shown = (
        one.name if one.default is one.empty else f"{one.name}={one.default!r}"
        for one in parameters
        if one.name != "self"
    )
    return f"({', '.join(shown)})"


def errors_part() -> str:
    """Show the tree of errors as it is drawn in their module, and describe each of them."""
    doc = inspect.getdoc(errors) or ""
    before, _, rest = doc.partition("::\n\n")
    tree, _, after = rest.partition("\n\n")
    drawing = ["```text", inspect.cleandoc(tree), "```", ""]
    parts = ["## Errors", "", markdown(before.strip()), "", *drawing, markdown(after), ""]
    parents_first = sorted(errors.__all__, key=lambda name: tree.find(f"{name} "))
    for name in parents_first:
        parts += error_part(getattr(errors, name))
    return "\n".join(parts)


def error_part(cls: type[errors.MusicAPIError]) -> Iterator[str]:
    """Describe an error: when it is raised, what to do next, and the fields that its base class has not."""
    yield from (f"### {cls.__name__}", "", markdown(inspect.getdoc(cls) or ""), "")
    if advice := re.sub(r"\{(\w+)\}", r"`error.\1`", cls._advice):
        yield from (f"What to do next: {advice}.", "")
    (base, *_) = [one for one in cls.__bases__ if issubclass(one, errors.MusicAPIError)] or [cls]
    if base not in {cls, errors.MusicAPIError}:
        yield from (f"A subclass of [{base.__name__}](#{base.__name__.lower()}), with its fields.", "")
    if own := list(own_members(cls)):
        yield from ("| field | type | meaning |", "|---|---|---|", *map(member_row, own), "")


def retries_part() -> str:
    """Return the table of what is retried, from the rules."""
    rows = [f"| {kind.value} | {' | '.join(decision.value for decision in RULES[kind])} |" for kind in FailureKind]
    classes = " | ".join(one.value for one in RequestClass)
    return "\n".join([RETRIES, f"| what happened | {classes} |", "|---|---|---|---|", *rows, ""])


def settings_part() -> str:
    """Describe every setting."""
    defaults = {field.name: f"`{field.default!r}`" for field in attrs.fields(Settings)} | {"api_key": "required"}
    rows = [
        table_row(f"`{one.name}`", f"`{one.type}`", defaults[one.name], markdown(" ".join(one.text.split())))
        for one in members(Settings)
    ]
    heading = ["## Settings", "", markdown(inspect.getdoc(Settings) or ""), ""]
    return "\n".join([*heading, "| setting | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def markdown(text: str) -> str:
    """Turn double backticks into single ones, but not those of a fence."""
    return re.sub(r"(?<!`)``(?!`)", "`", text)


if __name__ == "__main__":
    sys.stdout.write(f"{len(musicapi_async.operations())} operations in {PAGE}\n")
    PAGE.write_text(page(), encoding="utf-8")
