"""The pages of the operations, one for each family."""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import attrs

from musicapi_async import MusicAPI, Request, TaskRequest
from musicapi_async.wire.requests import field_spec, fields_of
from reference_pages.examples import example_of
from reference_pages.source import markdown, table, table_row

__all__ = ["FAMILIES", "family_page", "operation_table", "operations_of"]

FAMILIES: Final = ("sonic", "producer", "lyrics", "account", "riffusion", "nuro", "studio", "suno")


def operations_of(family: str) -> list[type[Request[Any]]]:
    """Return a family's operations in the order of its methods."""
    listed = vars(type(getattr(MusicAPI("reference"), family)))
    return [method.request_class for method in listed.values() if hasattr(method, "request_class")]


def operation_table() -> str:
    """List every operation with its price, a row each."""
    rows = [
        table_row(
            f"[{operation.operation_name}]({family}.md#{operation.operation_name.replace('.', '')})",
            markdown(parts_of(operation)[0].partition("\n\n")[0].replace("\n", " ")),
            "free" if operation.credits == 0 else "" if operation.credits is None else f"{operation.credits:g}",
        )
        for family in FAMILIES
        for operation in operations_of(family)
    ]
    return "\n".join(table(("operation", "what it does", "credits"), rows))


def family_page(family: str) -> str:
    """Describe a family and its operations."""
    module = importlib.import_module(f"musicapi_async.requests.{family}")
    parts = [f"# {family}", "", markdown(inspect.getdoc(module) or ""), ""]
    for operation in operations_of(family):
        parts += operation_part(operation)
    return "\n".join(parts)


def operation_part(operation: type[Request[Any]]) -> Iterator[str]:
    """Describe an operation: what it does, its fields, its price, where it goes."""
    summary, args, price = parts_of(operation)
    yield from (f"## {operation.operation_name}", "", markdown(summary), "")
    yield from ("```python", example_of(operation), "```", "")
    returns = (
        f"Submission[{operation.result.__name__}]" if issubclass(operation, TaskRequest) else operation.result.__name__
    )
    yield f"Returns `{returns}`; the request class is `{operation.family}.{operation.__name__}`."
    yield ""
    yield from table(
        ("field", "type, limits and meaning"),
        [field_row(field, args[field.name]) for field in fields_of(operation)],
    )
    constants = "".join(f", `{name}: {value!r}`" for name, value in operation.constants.items())
    uploaded = f" (`{operation.upload_task_type!r}` for an uploaded clip)" if operation.upload_task_type else ""
    yield f"`{operation.method} {operation.path}`{constants}{uploaded}. {price} Source: {linked(operation.source)}."
    yield ""


def linked(source: str) -> str:
    """Return a source as a link where it is one."""
    return f"<{source}>" if source.startswith("https://") else source


def parts_of(operation: type[Request[Any]]) -> tuple[str, dict[str, str], str]:
    """Return the parts of a request class's docstring: the summary, the text of each field, and the price."""
    above, _, price = (inspect.getdoc(operation) or "").rpartition("\n\n")
    summary, _, args = above.partition("\n\nArgs:\n")
    lines = (line.partition(": ") for line in inspect.cleandoc(args).splitlines())
    return summary, {name: text for name, _, text in lines}, price


def field_row(field: "attrs.Attribute[Any]", text: str) -> str:
    """Describe a field in a row of a table."""
    spec = field_spec(field)
    sent = spec.sent_default if field.default is None else field.default
    default = ", required" if field.default is attrs.NOTHING else "" if sent is None else f", default `{sent!r}`"
    wire = f" Sent as `{spec.name}`." if spec.name and spec.name != field.name else ""
    return table_row(f"`{field.name}`", f"{type_text(field.type)}{default}. {markdown(text)}{wire}")


def type_text(annotation: object) -> str:
    """Name a type as a user would."""
    if isinstance(annotation, type) and not getattr(annotation, "__args__", None):
        text = annotation.__name__
    else:
        text = re.sub(r"(?:\w+\.)+(\w+)", r"\1", str(annotation))
    return f"`{text.replace('Clip | UploadedClip | str', 'ClipOrId').replace(' | None', '')}`"
