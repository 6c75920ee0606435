"""What a look shows of a result: pure, one function for each kind of result (contract, decisions 7, 8 and 18)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from musicapi_async._tasks.rows import Body, is_running, pair, rows_of, single_rows, song_rows, song_rows_in
from musicapi_async._transport.contents import read_result
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
from musicapi_async.results.clip import COMPLETE, FAILED, SUCCEEDED, Row, Told, state_and_url, structure_clip
from musicapi_async.wire.values import text

__all__ = ["Seen", "Stage", "Status", "see"]

Status = Literal["waiting", "running", "incomplete", "finished", "failed"]
Stage = Literal["waiting", "streaming", "partial"]
"""What is seen of a task: nothing yet, something to listen to while it is made, or a clip that is done."""
Look: TypeAlias = tuple[str | None, str | None]
"""A clip's state and address."""

DONE: Final = ("finished", "incomplete")
ENDS: Final = (SUCCEEDED, FAILED)
GRACE_LOOKS: Final = 4
"""Further looks at a task whose clips are all done but fewer than promised, or without a file (decision 7)."""
JOINING_LOOKS: Final = 12


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


def see(kind: type, promised: int, body: Body, content: bytes) -> Seen:
    """Read a successful look at a task of this kind of result; ``content`` is what its body was read from."""
    return _songs(body, promised, content) if kind is Songs else SHAPES[kind](body, promised)


def _songs(body: Body, promised: int, content: bytes) -> Seen:
    rows = song_rows(body)
    states = list(map(state_and_url, rows))
    status, stage = _status_of(states, promised), _stage_of(states)
    told = Told(content, song_rows_in)
    if status in DONE:
        clips = _song_clips(rows, told)
        return Seen(status, clips, Songs.from_clips(clips), stage=stage)
    return Seen(status, stage=stage, read=lambda: (_song_clips(told.rows(), told), None))


def _song_clips(rows: Sequence[Body], told: Told) -> tuple[Clip, ...]:
    return tuple(structure_clip(row, Row(told, at)) for at, row in enumerate(rows))


def _stems(body: Body, promised: int) -> Seen:
    clips = tuple(map(structure_clip, rows_of(body)))
    stems = tuple(Stem(_stem_name(clip), clip) for clip in clips if clip.state != FAILED)
    return Seen(_status_of(list(map(_told, clips)), promised), clips, Stems(stems, _failed(clips)))


def _joined(
    part_of: Callable[[Clip, Clip | None], Any],
    all_of: Callable[[Any, tuple[Clip, ...]], Any],
    body: Body,
    promised: int,
) -> Seen:
    pairs = [pair(row) for row in rows_of(body)]
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
        return _failed_or_waiting(tuple(map(structure_clip, single_rows(body))))
    return Seen("finished", result=read_result(body, Voice))


def _uploaded(body: Body, _: int) -> Seen:
    rows = single_rows(body)
    clips = tuple(map(structure_clip, rows))
    found = next((clip for clip in clips if clip.clip_id and clip.state in {SUCCEEDED, COMPLETE, None}), None)
    if found is None or any(is_running(row.get("status")) for row in rows):
        return _failed_or_waiting(clips)
    return Seen("finished", result=UploadedClip(found.clip_id))


def _files(body: Body, _: int) -> Seen:
    rows = single_rows(body)
    clips = tuple(map(structure_clip, rows))
    if not rows or any(
        is_running(row.get("state")) or clip.state == FAILED for row, clip in zip(rows, clips, strict=True)
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
    if not lyrics or is_running(row.get("status")):
        return Seen("waiting")
    return Seen("finished", result=LyricsDrafts((LyricsDraft(lyrics, text(row.get("title"))),)))


SHAPES: Final[Mapping[type, Callable[[Body, int], Seen]]] = {
    DownloadFiles: _files,
    ExtendedSongs: partial(_joined, ExtendedSong, ExtendedSongs),
    LyricsDrafts: _written,
    ReplacedSections: partial(_joined, ReplacedSection, ReplacedSections),
    Stems: _stems,
    UploadedClip: _uploaded,
    Voice: _voice,
}


def _failed_or_waiting(clips: tuple[Clip, ...]) -> Seen:
    """Tell a task that has nothing to show: its rows failed, or it is still at work."""
    return Seen("finished", clips) if clips and all(clip.state == FAILED for clip in clips) else Seen("waiting")


def _failed(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    return tuple(clip for clip in clips if clip.state == FAILED)


def _told(clip: Clip) -> Look:
    return clip.state, clip.audio_url or clip.stream_url


def _status_of(told: Sequence[Look], promised: int) -> Status:
    if not told:
        return "waiting"
    for state, _ in told:
        if state not in ENDS:
            return "running"
    whole = len(told) >= promised and all(url for state, url in told if state == SUCCEEDED)
    return "finished" if whole else "incomplete"


def _stage_of(told: Iterable[Look]) -> Stage:
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
