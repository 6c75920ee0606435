"""The contents of a response: its result, structured by wire/, and the ids of what was made. No I/O."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import attrs

from musicapi_async.results import (
    AlignedLyrics,
    Batch,
    BatchTask,
    DownloadFile,
    DownloadFiles,
    LyricsDrafts,
    Midi,
    Persona,
    SharedSong,
    Step,
    UploadedClip,
    Word,
)
from musicapi_async.results.lyrics import aligned
from musicapi_async.wire.converter import register_structure_hook_of, structure, wire
from musicapi_async.wire.json import read_json
from musicapi_async.wire.values import text, whole

__all__ = ["NamedIds", "ids_in", "read_result", "read_uploaded"]

T = TypeVar("T")
Body = Mapping[str, object]

ONE_OF: Final[Mapping[type, tuple[str, ...]]] = {
    DownloadFiles: ("files",),
    LyricsDrafts: ("drafts",),
    Midi: ("url", "instruments"),
    SharedSong: ("audio_url", "video_url", "title"),
}
"""Results that are unusable without at least one of these fields."""


def read_result(body: Body, result_type: type[T]) -> T:
    """Return a response's object as a result; raises ValueError, with the path in the JSON, when there is none."""
    place, found = PLACES.get(result_type, _in_data)(body)
    result = structure(found, result_type, place)
    needed = ONE_OF.get(result_type)
    if needed is not None and not any(getattr(result, name) for name in needed):
        raise ValueError(f"{place} holds no {' or '.join(needed)}")
    return result


def read_uploaded(body: Body) -> UploadedClip | None:
    """Return the clip that a one-shot upload created, with its steps; None where there is none."""
    steps = body.get("steps")
    named = (
        [{**step, "name": str(name)} for name, step in steps.items() if isinstance(step, dict)]
        if isinstance(steps, dict)
        else []
    )
    found = structure(named, tuple[Step, ...])
    clip_id = next((step.clip_id for step in found if step.name == "upload" and step.clip_id), None)
    return UploadedClip(clip_id, found) if clip_id else None


def _in_data(body: Body) -> tuple[str, Body]:
    """Return the object under ``data``, or the whole response where there is none."""
    data = body.get("data")
    return ("$.data", data) if isinstance(data, Mapping) else ("$", body)


def _by_key(key: str) -> Callable[[Body], tuple[str, Body]]:
    return lambda body: ("$", body) if key in body else _in_data(body)


def _at_top(body: Body) -> tuple[str, Body]:
    return "$", body


def _wav(body: Body) -> tuple[str, Body]:
    place, found = _in_data(body)
    return place, {"url": found.get("wav_url") or found.get("url"), "format": "wav"}


def _files(body: Body) -> tuple[str, Body]:
    place, found = _in_data(body)
    return (place, found) if found.get("files") else ("$", {"files": body.get("data")})


PLACES: Final[Mapping[type, Callable[[Body], tuple[str, Body]]]] = {
    Batch: _at_top,
    DownloadFile: _wav,
    DownloadFiles: _files,
    LyricsDrafts: _at_top,
    Persona: _by_key("persona_id"),
    UploadedClip: _by_key("clip_id"),
}


@attrs.frozen(repr=False, eq=False)
class _Token:
    """One token of aligned lyrics, as the service splits them."""

    text: Annotated[str, wire("word")]
    start: Annotated[float | None, wire("start_s")] = None
    end: Annotated[float | None, wire("end_s")] = None


def _structure_aligned(data: Body, _: object) -> AlignedLyrics:
    tokens = data.get("alignment")
    if not isinstance(tokens, list):
        raise ValueError("alignment is missing")  # noqa: TRY004 - the wire's data, not an argument
    return aligned(Word(one.text, one.start, one.end) for one in structure(tokens, tuple[_Token, ...]))


