"""The pages of everything but operations, errors and settings: the client, tasks, results, files, events, runs."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import musicapi_async
from musicapi_async import (
    AcceptedTask,
    MusicAPI,
    Outcome,
    RawResponse,
    Run,
    Submission,
    Task,
    TaskState,
    WithRawResponse,
    bulk,
    media,
    results,
    sandbox,
    webhooks,
)
from reference_pages.source import Member, docstring, markdown, members, signature, table, table_row

__all__ = ["OBJECT_PAGES", "class_part"]

NOT_METHODS: Final = frozenset({"send", "throw", "mro"})
"""Of Python's own protocols."""


def named_in(module: Any) -> dict[str, object]:
    """Return the public classes and functions of a module."""
    prefix = module.__name__.rpartition(".")[2]
    values = {f"{prefix}.{name}": getattr(module, name) for name in module.__all__}
    return {name: value for name, value in values.items() if inspect.isclass(value) or inspect.isfunction(value)}


def page_of(title: str, introduction: str, parts: Mapping[str, object]) -> str:
    """Describe classes and functions, each under the name by which users write it."""
    lines = [f"# {title}", "", introduction, ""]
    for name, value in parts.items():
        lines += class_part(name, value) if inspect.isclass(value) else function_part(name, value)
    return "\n".join(lines)


def class_part(name: str, cls: type, *, level: int = 2) -> Iterator[str]:
    """Describe a class, its fields and its methods."""
    yield from (f"{'#' * level} {name}", "", docstring(cls), "")
    yield from table(("field", "type and meaning"), [member_row(member) for member in members(cls)])
    for method_name, method in methods(cls):
        yield from function_part(f"{name.rpartition('.')[2]}.{method_name}", method, level=level + 1, drop_self=True)


def methods(cls: type) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield the public methods of a class and of its bases in this package, in the order of their source."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("musicapi_"):
            found.update(vars(base))
    for name, value in found.items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if inspect.isfunction(function) and not name.startswith("_") and name not in NOT_METHODS and function.__doc__:
            yield name, function


def function_part(name: str, function: Any, *, level: int = 2, drop_self: bool = False) -> Iterator[str]:
    """Describe a function: its parameters as they stand in the source, and its docstring."""
    shown = signature(name, inspect.unwrap(function), drop_self=drop_self)
    yield from (f"{'#' * level} {name}", "", "```text", shown, "```", "", docstring(function), "")


def member_row(member: Member) -> str:
    """Describe a field or a property in a row of a table."""
    return table_row(f"`{member.name}`", f"`{member.type}`. {markdown(' '.join(member.text.split()))}")


def results_page() -> str:
    """Describe every result."""
    parts = {name: getattr(results, name) for name in results.__all__}
    return page_of("Results", docstring(results), parts)


def client_page() -> str:
    """Describe the client."""
    text = "The client of `musicapi_async`. That of `musicapi_sync` has the same methods, without `await`."
    return page_of(
        "Client", text, {"MusicAPI": MusicAPI, "WithRawResponse": WithRawResponse, "RawResponse": RawResponse}
    )


def tasks_page() -> str:
    """Describe tasks and runs."""
    text = (
        "`musicapi_sync` has the same names, without `await`, but no `Submission`: there a call that starts a task "
        "returns the `Task`."
    )
    parts = {"Submission": Submission, "AcceptedTask": AcceptedTask, "Task": Task, "TaskState": TaskState}
    parts |= {"Run": Run, "Outcome": Outcome}
    return page_of("Tasks and runs", text, {**parts, "operations": musicapi_async.operations})


def module_page(title: str, module: Any) -> str:
    """Describe the public names of a module."""
    return page_of(title, docstring(module), named_in(module))


def bulk_page() -> str:
    """Describe the durable runs."""
    first, _, _ = docstring(bulk).partition("\n\n- ")
    return page_of("Bulk runs", first, named_in(bulk))


OBJECT_PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "client": client_page,
    "tasks": tasks_page,
    "results": results_page,
    "media": partial(module_page, "Files: media", media),
    "webhooks": partial(module_page, "Webhooks", webhooks),
    "bulk": bulk_page,
    "sandbox": partial(module_page, "Sandbox", sandbox),
}
