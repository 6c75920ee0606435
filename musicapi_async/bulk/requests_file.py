"""A file of requests, JSONL or CSV: read line by line, every line checked."""

import asyncio
import csv
import difflib
import functools
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from musicapi_async._arguments import usable_path
from musicapi_async._request import TaskRequest
from musicapi_async.bulk.file_format import csv_format, json_format, not_utf8
from musicapi_async.bulk.keys import Keys, checked_key
from musicapi_async.bulk.line_values import number_of, values_of_cells, values_of_json
from musicapi_async.bulk.records import Planned, Record
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests import operations

__all__ = [
    "BadLine",
    "RequestsFile",
    "class_of",
    "planned_of",
    "price_list",
    "read_requests",
    "request_of",
]

INVISIBLE: Final = "\u200b\ufeff"
"""Zero-width characters that editors insert, and that are not whitespace."""
LINES_PER_READ: Final = 1000
PANDAS_INDEX: Final = ": an index, which pandas leaves out with to_csv(..., index=False)"
LINE_FIELDS: Final = ("operation", "key")
"""Fields of a line that are no fields of its request."""


class BadLine(NamedTuple):
    """A line of a requests file that is not a valid request."""

    number: int
    """The number of the line, from 1."""
    field: str | None
    """The field at fault; None when it is not a single one."""
    reason: str
    """A sentence about what is wrong."""


class RequestsFile:
    """The requests of a file, one by one, each checked: with ``for``, or with ``async for``, which reads in a thread.

    Raises OSError when the file cannot be read.
    """

    def __init__(self, path: Path, operation: str | None) -> None:
        self._path = path
        self._operation = operation

    def __iter__(self) -> Iterator[Planned | BadLine]:
        """Read from the first line."""
        return _read(self._path, self._operation)

    async def __aiter__(self) -> AsyncIterator[Planned | BadLine]:
        """Read from the first line, in a thread."""
        lines = iter(self)
        while batch := await asyncio.to_thread(list, islice(lines, LINES_PER_READ)):
            for line in batch:
                yield line


def read_requests(path: str | os.PathLike[str], operation: str | None = None) -> RequestsFile:
    """Read a file's requests, each checked; ``operation`` is that of lines which name none.

    Each line of JSONL is an object, ``{"operation": "sonic.describe", "description": "...", "key": "..."}``, in which
    null is not set. A CSV file has the names in its first line; an empty cell is not set, and a line of empty cells is
    skipped. Tags may also be a list, or a text that holds one as JSON or as Python writes it. A line that is no request
    is a ``BadLine``; so is a CSV file with two columns of one name.

    Raises InvalidRequestError for a wrong path or operation; iterating raises OSError when the file cannot be read.
    """
    if operation is not None:
        class_of(operation)
    return RequestsFile(usable_path("path", path, 'name a file: "requests.jsonl"'), operation)


def _read(path: Path, operation: str | None) -> Iterator[Planned | BadLine]:
    is_csv = path.suffix.lower() == ".csv"
    with (
        closing(Keys()) as keys,
        path.open(encoding="utf-8-sig", errors="surrogateescape", newline="" if is_csv else None) as lines,
    ):
        first = next(lines, "")
        if reason := csv_format(first) if is_csv else json_format(first):
            yield BadLine(1, None, reason)
            return
        every = chain((first,), lines)
        for number, line in _csv_lines(every) if is_csv else _json_lines(every):
            if isinstance(line, BadLine):
                yield line
                continue
            try:
                yield planned_of(line, keys, operation, is_text=is_csv)
            except InvalidRequestError as error:
                yield BadLine(number, error.field, error.message)


def planned_of(line: Mapping[str, Any], keys: Keys, operation: str | None = None, *, is_text: bool = False) -> Planned:
    """Check one request; with ``is_text`` its values are texts, as in CSV.

    Raises InvalidRequestError, naming the field.
    """
    request_class = class_of(line.get("operation") or operation)
    given = {name: value for name, value in line.items() if name not in LINE_FIELDS and value is not None}
    given = values_of_cells(request_class, given) if is_text else values_of_json(request_class, given)
    request = request_class(**given)
    key = line.get("key")
    if key is None or key == "":
        return keys.planned(request, given)
    key = checked_key(key)
    if not keys.is_new(key):
        raise InvalidRequestError(f"key is {key!r}, which an earlier line has too", "key", key, "once in a file")
    return Planned.of(key, request)


