"""What a look shows of a result: pure, one function for each kind of result (contract, decisions 7, 8 and 18)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from musicapi_async._transport.reading import read_clip, read_result, state_and_url
from musicapi_async.results import (
    Clip,
    DownloadFiles,
    ExtendedSong,
    ExtendedSongs,
    LyricsDraft,
    LyricsDrafts,
    ReplacedSection,
    ReplacedSections,
    Songs,
    Stem,
    Stems,
    UploadedClip,
    Voice,
)
from musicapi_async.results.clip import FAILED, SUCCEEDED
from musicapi_async.results.lenient import items, text

__all__ = ["Seen", "Stage", "Status", "see"]

Status = Literal["waiting", "running", "incomplete", "finished", "failed"]
Stage = Literal["waiting", "streaming", "partial"]
"""What is seen of a task: nothing yet, something to listen to while it is made, or a clip that is done."""
Body = Mapping[str, object]
Told: TypeAlias = tuple[str | None, str | None]
"""A clip's state and address."""

RUNNING_WORDS: Final = frozenset(
    {"PENDING", "RUNNING", "QUEUED", "SUBMITTED", "NOT_START", "IN_PROGRESS", "PROCESSING", "STREAMING"}
)
DONE: Final = ("finished", "incomplete")
ENDS: Final = (SUCCEEDED, FAILED)
GRACE_LOOKS: Final = 4
"""Further looks at a task whose clips are all done but fewer than promised, or without a file (decision 7)."""
JOINING_LOOKS: Final = 12
PAIRED: Final = ("replaced", "extended")


class Seen:
    """How far a task is; its clips, and the result where there is one, are read when somebody wants them.

    Most looks find a song under way, and nobody looks at its clips.
    """

    __slots__ = ("_clips", "_read", "_result", "grace", "stage", "status")

    def __init__(
        self,
        status: Status,
        clips: tuple[Clip, ...] = (),
        result: Any = None,
        *,
        stage: Stage | None = None,
        grace: int | None = None,
        read: Callable[[], tuple[tuple[Clip, ...], Any]] | None = None,
    ) -> None:
        self.status: Status = status
        self.grace = GRACE_LOOKS if status == "incomplete" and grace is None else grace
        """Further looks it is worth; then what is there is handed over. None while it is plainly under way."""
        self.stage: Stage = stage or _stage_of(map(_told, clips))
        self._clips = clips
        self._result = result
        self._read = read

    @property
    def clips(self) -> tuple[Clip, ...]:
        """What is there of the clips."""
        self._see()
        return self._clips

    @property
    def result(self) -> Any:
        """What the task made; None while it is under way."""
        self._see()
        return self._result

    def __reduce__(self) -> tuple[Callable[..., "Seen"], tuple[Any, ...]]:
        """Pickle what was read, not the reader."""
        return _seen, (self.status, self.clips, self.result, self.stage, self.grace)

    def _see(self) -> None:
        if self._read is not None:
            (self._clips, self._result), self._read = self._read(), None


def _seen(status: Status, clips: tuple[Clip, ...], result: Any, stage: Stage, grace: int | None) -> Seen:
    return Seen(status, clips, result, stage=stage, grace=grace)


def see(kind: type, promised: int, body: Body) -> Seen:
    """Read a successful look at a task of this kind of result."""
    return SHAPES[kind](body, promised)


def _songs(body: Body, promised: int) -> Seen:
    rows = [_song(row) for row in _rows(body)]
    told = list(map(state_and_url, rows))
    status = _status_of(told, promised)
    return Seen(status, stage=_stage_of(told), read=partial(_read_songs, rows, status))


def _read_songs(rows: Iterable[Body], status: Status) -> tuple[tuple[Clip, ...], Songs | None]:
    clips = tuple(map(read_clip, rows))
    return clips, Songs.from_clips(clips) if status in DONE else None


def _stems(body: Body, promised: int) -> Seen:
    clips = tuple(map(read_clip, _rows(body)))
    stems = tuple(Stem(_stem_name(clip), clip) for clip in clips if clip.state != FAILED)
    return Seen(_status_of(list(map(_told, clips)), promised), clips, Stems(stems, _failed(clips)))


def _joined(
    part_of: Callable[[Clip, Clip | None], Any],
    all_of: Callable[[Any, tuple[Clip, ...]], Any],
    body: Body,
    promised: int,
) -> Seen:
    pairs = [_pair(row) for row in _rows(body)]
    made = (part_of(part, full if full and full.clip_id else None) for part, full in pairs if part.state != FAILED)
    whole = [full for part, full in pairs if full is not None and part.state != FAILED]
    parts = [_told(part) for part, _ in pairs]
    clips = (*(part for part, _ in pairs), *(full for full in whole if full.clip_id))
    status, grace = _status_of(parts, promised), None
    unfinished = [full for full in whole if not full.is_done]
    if status in DONE and unfinished:
        # The parts are there. Joining them takes a while; one that cannot be seen at work may never begin.
        status, grace = "running", None if any(full.clip_id for full in unfinished) else JOINING_LOOKS
    elif status == "finished" and whole:
        # The parts are there, and the whole songs: each is to have its file.
        status = _status_of(list(map(_told, whole)), len(whole))
    return Seen(status, clips, all_of(tuple(made), _failed(part for part, _ in pairs)), grace=grace)


def _voice(body: Body, _: int) -> Seen:
    data = body.get("data")
    if not isinstance(data, Mapping) or not text(data.get("persona_id")):
        return _failed_or_waiting(tuple(map(read_clip, _single_rows(body))))
    return Seen("finished", result=read_result(body, Voice))


