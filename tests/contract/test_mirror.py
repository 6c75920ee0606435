"""The two packages hold the same names with the same signatures; only awaiting differs."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

import musicapi_async
import musicapi_async.bulk
import musicapi_async.sandbox
import musicapi_sync
import musicapi_sync.bulk
import musicapi_sync.sandbox

# How an async name or annotation is called in the blocking package.
NAMES = {
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
ANNOTATIONS = (
    # A blocking call has started the task when it returns.
    (r"musicapi_async\._tasks\.submission\.Submission\b", "musicapi_sync._tasks.Task"),
    (r"musicapi_async\._tasks\.(task|run)\.", "musicapi_sync._tasks."),
    (r"collections\.abc\.AsyncGenerator\[(.*), None\]", r"collections.abc.Generator[\1, None, None]"),
    # A blocking source can only be a blocking one.
    (r"(collections\.abc\.Iterable\[.*?\]\]) \| collections\.abc\.AsyncIterable\[.*?\]\]", r"\1"),
)
ASYNC_ONLY = ("Submission",)
MIRRORED = ("MusicAPI", "Outcome", "Run", "Task", "WithRawResponse")
BULK = (
    "Journal",
    "Run",
    "abandon_uncertain",
    "migrate",
    "open",
    "recall_options",
    "receive",
    "remember_options",
    "resend_uncertain",
    "resolve_as_accepted",
    "resolve_not_sent",
    "retry_failed",
    "retry_refused",
    "run",
    "work",
)
# For custom journals, which only the async package calls.
STORES = {"Changes", "SQLiteJournal", "plan_all"}
STORING = {
    "activate_plan",
    "attempt",
    "charge_unpriced",
    "check_claim",
    "claim",
    "has_task",
    "new_plan",
    "open_references",
    "plan",
    "recall",
    "record_extra",
    "remember",
    "remember_once",
    "slow_down",
    "start_sending",
    "transition",
    "turn",
    "update",
}
# The blocking journal is the counterpart of the one class.
JOURNALS = {"Journal": "SQLiteJournal"}
FAMILIES = ("account", "lyrics", "nuro", "producer", "riffusion", "sonic", "studio", "suno")


def public(cls: type) -> dict[str, object]:
    return {
        name: value
        for name, value in vars(cls).items()
        if not name.startswith("_") or name in NAMES or name in NAMES.values()
    }


def signature_of(value: object) -> str:
    signature = str(inspect.signature(value)) if callable(value) else "(property or field)"
    for pattern, replacement in ANNOTATIONS:
        signature = re.sub(pattern, replacement, signature)
    return signature


def pairs() -> Iterator[tuple[type, type]]:
    for name in MIRRORED:
        yield getattr(musicapi_async, name), getattr(musicapi_sync, name)
    for family in FAMILIES:
        yield family_class(musicapi_async.MusicAPI, family), family_class(musicapi_sync.MusicAPI, family)


def family_class(client: type, family: str) -> type:
    return type(getattr(client("mirror"), family))


def test_packages_export_the_same_names() -> None:
    assert musicapi_sync.__all__ == [name for name in musicapi_async.__all__ if name not in ASYNC_ONLY]


def test_names_that_are_not_mirrored_are_the_same_objects() -> None:
    for name in set(musicapi_async.__all__) - {*MIRRORED, *ASYNC_ONLY}:
        assert getattr(musicapi_sync, name) is getattr(musicapi_async, name)


@pytest.mark.parametrize(("asynchronous", "blocking"), list(pairs()), ids=lambda cls: cls.__qualname__)
def test_public_names_and_signatures_are_mirrored(asynchronous: type, blocking: type) -> None:
    theirs = {NAMES.get(name, name): signature_of(value) for name, value in public(asynchronous).items()}
    ours = {name: signature_of(value) for name, value in public(blocking).items()}

    assert ours == theirs
    assert ours


@pytest.mark.parametrize("family", FAMILIES)
def test_operations_of_both_packages_are_the_same(family: str) -> None:
    lists = [
        {
            name: method.request_class
            for name, method in vars(family_class(client, family)).items()
            if hasattr(method, "request_class")
        }
        for client in (musicapi_async.MusicAPI, musicapi_sync.MusicAPI)
    ]

    assert lists[0] == lists[1]
    assert lists[0]


def test_operations_are_all_in_a_family() -> None:
    listed = {
        method.request_class
        for family in FAMILIES
        for method in vars(family_class(musicapi_async.MusicAPI, family)).values()
        if hasattr(method, "request_class")
    }

    assert listed == set(musicapi_async.operations())


@pytest.mark.parametrize("client", [musicapi_async.MusicAPI, musicapi_sync.MusicAPI])
def test_operation_method_has_its_requests_parameters_and_docstring(client: type) -> None:
    method = vars(family_class(client, "sonic"))["create"]

    assert method.__doc__ == musicapi_async.sonic.Create.__doc__
    assert list(inspect.signature(method).parameters)[:2] == ["self", "lyrics"]
    assert method.__qualname__ == "Sonic.create"


def test_bulk_exports_the_same_names() -> None:
    assert set(musicapi_sync.bulk.__all__) == set(musicapi_async.bulk.__all__) - STORES
    for name in set(musicapi_sync.bulk.__all__) - set(BULK):
        assert getattr(musicapi_sync.bulk, name) is getattr(musicapi_async.bulk, name)


@pytest.mark.parametrize("name", BULK)
def test_bulk_takes_the_same_parameters(name: str) -> None:
    asynchronous = getattr(musicapi_async.bulk, JOURNALS.get(name, name))
    blocking = getattr(musicapi_sync.bulk, name)
    pairs = {name: (asynchronous, blocking)}
    if inspect.isclass(blocking):
        theirs = {NAMES.get(name, name): value for name, value in public(asynchronous).items() if name not in STORING}
        assert set(public(blocking)) == set(theirs)
        pairs = {name: (value, public(blocking)[name]) for name, value in theirs.items()}

    assert pairs
    for theirs, ours in pairs.values():
        assert parameters_of(ours) == parameters_of(theirs)


def parameters_of(value: object) -> list[tuple[str, object, object]]:
    function = getattr(value, "__func__", value)
    assert callable(function)
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]


def test_sandbox_exports_the_same_names_and_takes_the_same_parameters() -> None:
    asynchronous, blocking = musicapi_async.sandbox, musicapi_sync.sandbox
    assert blocking.__all__ == asynchronous.__all__
    for name in {*blocking.__all__} - {"Sandbox"}:
        assert getattr(blocking, name) is getattr(asynchronous, name)

    assert inspect.signature(blocking.Sandbox) == inspect.signature(asynchronous.Sandbox)
    theirs, ours = (set(dir(package.Sandbox)) for package in (asynchronous, blocking))
    assert ours == theirs
    assert parameters_of(blocking.Sandbox.client) == parameters_of(asynchronous.Sandbox.client)


def test_bulk_is_imported_only_on_use() -> None:
    script = "import sys, musicapi_sync; print([name for name in sys.modules if 'bulk' in name or 'sqlite' in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("name", "default"), [("in_flight", 50), ("timeout", 600.0)])
def test_defaults_of_a_run_in_memory_are_those_of_a_durable_one(name: str, default: float) -> None:
    runs = (
        musicapi_async.MusicAPI.run,
        musicapi_sync.MusicAPI.run,
        musicapi_async.bulk.run,
        musicapi_sync.bulk.run,
    )

    assert {inspect.signature(run).parameters[name].default for run in runs} == {default}
