"""The pages of the API reference are generated from the classes, whole, and every public field has a text."""

import re

import attrs
import pytest
from reference_pages import pages
from reference_pages.operations import FAMILIES
from reference_pages.source import members

import musicapi_sync
from musicapi_async import (
    Outcome,
    SavedFile,
    Settings,
    TaskState,
    bulk,
    errors,
    media,
    operations,
    results,
    sandbox,
    webhooks,
)
from musicapi_async.wire.requests import fields_of


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return dict(pages())


@pytest.mark.parametrize(
    "cls",
    [
        *(getattr(results, name) for name in results.__all__),
        *(getattr(errors, name) for name in errors.__all__),
        *(Outcome, SavedFile, Settings, TaskState, musicapi_sync.Outcome),
        *(bulk.Changes, bulk.Outcome, bulk.Planned, bulk.Record, webhooks.Event),
        *(sandbox.Account, sandbox.Delivery, sandbox.EventFault, sandbox.Fault),
    ],
)
def test_public_fields_are_documented(cls: type) -> None:
    texts = {member.name: member.text for member in members(cls)}

    fields = attrs.fields(cls) if attrs.has(cls) else ()
    assert texts.keys() >= {field.name for field in fields if not field.name.startswith("_")}
    assert [name for name, text in texts.items() if not text.endswith(".")] == []


def test_source_of_operation_is_a_link_or_names_a_file() -> None:
    files = ("OpenAPI file of musicapi-sdk 0.1.0, ", "third-party clients of ")

    assert [cls.source for cls in operations() if not cls.source.startswith(("https://", *files))] == []


def test_reference_has_every_operation_once_with_its_price_and_source(reference: dict[str, str]) -> None:
    for operation in operations():
        parts = reference[operation.family].split(f"\n## {operation.operation_name}\n")
        assert len(parts) == 2, operation.operation_name
        own = parts[1].partition("\n## ")[0]
        assert f"client.{operation.operation_name}(" in own
        assert operation.source in own
        assert operation.as_of in own or not operation.credits
        assert [field.name for field in fields_of(operation) if f"| `{field.name}` |" not in own] == []
    assert {operation.family for operation in operations()} == set(FAMILIES)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("results", results.__all__),
        ("errors", errors.__all__),
        ("client", ["MusicAPI"]),
        ("tasks", ["Submission", "Task", "TaskState", "Run", "Outcome"]),
        ("bulk", [f"bulk.{name}" for name in ("run", "open", "Record", "Outcome", "read_requests")]),
        ("media", [f"media.{name}" for name in media.__all__]),
        ("webhooks", ["webhooks.verify", "webhooks.Event", "webhooks.ClientWebhooks", "webhooks.FileInbox"]),
        ("sandbox", [f"sandbox.{name}" for name in ("Sandbox", "Fault", "EventFault", "Account", "Delivery")]),
    ],
)
def test_reference_page_has_every_name(reference: dict[str, str], page: str, names: list[str]) -> None:
    assert [name for name in names if f"\n## {name}\n" not in reference[page]] == []


def test_settings_page_has_every_setting_and_its_variable(reference: dict[str, str]) -> None:
    page = reference["settings"]

    assert [field.name for field in attrs.fields(Settings) if f"| `{field.name}` |" not in page] == []
    assert "`MUSICAPI_KEY`" in page


def test_commands_page_has_every_command_and_exit_code(reference: dict[str, str]) -> None:
    page = reference["commands"]

    for heading in ("musicapi generate", "musicapi bulk run", "musicapi webhooks listen", "Exit codes"):
        assert f"\n## {heading}\n" in page
    assert "| 143 | stopped by SIGTERM |" in page


def test_operations_results_and_errors_show_no_type_any(reference: dict[str, str]) -> None:
    shown = [*FAMILIES, "results", "errors", "settings"]

    assert [name for name in shown if re.search(r"\bAny\b", reference[name])] == []
