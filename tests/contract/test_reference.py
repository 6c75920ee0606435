"""The reference page is what the classes say now."""

import importlib.util
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from musicapi_async import Settings, operations, results

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_fresh(maker: ModuleType) -> None:
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == maker.page(), "out of date: make docs"


@pytest.mark.parametrize("name", [*results.__all__, "Settings"])
def test_public_fields_have_a_text_beside_them(maker: ModuleType, name: str) -> None:
    cls = getattr(results, name, Settings)
    texts = {member.name: member.text for member in maker.members(cls)}

    assert texts.keys() >= {field.name for field in attrs.fields(cls)}
    assert [name for name, text in texts.items() if not text.endswith(".")] == []


def test_the_reference_holds_everything() -> None:
    page = (DOCS / "reference.md").read_text(encoding="utf-8")

    assert [kind.operation_name() for kind in operations() if f"\n### {kind.operation_name()}\n" not in page] == []
    assert [name for name in results.__all__ if f"\n### {name}\n" not in page] == []
    assert "Any" not in page.split()
