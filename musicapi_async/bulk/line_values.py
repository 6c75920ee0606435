"""The values of a line of a requests file, as tools write them: numbers, booleans and lists in texts. No I/O."""

import ast
import functools
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from musicapi_async._request import TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests import operations
from musicapi_async.wire.requests import fields_of

__all__ = ["number_of", "values_of_cells", "values_of_json"]

MAX_WHOLE: Final = 2**53
"""The largest whole number up to which all are distinct as floats."""
BOOLEANS: Final = {"true": True, "false": False}
ESCAPE: Final = r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U(?:000[0-9a-f]|0010)[0-9a-f]{4})"""
QUOTED: Final = rf"""(?:'(?:[^'\\\n]|{ESCAPE})*'|"(?:[^"\\\n]|{ESCAPE})*")"""
PYTHON_LIST: Final = re.compile(rf"\[{QUOTED}(?:, {QUOTED})*\]")
"""A list of texts as Python writes it. numpy writes no commas, and Python would read its texts as a single one."""
LIKE_LIST: Final = re.compile(r"""[\[({](?:['"].*|.*['"],?)[\])}]""", re.DOTALL)
"""Something in brackets, with a quotation mark next to one of them."""
LIST: Final = "collections.abc.Sequence"
TEXT_OR_LIST: Final = f"str | {LIST}"


def number_of(text: str) -> int | float:
    """Return a number; a whole one as an integer, since tools write ``60.0`` for 60 where a column has empty cells."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= MAX_WHOLE else number


def values_of_json(request_class: type[TaskRequest[Any]], given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a line of JSON, where some tools write a boolean or a list as a text.

    Raises InvalidRequestError for tags in brackets that are no list.
    """
    flags, tags = _flags_and_tags(request_class.operation_name)
    for name in flags & given.keys():
        if isinstance(value := given[name], str):
            given[name] = BOOLEANS.get(value.lower(), value)
    for name in tags & given.keys():
        if isinstance(value := given[name], str):
            given[name] = _tags_of(name, value)
    return given


def values_of_cells(request_class: type[TaskRequest[Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a line of CSV, each cell converted to the type of its field.

    Raises InvalidRequestError for tags in brackets that are no list.
    """
    types = _types_by_operation()[request_class.operation_name]
    return {name: _value_of(name, text, types.get(name, "str")) for name, text in texts.items()}


def _value_of(name: str, text: str, declared: str) -> Any:
    """Convert a cell to the type of its field: text stays as it is, anything else is JSON, or a list of Python."""
    if declared.startswith(TEXT_OR_LIST):
        return _tags_of(name, text)
    if "str" in declared and "int" not in declared and not declared.startswith(LIST):
        return text
    try:
        return json.loads(text.lower() if "bool" in declared else text, parse_float=number_of)
    except ValueError:
        return _python_list(text) or text  # refused by its field, or a seed that is a text


def _tags_of(name: str, text: str) -> str | list[str]:
    """Return the list that a text holds, as JSON or as Python writes it: ``['rock', 'calm']``; otherwise the text.

    Raises InvalidRequestError for a text that resembles a list: its brackets and quotation marks would be sent.
    """
    stripped = text.strip()
    if not stripped.startswith(("[", "(", "{")):
        return text
    if found := _json_list(stripped) or _python_list(stripped):
        return found
    if LIKE_LIST.fullmatch(stripped):
        message = f"""{name} is {text!r}, a list that cannot be read: write rock, calm or ["rock", "calm"]"""
        raise InvalidRequestError(message, name, text, "a text or a list of texts")
    return text


def _json_list(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else None


def _python_list(text: str) -> list[str] | None:
    found: list[str] | None = ast.literal_eval(text.strip()) if PYTHON_LIST.fullmatch(text.strip()) else None
    return found


@functools.cache
def _types_by_operation() -> Mapping[str, Mapping[str, str]]:
    return {one.operation_name: {field.name: str(field.type) for field in fields_of(one)} for one in operations()}


@functools.cache
def _flags_and_tags(operation: str) -> tuple[frozenset[str], frozenset[str]]:
    types = _types_by_operation()[operation].items()
    flags = frozenset(name for name, declared in types if "bool" in declared)
    return flags, frozenset(name for name, declared in types if declared.startswith(TEXT_OR_LIST))
