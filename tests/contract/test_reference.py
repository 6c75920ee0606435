"""The reference page is generated from the classes and up to date."""

import importlib.util
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import musicapi_sync
from musicapi_async import Outcome, SavedFile, Settings, TaskState, bulk, errors, operations, results, sandbox, webhooks

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_up_to_date(maker: ModuleType) -> None:
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == maker.page(), "out of date: make docs"


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
def test_public_fields_are_documented(maker: ModuleType, cls: type) -> None:
    texts = {member.name: member.text for member in maker.members(cls)}

    fields = attrs.fields(cls) if attrs.has(cls) else ()
    assert texts.keys() >= {field.name for field in fields if not field.name.startswith("_")}
    assert [name for name, text in texts.items() if not text.endswith(".")] == []


def test_source_of_operation_is_a_link_or_names_a_file() -> None:
    files = ("OpenAPI file of musicapi-sdk 0.1.0, ", "third-party clients of ")

    assert [cls.source for cls in operations() if not cls.source.startswith(("https://", *files))] == []


def test_reference_lists_every_operation_result_and_error() -> None:
    page = (DOCS / "reference.md").read_text(encoding="utf-8")

    assert [
        operation.operation_name for operation in operations() if f"\n### {operation.operation_name}\n" not in page
    ] == []
    assert [name for name in [*results.__all__, *errors.__all__] if f"\n### {name}\n" not in page] == []
    assert "Any" not in page.split()