def request_of(record: Record) -> TaskRequest[Any]:
    """Return the request of a record as a value again."""
    return class_of(record.operation).from_wire(record.request)


def class_of(operation: object) -> type[TaskRequest[Any]]:
    """Return the request class of an operation that starts a task; raises InvalidRequestError for any other name."""
    known = task_operations()
    if isinstance(operation, str) and operation in known:
        return known[operation]
    if operation is None:
        message = "operation is missing: name one in the line, or one for all lines (--operation; in Python operation=)"
        raise InvalidRequestError(message, "operation", None, "required")
    is_other = any(one.operation_name == operation for one in operations())
    close = [] if is_other else difflib.get_close_matches(str(operation), known, 1)
    hint = f"did you mean {close[0]}?" if close else "it must be one that starts a task, such as sonic.describe"
    message = f"operation is {operation!r}; {hint}"
    raise InvalidRequestError(message, "operation", operation, tuple(known))


@functools.cache
def task_operations() -> Mapping[str, type[TaskRequest[Any]]]:
    """Return the operations that start a task, by name."""
    return {one.operation_name: one for one in operations() if issubclass(one, TaskRequest)}


def price_list() -> dict[str, float | None]:
    """Return the listed price of each operation in credits, by name; None where it is not known."""
    return {name: one.credits for name, one in task_operations().items()}


def _json_lines(lines: Iterator[str]) -> Iterator[tuple[int, Mapping[str, Any] | BadLine]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if reason := not_utf8(line):
            yield number, BadLine(number, None, reason)
            continue
        try:
            fields = _DECODE(line)
        except _DuplicateError as error:
            yield number, BadLine(number, error.name, f"{error.name!r} occurs twice")
        except (ValueError, RecursionError) as error:
            yield number, BadLine(number, None, f"it is not JSON: {error}")
        else:
            if not isinstance(fields, dict):
                fields = BadLine(number, None, f"it must be an object, not {type(fields).__name__}")
            yield number, fields


class _DuplicateError(Exception):
    """An object with a duplicate name, whose first value ``json`` would drop."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _object_of(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateError(name)
        found[name] = value
    return found


_DECODE: Final = json.JSONDecoder(object_pairs_hook=_object_of, parse_float=number_of).decode
"""As ``json.loads``, which makes a decoder each time where it is not the default one."""


def _csv_lines(lines: Iterator[str]) -> Iterator[tuple[int, Mapping[str, Any] | BadLine]]:
    reader = csv.reader(lines, strict=True)
    names: list[str] | None = None
    try:
        for cells in reader:
            # Spreadsheets leave the separators of a deleted row.
            if not any(cell.strip().strip(INVISIBLE).strip() for cell in cells):
                continue
            if names is None:
                names = [name.strip() for name in cells]
                if wrong := _duplicate_column(reader.line_num, names):
                    yield reader.line_num, wrong
                    return
            else:
                yield reader.line_num, _csv_line(reader.line_num, names, cells)
    except csv.Error as error:
        yield reader.line_num, BadLine(reader.line_num, None, f"it is not CSV: {error}")


def _duplicate_column(number: int, names: Sequence[str]) -> BadLine | None:
    for place, name in enumerate(names):
        if name and name in names[:place]:
            reason = f"column {name!r} occurs twice, as columns {names.index(name) + 1} and {place + 1}: keep one"
            return BadLine(number, name, reason)
    return None


def _csv_line(number: int, names: Sequence[str], cells: Sequence[str]) -> Mapping[str, str] | BadLine:
    if reason := next(filter(None, map(not_utf8, cells)), None):
        return BadLine(number, None, reason)
    if len(cells) > len(names):
        return BadLine(number, None, "it has more cells than the first line has names")
    for place, (name, cell) in enumerate(zip(names, cells, strict=False), 1):
        if not name and cell.strip():
            is_index = place == 1 and cell.isdecimal()
            found = PANDAS_INDEX if is_index else f", and contains {cell!r}"
            return BadLine(number, None, f"column {place} has no name in the first line{found}")
    return {name: cell for name, cell in zip(names, cells, strict=False) if name and cell}
