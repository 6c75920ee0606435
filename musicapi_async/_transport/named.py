"""Ids of what a response to a paid request names, wherever it names them: no I/O."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from musicapi_async.wire.json import read_json
from musicapi_async.wire.values import text

__all__ = ["Named", "ids_in"]

TASK_KEYS: Final = frozenset({"task_id", "task_ids"})
RESULT_KEYS: Final = frozenset({"batch_id", "clip_id", "clip_ids", "persona_id", "voice_id", "vox_audio_id"})
ITEM_KEYS: Final = frozenset({"task", "tasks", "items", "results"})
"""Tasks, or lists of them: ids, or objects with an ``id``."""
DEEPEST: Final = 16
LONGEST: Final = 200
"""An id of more characters is none."""
MOST: Final = 100
"""So many ids are taken at most."""
IN_TEXT: Final = re.compile(r'"(\w+)"\s*:\s*(?:"([^"\\\s]+)"|\[((?:\s*"[^"\\\s]+"\s*,?)+))')
"""A key with a text, or with the beginning of a list of texts, in JSON that is broken off."""
QUOTED: Final = re.compile(r'"([^"]+)"')
CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Named(NamedTuple):
    """The ids of tasks, and those of what is no task: clips, personas, batches."""

    task_ids: tuple[str, ...] = ()
    result_ids: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when nothing is named."""
        return not (self.task_ids or self.result_ids)


def ids_in(body: object, sent: object) -> Named:
    """Return the ids in a response's body (JSON, or text that holds some) that its request did not send itself."""
    own = set(_texts(sent, 0))
    found: tuple[dict[str, None], dict[str, None]] = ({}, {})
    for key, value in _pairs(body, 0):
        name = value if isinstance(value, str) else text(value)
        if name and name not in own and _can_be_id(name):
            ids = found[key not in TASK_KEYS]
            if len(ids) < MOST:
                ids[name] = None
    return Named(*map(tuple, found))


def _can_be_id(name: str) -> bool:
    """Return False for a sentence, and for what has lost a character on its way."""
    is_whole = name.isprintable() and " " not in name and "\ufffd" not in name
    return is_whole and len(name) <= LONGEST and name not in {".", ".."}


def _pairs(value: object, depth: int) -> Iterator[tuple[str, object]]:
    """Go through all that is named by a key of ours, in snake case."""
    if isinstance(value, str) and not depth:
        yield from _pairs_in_text(value)
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for one in value:
            yield from _pairs(one, depth + 1)
    if isinstance(value, Mapping):
        for name, one in value.items():
            key = _snake_case(name)
            values = one if isinstance(one, list) else [one]
            if key in TASK_KEYS | RESULT_KEYS:
                yield from ((key, each) for each in values)
            elif key in ITEM_KEYS:
                yield from (("task_id", each.get("id") if isinstance(each, Mapping) else each) for each in values)
            yield from _pairs(one, depth + 1)


def _pairs_in_text(body: str) -> Iterator[tuple[str, object]]:
    try:
        whole = read_json(body.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, (dict, list)):
        yield from _pairs(whole, 1)
        return
    for name, one, several in IN_TEXT.findall(body):
        key = _snake_case(name)
        if key in ITEM_KEYS and several:
            key = "task_id"
        if key in TASK_KEYS | RESULT_KEYS:
            yield from ((key, each) for each in ([one] if one else QUOTED.findall(several)))


def _snake_case(name: str) -> str:
    return CAPITAL.sub("_", name).lower()


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth <= DEEPEST and isinstance(value, (list, tuple, Mapping)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one, depth + 1)