def _structure_batch(body: Body, _: object) -> Batch:
    data = body if body.get("batch_id") else _in_data(body)[1]
    found = data.get("tasks") or data.get("items") or body.get("tasks") or body.get("items") or body.get("data")
    items = found if isinstance(found, list) else list(found.values()) if isinstance(found, Mapping) else []
    tasks, batch_id = tuple(map(_batch_task, items)), text(data.get("batch_id")) or None
    # Refusals that contain task ids have been observed without a batch_id.
    if batch_id is None and not any(task.task_id for task in tasks):
        raise ValueError("batch_id is missing")
    return Batch(batch_id=batch_id, submitted=whole(data.get("submitted")), tasks=tasks, raw=body)


register_structure_hook_of(AlignedLyrics, _structure_aligned)
register_structure_hook_of(Batch, _structure_batch)


def _batch_task(item: object) -> BatchTask:
    if not isinstance(item, Mapping):
        return BatchTask(task_id=text(item) or None)
    # The keys of an item are not documented.
    task_id = text(item.get("task_id")) or text(_in_data(item)[1].get("task_id")) or text(item.get("id")) or None
    error = item.get("error")
    place: Mapping[str, Any] = error if isinstance(error, Mapping) else item
    reason = next((found for name in ("error", "detail", "message") if (found := text(place.get(name)))), None)
    return BatchTask(task_id=task_id, error=None if task_id else reason)


TASK_KEYS: Final = frozenset({"task_id", "task_ids"})
RESULT_KEYS: Final = frozenset({"batch_id", "clip_id", "clip_ids", "persona_id", "voice_id", "vox_audio_id"})
ITEM_KEYS: Final = frozenset({"task", "tasks", "items", "results"})
"""Tasks, or lists of them: ids, or objects with an ``id``."""
MAX_DEPTH: Final = 16
MAX_ID_LENGTH: Final = 200
"""Characters; a longer text is not an id."""
MAX_IDS: Final = 100
IN_TEXT: Final = re.compile(r'"(\w+)"\s*:\s*(?:"([^"\\\s]+)"|\[((?:\s*"[^"\\\s]+"\s*,?)+))')
"""A key with a text, or with the beginning of a list of texts, in truncated JSON."""
QUOTED: Final = re.compile(r'"([^"]+)"')
CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


class NamedIds(NamedTuple):
    """The ids of tasks, and of other results: clips, personas, batches."""

    task_ids: tuple[str, ...] = ()
    result_ids: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when there are no ids."""
        return not (self.task_ids or self.result_ids)


def ids_in(body: object, sent: object) -> NamedIds:
    """Return the ids in a response's body (JSON, or text with JSON in it) that were not in the request itself."""
    sent_texts = set(_texts(sent, 0))
    found: tuple[dict[str, None], dict[str, None]] = ({}, {})
    for key, value in _pairs(body, 0):
        name = value if isinstance(value, str) else text(value)
        if name and name not in sent_texts and _can_be_id(name):
            ids = found[key not in TASK_KEYS]
            if len(ids) < MAX_IDS:
                ids[name] = None
    return NamedIds(*map(tuple, found))


def _can_be_id(name: str) -> bool:
    """Return False for a sentence, and for a text with an undecodable character."""
    is_whole = name.isprintable() and " " not in name and "\ufffd" not in name
    return is_whole and len(name) <= MAX_ID_LENGTH and name not in {".", ".."}


def _pairs(value: object, depth: int) -> Iterator[tuple[str, object]]:
    """Yield the values under the keys above, each with its key in snake case."""
    if isinstance(value, str) and not depth:
        yield from _pairs_in_text(value)
    if depth > MAX_DEPTH:
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
    for name, one, listed in IN_TEXT.findall(body):
        key = _snake_case(name)
        if key in ITEM_KEYS and listed:
            key = "task_id"
        if key in TASK_KEYS | RESULT_KEYS:
            yield from ((key, each) for each in ([one] if one else QUOTED.findall(listed)))


def _snake_case(name: str) -> str:
    return CAPITAL.sub("_", name).lower()


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth <= MAX_DEPTH and isinstance(value, (list, tuple, Mapping)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one, depth + 1)
