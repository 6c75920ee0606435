"""Where the clips stand in a reply: pure (contract, decisions 7 and 18)."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from musicapi_async.results import Clip
from musicapi_async.results.clip import SUCCEEDED, structure_clip
from musicapi_async.wire.json import read_json
from musicapi_async.wire.values import items, text

__all__ = ["Body", "is_running", "pair", "rows_of", "single_rows", "song_rows", "song_rows_in"]

Body: TypeAlias = Mapping[str, object]

RUNNING_WORDS: Final = frozenset(
    {"PENDING", "RUNNING", "QUEUED", "SUBMITTED", "NOT_START", "IN_PROGRESS", "PROCESSING", "STREAMING"}
)
PAIRED: Final = ("replaced", "extended")


def rows_of(body: Body) -> tuple[Body, ...]:
    """Find the clips of a reply: a list, Studio's nested songs, or Nuro's flat object."""
    data = body.get("data")
    if isinstance(data, list):
        rows = items(data)
        return tuple({**row, "state": "running"} for row in rows) if is_running(body.get("status")) else rows
    if isinstance(data, Mapping) and text(data.get("clip_id")):
        return rows_of({**body, "data": [data]})
    for outer in (data, body.get("handledData")):
        inner = outer.get("data") if isinstance(outer, Mapping) else None
        if isinstance(outer, Mapping) and isinstance(inner, Mapping) and (songs := items(inner.get("songs"))):
            return tuple(_studio_row(row, outer) for row in songs)
    if "data" not in body and "status" in body and "audio_url" in body:
        return ({**body, "clip_id": body.get("task_id"), "state": _lowered(body.get("status"))},)
    return ()


def single_rows(body: Body) -> tuple[Body, ...]:
    """Find the rows of a reply whose ``data`` may also be the one row itself."""
    data = body.get("data")
    return rows_of({**body, "data": [data]}) if isinstance(data, Mapping) else rows_of(body)


def song_rows(body: Body) -> Sequence[Body]:
    """Find the rows of a task of songs."""
    return [_song(row) for row in rows_of(body)]


def song_rows_in(content: bytes) -> Sequence[Body]:
    """Find them in a reply that was kept as it came."""
    body = read_json(content)
    return song_rows(body) if isinstance(body, dict) else ()


def pair(row: Body) -> tuple[Clip, Clip | None]:
    """Read a new part with the whole song; the song is None where it was not asked for, or is not there yet."""
    name = next((name for name in PAIRED if isinstance(row.get(name), Mapping)), None)
    if name is None:
        return structure_clip(row), None
    part, full = row[name], row.get("full")
    assert isinstance(part, Mapping)  # noqa: S101 - for the type checker: looked at above
    if isinstance(full, Mapping):
        return structure_clip(part), structure_clip(full)
    # Where the key is there and empty, the parts are still being joined.
    return structure_clip(part), Clip(state="running") if "full" in row else None


def is_running(word: object) -> bool:
    return isinstance(word, str) and word.upper() in RUNNING_WORDS


def _studio_row(row: Body, task: Body) -> Body:
    """Put a Studio song under the common names; its path is empty while it is made.

    The task's word counts where it says one: a song without a path in a task that succeeded is waited for a little.
    """
    path = text(row.get("song_path"))
    status = text(task.get("status"))
    is_done = status.upper() == "SUCCESS" if status else bool(path)
    return {
        **row,
        "clip_id": row.get("id"),
        "audio_url": path,
        "image_url": row.get("image_path"),
        "state": SUCCEEDED if is_done else "running",
    }


def _song(row: Body) -> Body:
    """Find a song's row; of a part with its whole song, taken up as a song from its id, the whole one."""
    if "replaced" not in row and "extended" not in row:
        return row
    part = next((found for name in PAIRED if isinstance(found := row.get(name), Mapping)), row)
    full = row.get("full", part)
    return full if isinstance(full, Mapping) else {"state": "running"}


def _lowered(word: object) -> object:
    return word.lower() if isinstance(word, str) else word
