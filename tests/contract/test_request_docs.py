"""The docstring of every operation states its fields, limits and price: editors and help() show it."""

import ast
import inspect
import pydoc
import re
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

import musicapi_async
import musicapi_sync
from musicapi_async import Request, nuro, operations
from musicapi_async.errors import InvalidRequestError
from musicapi_async.wire.requests import fields_of

LISTS = {getattr(nuro, name): f"``nuro.{name}``" for name in nuro.__all__ if name.isupper()}
WRONG = ("x" * 9999, "https://".ljust(9999, "x"), -(10**6), 10**6, ("x",), ())
"""Values beyond the limits of fields."""


def parts_of(operation: type[Request[Any]]) -> tuple[dict[str, str], str]:
    """Return the text of each field in a docstring, and the price."""
    above, _, price = inspect.getdoc(operation).rpartition("\n\n")  # type: ignore[union-attr]  # they all have one
    lines = inspect.cleandoc(above.partition("\n\nArgs:\n")[2]).splitlines()
    return {name: text for name, _, text in (line.partition(": ") for line in lines)}, price


def limits_of(field: "attrs.Attribute[Any]") -> list[object]:
    """Return the limits in the errors of wrong values."""
    found: list[object] = []
    for value in WRONG:
        try:
            if field.validator is not None:
                field.validator(SimpleNamespace(model=None), field, value)
        except InvalidRequestError as error:
            found += [error.limit]
    return found


def is_stated(limit: object, text: str) -> bool:
    if isinstance(limit, tuple) and limit in LISTS:
        return LISTS[limit] in text
    if limit == ("http://", "https://"):
        return "``http(s)://``" in text
    parts = limit if isinstance(limit, tuple) else (limit,)
    # The end of a range has a stricter limit than 0: it is after the start.
    words = [f"{part:g}" if isinstance(part, (int, float)) else str(part) for part in parts if part is not None]
    return all(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) or (word == "0" and "after ``" in text) for word in words
    )


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.operation_name)
def test_docstring_of_operation_states_fields_limits_and_price(operation: type[Request[Any]]) -> None:
    texts, price = parts_of(operation)
    fields = fields_of(operation)

    assert list(texts) == [field.name for field in fields]
    for field in fields:
        assert texts[field.name].endswith(".")
        limits = [limit for limit in limits_of(field) if isinstance(limit, (int, tuple))]
        assert [limit for limit in limits if not is_stated(limit, texts[field.name])] == [], field.name
    if operation.credits is None:
        assert price == "Its price is not documented."
    elif operation.credits == 0:
        assert price == "Free."
    else:
        assert price.startswith(f"Costs {operation.credits:g} credit")
        assert price.endswith(f" as of {operation.as_of}.")


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.operation_name)
def test_docstring_of_operation_is_the_one_in_the_source(operation: type[Request[Any]]) -> None:
    """Editors do not run the code: what is added when a class is made would be missing there."""
    (node,) = ast.parse(inspect.getsource(operation)).body

    assert isinstance(node, ast.ClassDef)
    assert ast.get_docstring(node) == inspect.getdoc(operation)


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
@pytest.mark.parametrize("family", musicapi_async.requests.FAMILIES)
def test_help_of_family_lists_its_operations(package: Any, family: str) -> None:
    client = package.MusicAPI("help")
    listed = {
        f"- ``{operation.operation_name.partition('.')[2]}``: {inspect.getdoc(operation)}".partition("\n")[0]
        for operation in operations()
        if operation.family == family
    }

    for documented in (getattr(client, family), getattr(package.MusicAPI, family)):
        lines = {line.strip(" |") for line in pydoc.plain(pydoc.render_doc(documented)).splitlines()}
        assert listed <= lines
    assert listed
