"""The public names: exported, documented and fully typed."""

import asyncio
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

import aiohttp
import attrs
import pytest

import musicapi_async
from musicapi_async import Clip, Request, Run, Songs, Task, TaskRequest, TaskState, media, webhooks
from musicapi_async._engine import Engine
from musicapi_async.media.caption_formats import CaptionFormat
from musicapi_async.sandbox import Sandbox

MODULES = (
    "musicapi_async.bulk",
    "musicapi_async.errors",
    "musicapi_async.requests.account",
    "musicapi_async.requests.lyrics",
    "musicapi_async.requests.nuro",
    "musicapi_async.requests.producer",
    "musicapi_async.requests.riffusion",
    "musicapi_async.requests.sonic",
    "musicapi_async.requests.studio",
    "musicapi_async.requests.suno",
    "musicapi_async.media",
    "musicapi_async.results",
    "musicapi_async.sandbox",
    "musicapi_async.webhooks",
    "musicapi_sync.bulk",
    "musicapi_sync.sandbox",
)
# "A task of whatever" is a true type; a bare Any, or a dict of Any, would switch checking off for the caller.
OF_WHATEVER = (Request, TaskRequest, Task, TaskState, asyncio.Task)


def test_exports_are_the_public_names() -> None:
    assert [name for name in musicapi_async.__all__ if getattr(musicapi_async, name, None) is None] == []
    names = {
        name for name, value in vars(musicapi_async).items() if name[0] != "_" and not isinstance(value, ModuleType)
    }
    modules = {name for name in musicapi_async.__all__ if isinstance(getattr(musicapi_async, name), ModuleType)}

    assert names | modules | {"__version__"} == set(musicapi_async.__all__)
    assert modules == {"errors", "media", "webhooks", *(cls.family for cls in musicapi_async.operations())}
    assert len(musicapi_async.__all__) == len(set(musicapi_async.__all__))


@pytest.mark.parametrize("name", MODULES)
def test_exports_of_a_module_exist(name: str) -> None:
    module = importlib.import_module(name)

    assert module.__all__
    assert [export for export in module.__all__ if not hasattr(module, export)] == []


def test_public_names_are_documented() -> None:
    undocumented = [
        name
        for name in musicapi_async.__all__
        if inspect.isclass(value := getattr(musicapi_async, name)) or inspect.isroutine(value)
        if not inspect.getdoc(value)
    ]

    assert undocumented == []


def public_classes() -> list[type]:
    classes = [value for name in musicapi_async.__all__ if inspect.isclass(value := getattr(musicapi_async, name))]
    client = musicapi_async.MusicAPI("exports")
    families = [type(getattr(client, name)) for name in musicapi_async.requests.FAMILIES]
    found_errors = [getattr(musicapi_async.errors, name) for name in musicapi_async.errors.__all__]
    of_media = [value for name in media.__all__ if inspect.isclass(value := getattr(media, name))]
    return [
        *dict.fromkeys([*classes, *of_media]),
        *families,
        *found_errors,
        *musicapi_async.operations(),
        Sandbox,
        webhooks.Event,
    ]


# The client names them only for type checkers: they are loaded when they are used.
FAMILY_CLASSES = {
    cls.__name__: cls
    for cls in (type(getattr(musicapi_async.MusicAPI("k"), name)) for name in musicapi_async.requests.FAMILIES)
} | {
    "AbstractResolver": aiohttp.abc.AbstractResolver,
    "AcceptedTask": musicapi_async.AcceptedTask,
    "CaptionFormat": CaptionFormat,
    "ClientWebhooks": webhooks.ClientWebhooks,
    "Engine": Engine,
    "SavedClip": media.SavedClip,
    "TaskState": TaskState,
    "TraceConfig": aiohttp.TraceConfig,
    "Timeline": media.Timeline,
    "WithRawResponse": musicapi_async.WithRawResponse,
}


def signatures_of(cls: type) -> Iterator[tuple[str, object]]:
    """Yield every annotation that a caller of a class comes across, and where it stands."""
    for name, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        is_public = name[0] != "_" or name in {"__init__", "__aenter__", "__anext__", "__getitem__"}
        if is_public and inspect.isfunction(function):
            hints = get_type_hints(function, vars(sys.modules[cls.__module__]) | FAMILY_CLASSES | {"Clip": Clip})
            for parameter, hint in hints.items():
                yield f"{cls.__qualname__}.{name}({parameter})", hint
    if attrs.has(cls):
        hints = get_type_hints(cls, localns={"Clip": Clip, **FAMILY_CLASSES})
        yield from ((f"{cls.__qualname__}.{field.name}", hints[field.name]) for field in attrs.fields(cls))


def mentions_any(hint: object) -> bool:
    if get_origin(hint) in OF_WHATEVER:
        return False
    return hint is Any or any(mentions_any(part) for part in get_args(hint) if part is not ...)


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__qualname__)
def test_public_signatures_hold_no_any(cls: type) -> None:
    assert [place for place, hint in signatures_of(cls) if mentions_any(hint)] == []


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__qualname__)
def test_public_parameters_are_annotated(cls: type) -> None:
    bare = [
        f"{name}({parameter})"
        for name, value in vars(cls).items()
        if name[0] != "_" and inspect.isfunction(value)
        for parameter, one in inspect.signature(value).parameters.items()
        if parameter != "self" and one.annotation is one.empty
    ]

    assert bare == []


def test_mentions_any_finds_every_place() -> None:
    """The two tests above can only be trusted if they find something."""

    class Loose:
        def method(self, value: dict[str, Any], task: Task[Any]) -> Any: ...

    assert {place for place, hint in signatures_of(Loose) if mentions_any(hint)} == {
        "test_mentions_any_finds_every_place.<locals>.Loose.method(value)",
        "test_mentions_any_finds_every_place.<locals>.Loose.method(return)",
    }
    assert {place for place, _ in signatures_of(Run)} >= {"Run.tasks(return)", "Run.next(return)"}
    assert ("Task.wait(timeout)", float | None) in set(signatures_of(Task))
    assert len(list(signatures_of(musicapi_async.sonic.Create))) > 10
    assert len(list(signatures_of(Songs))) > 3


def test_functions_of_the_package_are_typed() -> None:
    functions = [value for name in musicapi_async.__all__ if inspect.isfunction(value := getattr(musicapi_async, name))]

    assert functions
    for function in [*functions, webhooks.verify]:
        assert not any(mentions_any(hint) for hint in get_type_hints(function).values())


def test_import_contracts_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    root = Path(__file__).parents[2]
    done = subprocess.run([linter, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_packages_are_marked_as_typed() -> None:
    for package in ("musicapi_async", "musicapi_sync", "pytest_musicapi"):
        (folder,) = importlib.import_module(package).__path__
        assert (Path(folder) / "py.typed").exists()


def test_webhooks_is_imported_only_on_use() -> None:
    script = "import sys, musicapi_async; print([name for name in sys.modules if '.webhooks' in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