def _uploaded(body: Body, _: int) -> Seen:
    rows = _single_rows(body)
    clips = tuple(map(read_clip, rows))
    found = next((clip for clip in clips if clip.clip_id and clip.state in {SUCCEEDED, None}), None)
    if found is None or any(_is_running(row.get("status")) for row in rows):
        return _failed_or_waiting(clips)
    return Seen("finished", result=UploadedClip(found.clip_id))


def _files(body: Body, _: int) -> Seen:
    rows = _single_rows(body)
    clips = tuple(map(read_clip, rows))
    if not rows or any(
        _is_running(row.get("state")) or clip.state == FAILED for row, clip in zip(rows, clips, strict=True)
    ):
        return _failed_or_waiting(clips)
    try:
        return Seen("finished", result=read_result({"data": list(rows)}, DownloadFiles))
    except ValueError:  # the rows are there, their addresses are not
        return Seen("waiting")


def _written(body: Body, _: int) -> Seen:
    data = body.get("data")
    row = data if isinstance(data, Mapping) else {}
    lyrics = text(row.get("text"))
    if not lyrics or _is_running(row.get("status")):
        return Seen("waiting")
    return Seen("finished", result=LyricsDrafts((LyricsDraft(lyrics, text(row.get("title"))),)))


SHAPES: Final[Mapping[type, Callable[[Body, int], Seen]]] = {
    DownloadFiles: _files,
    ExtendedSongs: partial(_joined, ExtendedSong, ExtendedSongs),
    LyricsDrafts: _written,
    ReplacedSections: partial(_joined, ReplacedSection, ReplacedSections),
    Songs: _songs,
    Stems: _stems,
    UploadedClip: _uploaded,
    Voice: _voice,
}


def _rows(body: Body) -> tuple[Body, ...]:
    """Find the clips of a reply: a list, Studio's nested songs, or Nuro's flat object."""
    data = body.get("data")
    if isinstance(data, list):
        rows = items(data)
        return tuple({**row, "state": "running"} for row in rows) if _is_running(body.get("status")) else rows
    if isinstance(data, Mapping) and text(data.get("clip_id")):
        return _rows({**body, "data": [data]})
    for outer in (data, body.get("handledData")):
        inner = outer.get("data") if isinstance(outer, Mapping) else None
        if isinstance(outer, Mapping) and isinstance(inner, Mapping) and (songs := items(inner.get("songs"))):
            return tuple(_studio_row(row, outer) for row in songs)
    if "data" not in body and "status" in body and "audio_url" in body:
        return ({**body, "clip_id": body.get("task_id"), "state": _lowered(body.get("status"))},)
    return ()


def _single_rows(body: Body) -> tuple[Body, ...]:
    """Find the rows of a reply whose ``data`` may also be the one row itself."""
    data = body.get("data")
    return _rows({**body, "data": [data]}) if isinstance(data, Mapping) else _rows(body)


def _failed_or_waiting(clips: tuple[Clip, ...]) -> Seen:
    """Tell a task that has nothing to show: its rows failed, or it is still at work."""
    return Seen("finished", clips) if clips and all(clip.state == FAILED for clip in clips) else Seen("waiting")


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


def _pair(row: Body) -> tuple[Clip, Clip | None]:
    """Read a new part with the whole song; the song is None where it was not asked for, or is not there yet."""
    name = next((name for name in PAIRED if isinstance(row.get(name), Mapping)), None)
    if name is None:
        return read_clip(row), None
    part, full = row[name], row.get("full")
    assert isinstance(part, Mapping)  # noqa: S101 - for the type checker: looked at above
    if isinstance(full, Mapping):
        return read_clip(part), read_clip(full)
    # Where the key is there and empty, the parts are still being joined.
    return read_clip(part), Clip(state="running") if "full" in row else None


def _song(row: Body) -> Body:
    """Find a song's row; of a part with its whole song, taken up as a song from its id, the whole one."""
    if "replaced" not in row and "extended" not in row:
        return row
    part = next((found for name in PAIRED if isinstance(found := row.get(name), Mapping)), row)
    full = row.get("full", part)
    return full if isinstance(full, Mapping) else {"state": "running"}


def _failed(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    return tuple(clip for clip in clips if clip.state == FAILED)


def _told(clip: Clip) -> Told:
    return clip.state, clip.audio_url or clip.stream_url


def _status_of(told: Sequence[Told], promised: int) -> Status:
    if not told:
        return "waiting"
    for state, _ in told:
        if state not in ENDS:
            return "running"
    whole = len(told) >= promised and all(url for state, url in told if state == SUCCEEDED)
    return "finished" if whole else "incomplete"


def _stage_of(told: Iterable[Told]) -> Stage:
    """Tell how far a task is by what can be seen of its clips."""
    stage: Stage = "waiting"
    for state, url in told:
        if state in ENDS:
            return "partial"
        if url:
            stage = "streaming"
    return stage


def _stem_name(clip: Clip) -> str:
    """Return a stem's own word, or what its title ends with: ``Harbor (Vocals)``, ``Harbor - Vocals``."""
    if word := text(clip.raw.get("stem_type")):
        return word
    title = (clip.title or "").strip()
    if title.endswith(")") and "(" in title:
        return title[title.rindex("(") + 1 : -1].strip()
    return title.rpartition(" - ")[2]


def _is_running(word: object) -> bool:
    return isinstance(word, str) and word.upper() in RUNNING_WORDS


def _lowered(word: object) -> object:
    return word.lower() if isinstance(word, str) else word
