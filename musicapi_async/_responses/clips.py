"""The clips in the response to a poll: their place differs by family and by operation. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from musicapi_async.results import Clip
from musicapi_async.results.clip import SUCCEEDED, structure_clip
from musicapi_async.wire.json import read_json
from musicapi_async.wire.values import items, text

__all__ = ["find_clip_or_clips", "find_clips", "find_pairs", "find_songs", "find_songs_in", "is_running_status"]

Body: TypeAlias = Mapping[str, object]

RUNNING_STATUSES: Final = frozenset(
    {"PENDING", "RUNNING", "QUEUED", "SUBMITTED", "NOT_START", "IN_PROGRESS", "PROCESSING", "STREAMING"}
)
PAIRED: Final = ("replaced", "extended")


def find_clips(body: Body) -> tuple[Body, ...]:
    """Return the clips of a response as objects: a list, Studio's nested songs, or Nuro's flat object."""
    data = body.get("data")
    if isinstance(data, list):
        raw_clips = items(data)
        return (
            tuple({**raw, "state": "running"} for raw in raw_clips)
            if "status" in body and is_running_status(body["status"])
            else raw_clips
        )
    if isinstance(data, Mapping) and text(data.get("clip_id")):
        return find_clips({**body, "data": [data]})
    for outer in (data, body.get("handledData")):
        inner = outer.get("data") if isinstance(outer, Mapping) else None
        if isinstance(outer, Mapping) and isinstance(inner, Mapping) and (songs := items(inner.get("songs"))):
            return tuple(_studio_clip(raw, outer) for raw in songs)
    if "data" not in body and "status" in body and "audio_url" in body:
        return ({**body, "clip_id": body.get("task_id"), "state": _lowered(body.get("status"))},)
    return ()


def find_clip_or_clips(body: Body) -> tuple[Body, ...]:
    """Return the clips of a response whose ``data`` may also be the single clip itself."""
    data = body.get("data")
    return find_clips({**body, "data": [data]}) if isinstance(data, Mapping) else find_clips(body)


def find_songs(body: Body) -> Sequence[Body]:
    """Return the clips of a task of songs."""
    return [_whole_song(raw) if "replaced" in raw or "extended" in raw else raw for raw in find_clips(body)]


def find_songs_in(content: bytes) -> Sequence[Body]:
    """Return the clips of a response from its undecoded body."""
    body = read_json(content)
    return find_songs(body) if isinstance(body, dict) else ()


def find_pairs(body: Body) -> list[tuple[Clip, Clip | None]]:
    """Return the new parts of a response, each with its whole song: None where none was requested, or it is missing."""
    return [_pair(raw) for raw in find_clips(body)]


def _pair(raw: Body) -> tuple[Clip, Clip | None]:
    """Structure a new part and its whole song, which is None where it was not requested or is missing."""
    name = next((name for name in PAIRED if isinstance(raw.get(name), Mapping)), None)
    if name is None:
        return structure_clip(raw), None
    part, full = raw[name], raw.get("full")
    assert isinstance(part, Mapping)  # noqa: S101 - for the type checker: tested above
    if isinstance(full, Mapping):
        return structure_clip(part), structure_clip(full)
    # Where the key is present and empty, the parts are still being joined.
    return structure_clip(part), Clip(state="running") if "full" in raw else None


def is_running_status(status: object) -> bool:
    """Return whether this is the status of a task or clip that has not ended."""
    return isinstance(status, str) and status.upper() in RUNNING_STATUSES


def _studio_clip(raw: Body, task: Body) -> Body:
    """Convert a Studio song to the common keys; its path is empty while it is running.

    The task's status counts where there is one: a song without a path in a successful task gets a few more polls.
    """
    path = text(raw.get("song_path"))
    status = text(task.get("status"))
    is_done = status.upper() == "SUCCESS" if status else bool(path)
    return {
        **raw,
        "clip_id": raw.get("id"),
        "audio_url": path,
        "image_url": raw.get("image_path"),
        "state": SUCCEEDED if is_done else "running",
    }


def _whole_song(raw: Body) -> Body:
    """Return the whole song of a part, in a task resumed as one of songs."""
    part = next((found for name in PAIRED if isinstance(found := raw.get(name), Mapping)), raw)
    full = raw.get("full", part)
    return full if isinstance(full, Mapping) else {"state": "running"}


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value
