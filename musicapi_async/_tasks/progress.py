"""The progress of a task, parsed from the response to a poll: one function for each result type. No I/O.

The place of the clips in a response differs by family and by operation; their keys are unified first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from musicapi_async._responses.clips import (
    find_clip_or_clips,
    find_clips,
    find_pairs,
    find_songs,
    find_songs_in,
    is_running_status,
)
from musicapi_async._responses.contents import read_result
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
from musicapi_async.results.clip import COMPLETE, FAILED, SUCCEEDED, RawClip, RawResponse, state_and_url, structure_clip
from musicapi_async.wire.values import text

__all__ = ["Stage", "Status", "TaskProgress", "Until", "parse_progress", "ready_part"]

Body: TypeAlias = Mapping[str, object]

Status = Literal["waiting", "running", "incomplete", "finished", "failed"]
Stage = Literal["waiting", "streaming", "partial"]
"""The stage of an unfinished task: no audio yet, a stream, or at least one finished clip."""
Until = Literal["finished", "first", "stream"]
"""The end of a wait: the whole task, the first finished clip, or the first clip with a stream or a file."""
StateAndURL: TypeAlias = tuple[str | None, str | None]
"""A clip's state and address."""

DONE: Final = ("finished", "incomplete")
TERMINAL: Final = (SUCCEEDED, FAILED)
GRACE_POLLS: Final = 4
"""Further polls of a task whose clips are all done, but too few or without a file."""
JOINING_POLLS: Final = 12


class TaskProgress:
    """The progress of a task; its clips and its result are parsed on first access.

    Most polls find a running song whose clips are not accessed; and those of an event are left to the wait it wakes.
    """

    __slots__ = ("_clips", "_read", "_result", "grace", "has_failed_clip", "stage", "status")

    def __init__(
        self,
        status: Status,
        clips: tuple[Clip, ...] = (),
        result: Any = None,
        *,
        stage: Stage | None = None,
        grace: int | None = None,
        has_failed_clip: bool = False,
        read: Callable[[], tuple[tuple[Clip, ...], Any]] | None = None,
    ) -> None:
        self.status: Status = status
        self.grace = GRACE_POLLS if status == "incomplete" and grace is None else grace
        """Further polls after which the clips so far are the result; None while the task is clearly running."""
        self.stage: Stage = stage or _status_and_stage(list(map(_state_and_url, clips)), 0)[1]
        self.has_failed_clip = has_failed_clip or FAILED in [clip.state for clip in clips]
        """True when one of its clips has failed."""
        self._clips = clips
        self._result = result
        self._read = read

    @property
    def finished_clips(self) -> tuple[Clip, ...]:
        """The clips that are finished, of a task that need not be."""
        return tuple(clip for clip in self.clips if clip.state == SUCCEEDED) if self.stage == "partial" else ()

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips so far."""
        self._read_clips()
        return self._clips

    @property
    def result(self) -> Any:
        """The result of the task; None while it is running."""
        self._read_clips()
        return self._result

    def __reduce__(self) -> tuple[Callable[..., "TaskProgress"], tuple[Any, ...]]:
        """Pickle the parsed clips and result, not the parser."""
        return _restore, (self.status, self.clips, self.result, self.stage, self.grace)

    def _read_clips(self) -> None:
        # Two threads may read a state at once: both parse then, and find the same.
        if (read := self._read) is not None:
            self._clips, self._result = read()
            self._read = None


def _restore(status: Status, clips: tuple[Clip, ...], result: Any, stage: Stage, grace: int | None) -> TaskProgress:
    return TaskProgress(status, clips, result, stage=stage, grace=grace)


def parse_progress(result_type: type, expected_clips: int, body: Body, content: bytes) -> TaskProgress:
    """Parse the response to a successful poll, by the type of the result; ``content`` is its body's bytes."""
    if result_type is not Songs:
        return PARSERS[result_type](body, expected_clips)
    raw_clips = find_songs(body)
    states = list(map(state_and_url, raw_clips))
    status, stage = _status_and_stage(states, expected_clips)
    has_failed_clip = FAILED in [state for state, _ in states]
    response = RawResponse(content, find_songs_in)
    if status in DONE:
        read = partial(_songs, raw_clips, response)
        return TaskProgress(status, stage=stage, has_failed_clip=has_failed_clip, read=read)
    # The objects of a running song are dropped: they would take four times the memory of its bytes.
    return TaskProgress(
        status,
        stage=stage,
        has_failed_clip=has_failed_clip,
        read=lambda: (_song_clips(response.clips(), response), None),
    )


def _songs(raw_clips: Sequence[Body], response: RawResponse) -> tuple[tuple[Clip, ...], Songs]:
    clips = _song_clips(raw_clips, response)
    return clips, Songs.from_clips(clips)


def _song_clips(raw_clips: Sequence[Body], response: RawResponse) -> tuple[Clip, ...]:
    return tuple([structure_clip(raw, RawClip(response, at)) for at, raw in enumerate(raw_clips)])


def _stems(body: Body, expected_clips: int) -> TaskProgress:
    clips = tuple(map(structure_clip, find_clips(body)))
    stems = tuple(Stem(_stem_name(clip), clip) for clip in clips if clip.state != FAILED)
    status, stage = _status_and_stage(list(map(_state_and_url, clips)), expected_clips)
    return TaskProgress(status, clips, Stems(stems, _failed(clips)), stage=stage)


