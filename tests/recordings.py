"""The recorded exchanges of every operation: ``contract/golden``.

``operations/<operation>.json`` holds for each operation:

- ``requests``: its fields, and the exact request that the service must receive for them.
- ``responses``: the names of the files in ``responses/`` whose responses it can get.
- ``polls``: for a task, the names of the files in ``polls/`` whose responses a poll of it can get.
- ``replacement``: for a retired operation, what its error recommends.
- ``limits``: each names a ``field`` and, as they apply: ``max_length`` (characters), ``ge`` and ``le`` (a number,
  ``integer`` or not), ``choices``, ``max_items`` with ``items`` to take from; ``with`` gives other fields it is tried
  with. A value just inside must make a request, a value just outside must be refused by the field's name.

The files in ``responses/`` and ``polls/`` hold the responses of one shape, each with what it must become: a ``result``,
or an ``error`` with its ``attributes``; a poll also has the task's ``state`` and, of a failed task, its ``failure``. Of
a clip, only the attributes that are set are listed. An accepted task's family is the operation's, and left out.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicapi_async import Request, operations

__all__ = ["GOLDEN", "OPERATIONS", "Case", "first_request", "recorded", "responses_of", "responses_with"]

GOLDEN = Path(__file__).parent / "contract" / "golden"
OPERATIONS: Mapping[str, type[Request[Any]]] = {operation.operation_name: operation for operation in operations()}

Case = Mapping[str, Any]


def recorded(operation: str) -> Mapping[str, Any]:
    """Return the recording of an operation."""
    recording: Mapping[str, Any] = _read(f"operations/{operation}")
    return recording


def responses_with(part: str, shape: str) -> Sequence[Case]:
    """Return the recorded responses of one shape; ``part`` is ``responses`` or ``polls``."""
    found: Sequence[Case] = _read(f"{part}/{shape}")
    return found


def responses_of(part: str, operation: str) -> Sequence[Case]:
    """Return all recorded responses of an operation."""
    return [case for shape in recorded(operation).get(part, ()) for case in responses_with(part, shape)]


def first_request(operation: str) -> Request[Any]:
    """Return the first recorded request of an operation."""
    return OPERATIONS[operation](**recorded(operation)["requests"][0]["fields"])


@functools.cache
def _read(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