def _joined(
    part_of: Callable[[Clip, Clip | None], Any],
    all_of: Callable[[Any, tuple[Clip, ...]], Any],
    body: Body,
    expected_clips: int,
) -> TaskProgress:
    pairs = find_pairs(body)
    made = (part_of(part, full if full and full.clip_id else None) for part, full in pairs if part.state != FAILED)
    whole = [full for part, full in pairs if full is not None and part.state != FAILED]
    parts = [_state_and_url(part) for part, _ in pairs]
    clips = (*(part for part, _ in pairs), *(full for full in whole if full.clip_id))
    (status, _), grace = _status_and_stage(parts, expected_clips), None
    unfinished = [full for full in whole if not full.is_done]
    if status in DONE and unfinished:
        # The parts are finished. Joining them takes a while; a join that was never observed running may never start.
        status, grace = "running", None if any(full.clip_id for full in unfinished) else JOINING_POLLS
    elif status == "finished" and whole:
        # The parts and the whole songs are finished: each whole song must have its file.
        status, _ = _status_and_stage(list(map(_state_and_url, whole)), len(whole))
    return TaskProgress(status, clips, all_of(tuple(made), _failed(part for part, _ in pairs)), grace=grace)


def _voice(body: Body, _: int) -> TaskProgress:
    data = body.get("data")
    if not isinstance(data, Mapping) or not text(data.get("persona_id")):
        return _failed_or_waiting(tuple(map(structure_clip, find_clip_or_clips(body))))
    return TaskProgress("finished", result=read_result(body, Voice))


def _uploaded(body: Body, _: int) -> TaskProgress:
    raw_clips = find_clip_or_clips(body)
    clips = tuple(map(structure_clip, raw_clips))
    found = next((clip for clip in clips if clip.clip_id and clip.state in {SUCCEEDED, COMPLETE, None}), None)
    if found is None or any(is_running_status(raw.get("status")) for raw in raw_clips):
        return _failed_or_waiting(clips)
    return TaskProgress("finished", result=UploadedClip(found.clip_id))


def _files(body: Body, _: int) -> TaskProgress:
    raw_clips = find_clip_or_clips(body)
    clips = tuple(map(structure_clip, raw_clips))
    if not raw_clips or any(
        is_running_status(raw.get("state")) or clip.state == FAILED for raw, clip in zip(raw_clips, clips, strict=True)
    ):
        return _failed_or_waiting(clips)
    try:
        return TaskProgress("finished", result=read_result({"data": list(raw_clips)}, DownloadFiles))
    except ValueError:  # the files are listed without their addresses
        return TaskProgress("waiting")


def _written(body: Body, _: int) -> TaskProgress:
    data = body.get("data")
    raw = data if isinstance(data, Mapping) else {}
    lyrics = text(raw.get("text"))
    if not lyrics or is_running_status(raw.get("status")):
        return TaskProgress("waiting")
    return TaskProgress("finished", result=LyricsDrafts((LyricsDraft(lyrics, text(raw.get("title"))),)))


PARSERS: Final[Mapping[type, Callable[[Body, int], TaskProgress]]] = {
    DownloadFiles: _files,
    ExtendedSongs: partial(_joined, ExtendedSong, ExtendedSongs),
    LyricsDrafts: _written,
    ReplacedSections: partial(_joined, ReplacedSection, ReplacedSections),
    Stems: _stems,
    UploadedClip: _uploaded,
    Voice: _voice,
}


def _failed_or_waiting(clips: tuple[Clip, ...]) -> TaskProgress:
    """Return the progress of a task without a result: its clips failed, or it is still running."""
    return (
        TaskProgress("finished", clips)
        if clips and all(clip.state == FAILED for clip in clips)
        else TaskProgress("waiting")
    )


def _failed(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    return tuple(clip for clip in clips if clip.state == FAILED)


def _state_and_url(clip: Clip) -> StateAndURL:
    return clip.state, clip.audio_url or clip.stream_url


def _status_and_stage(clips: Sequence[StateAndURL], expected_clips: int) -> tuple[Status, Stage]:
    """Return the status and the stage of a task by its clips."""
    stage: Stage = "waiting"
    is_running, has_files = False, True
    for state, url in clips:
        if state in TERMINAL:
            stage = "partial"
            has_files = has_files and (state == FAILED or bool(url))
        else:
            is_running = True
            stage = "streaming" if url and stage == "waiting" else stage
    if not clips:
        return "waiting", stage
    if is_running:
        return "running", stage
    return "finished" if has_files and len(clips) >= expected_clips else "incomplete", stage


def _stem_name(clip: Clip) -> str:
    """Return a stem's name, or else the end of its title: ``Harbor (Vocals)``, ``Harbor - Vocals``."""
    if name := text(clip.raw.get("stem_type")):
        return name
    title = (clip.title or "").strip()
    if title.endswith(")") and "(" in title:
        return title[title.rindex("(") + 1 : -1].strip()
    return title.rpartition(" - ")[2]


def ready_part(progress: TaskProgress, until: Until) -> Any:
    """Return the part of an unfinished result that a wait ends with; None when there is none yet."""
    if until == "finished" or progress.stage == "waiting" or (until == "first" and progress.stage == "streaming"):
        return None
    is_ready = _is_finished if until == "first" else _is_playable
    if not any(map(is_ready, progress.clips)):
        return None
    result = progress.result
    if result is None or isinstance(result, Songs):
        return Songs.from_clips([clip for clip in progress.clips if is_ready(clip) or clip.state == FAILED])
    ready = tuple(item for item in result if is_ready(_clip_of(item)))
    return type(result)(ready, result.failed) if ready else None


def _is_finished(clip: Clip) -> bool:
    return clip.state == SUCCEEDED and clip.audio_url is not None


def _is_playable(clip: Clip) -> bool:
    return clip.state != FAILED and (clip.audio_url or clip.stream_url) is not None


def _clip_of(part: Stem | ExtendedSong | ReplacedSection) -> Clip:
    if isinstance(part, Stem):
        return part.clip
    return part.extended if isinstance(part, ExtendedSong) else part.replaced
