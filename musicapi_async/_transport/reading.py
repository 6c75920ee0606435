"""From a reply's JSON to a result: pure, lenient, one function for each result.

What a result cannot do without raises ValueError when it is missing; everything else is None then.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from musicapi_async.results import (
    AlignedLyrics,
    Batch,
    BatchTask,
    Bpm,
    Clip,
    Credits,
    DownloadFile,
    DownloadFiles,
    LyricsDraft,
    LyricsDrafts,
    Midi,
    MidiInstrument,
    Note,
    Persona,
    SharedSong,
    Step,
    UploadedClip,
    UpsampledTags,
    Voice,
    Vox,
    Word,
)
from musicapi_async.results.clip import FAILED, SUCCEEDED, Row
from musicapi_async.results.lenient import items, moment, number, tags, text
from musicapi_async.results.lyrics import aligned

__all__ = ["COMPLETE", "read_clip", "read_result", "read_uploaded", "state_and_url"]

T = TypeVar("T")
Body = Mapping[str, object]

COMPLETE: Final = "complete"
END_STATES: Final[Mapping[str, str]] = {
    SUCCEEDED: SUCCEEDED,
    COMPLETE: SUCCEEDED,
    FAILED: FAILED,
    "error": FAILED,
}


def read_result(body: Body, kind: type[T]) -> T:
    """Read a reply's object as a result of this kind; raises ValueError when something essential is missing."""
    return cast("T", READERS[kind](body))


def read_clip(row: Body, kept: Row | None = None) -> Clip:
    """Put a service's clip under our names; while a clip runs its audio URL is a stream (decision 7).

    ``kept`` is where the row can be read again; without it the row itself is kept.

    Written out, since most looks read two: going through a converter takes half as long again.
    """
    get = row.get
    state, audio_url = state_and_url(row)
    is_whole = state == SUCCEEDED
    return Clip(
        clip_id=text(get("clip_id")) or "",
        title=text(get("title")),
        state=state,
        audio_url=audio_url if is_whole else None,
        stream_url=None if is_whole else audio_url,
        image_url=text(get("image_url")),
        video_url=text(get("video_url")),
        # Producer has been seen to leave out a letter; riffusion calls its tags sound.
        lyrics=text(get("lyric") if get("lyrics") is None else row["lyrics"]),
        tags=tags(get("sound") if get("tags") is None else row["tags"]),
        duration=number(get("duration")),
        created_at=moment(get("created_at")),
        model=text(get("mv")),
        # The reason of a failure has no fixed name.
        error=text(get("error_message") or get("error") or get("message")),
        raw=row if kept is None else kept,
    )


def state_and_url(row: Body) -> tuple[str | None, str | None]:
    """Return a clip's state under the documented names, and the address of its file or stream.

    With an address and no state it succeeded. ``complete`` and ``error`` are the words of the platform behind the
    service for ``succeeded`` and ``failed``; ``complete`` without an address is not the end yet. Other states stay as
    they came: the clip is still running.
    """
    audio_url = text(row.get("audio_url")) or None
    state = text(row.get("state"))
    if not state:
        return SUCCEEDED if audio_url else None, audio_url
    word = state.strip().lower()
    if word == COMPLETE and audio_url is None:
        return COMPLETE, None
    return END_STATES.get(word, state), audio_url


def read_uploaded(body: Body) -> UploadedClip | None:
    """Read what a one-shot upload tells of its steps; None where there are none."""
    told = body.get("steps")
    rows = {name: row for name, row in told.items() if isinstance(row, Mapping)} if isinstance(told, Mapping) else {}
    steps = tuple(
        Step(
            name=str(name),
            success=found if isinstance(found := row.get("success"), bool) else None,
            clip_id=text(row.get("clip_id")),
            task_id=text(row.get("task_id")),
            error=text(row.get("error")),
        )
        for name, row in rows.items()
    )
    clip_id = next((step.clip_id for step in steps if step.name == "upload" and step.clip_id), None)
    return UploadedClip(clip_id, steps) if clip_id else None


def _inner(body: Body) -> Body:
    data = body.get("data")
    return data if isinstance(data, Mapping) else body


def _needed(row: Body, *names: str) -> str:
    found = next((value for name in names if (value := text(row.get(name)))), None)
    if not found:
        raise ValueError(f"{names[0]} is missing")
    return found


def _needed_number(row: Body, name: str) -> float:
    found = number(row.get(name))
    if found is None:
        raise ValueError(f"{name} is missing")
    return found


def _credits(body: Body) -> Credits:
    row = _inner(body)
    return Credits(_needed_number(row, "credits"), number(row.get("extra_credits")) or 0.0)


def _drafts(body: Body) -> LyricsDrafts:
    rows = items(body.get("results"))
    drafts = tuple(
        LyricsDraft(lyrics=lyrics, title=text(row.get("title"))) for row in rows if (lyrics := text(row.get("lyrics")))
    )
    if not drafts:
        raise ValueError("results holds no lyrics")
    return LyricsDrafts(drafts)


def _aligned(body: Body) -> AlignedLyrics:
    rows = _inner(body).get("alignment")
    if not isinstance(rows, list):
        raise ValueError("alignment is missing")  # noqa: TRY004 - it is what comes over the wire
    return aligned(
        Word(word, number(row.get("start_s")), number(row.get("end_s")))
        for row in items(rows)
        if (word := text(row.get("word")))
    )


def _bpm(body: Body) -> Bpm:
    row = _inner(body)
    average = _needed_number(row, "avg_bpm")
    return Bpm(average=average, highest=number(row.get("max_bpm")), lowest=number(row.get("min_bpm")))


def _midi(body: Body) -> Midi:
    row = _inner(body)
    url = text(row.get("midi_url")) or None
    instruments = tuple(
        MidiInstrument(name=text(one.get("name")) or "", notes=_notes(one.get("notes")))
        for one in items(row.get("instruments"))
    )
    if url is None and not instruments:
        raise ValueError("midi_url is missing")
    return Midi(url=url, instruments=instruments)


def _notes(rows: object) -> tuple[Note, ...]:
    read = ((row, number(row.get("pitch")), number(row.get("start")), number(row.get("end"))) for row in items(rows))
    return tuple(
        Note(pitch=int(pitch), start=start, end=end, velocity=number(row.get("velocity")))
        for row, pitch, start, end in read
        if pitch is not None and start is not None and end is not None
    )


def _vox(body: Body) -> Vox:
    row = _inner(body)
    return Vox(
        vox_audio_id=_needed(row, "vox_audio_id"),
        status=text(row.get("status")),
        clip_id=text(row.get("source_clip_id")),
        start=number(row.get("vocal_start_s")),
        end=number(row.get("vocal_end_s")),
    )


def _files(body: Body) -> DownloadFiles:
    rows = items(_inner(body).get("files")) or items(body.get("data"))
    files = tuple(
        DownloadFile(url, text(row.get("format")))
        for row in rows
        if (url := next((found for name in URL_NAMES if (found := text(row.get(name)))), None))
    )
    if not files:
        raise ValueError("files is missing")
    return DownloadFiles(files)


def _shared_song(body: Body) -> SharedSong:
    row = _inner(body)
    if not any(text(row.get(name)) for name in ("audio_url", "video_url", "song_title")):
        raise ValueError("audio_url is missing")
    return SharedSong(
        audio_url=text(row.get("audio_url")),
        video_url=text(row.get("video_url")),
        image_url=text(row.get("cover_image")),
        title=text(row.get("song_title")),
        author=text(row.get("song_author")),
        tags=tags(row.get("music_styles")),
    )


def _batch(body: Body) -> Batch:
    inner = _inner(body)
    row = body if body.get("batch_id") else inner
    told = row.get("tasks") or row.get("items") or body.get("tasks") or body.get("items") or body.get("data")
    rows = told if isinstance(told, list) else list(told.values()) if isinstance(told, Mapping) else []
    tasks = tuple(map(_batch_task, rows))
    submitted = number(row.get("submitted"))
    return Batch(
        # A response that refuses, and yet names tasks, has been seen without it.
        batch_id=text(row.get("batch_id")) or None if any(task.task_id for task in tasks) else _needed(row, "batch_id"),
        submitted=None if submitted is None else int(submitted),
        tasks=tasks,
        raw=body,
    )


def _batch_task(row: object) -> BatchTask:
    if not isinstance(row, Mapping):
        return BatchTask(task_id=text(row) or None)
    # The keys of an item are not documented (contract, sonic 8).
    task_id = text(row.get("task_id")) or text(_inner(row).get("task_id")) or text(row.get("id")) or None
    error = row.get("error")
    told = error if isinstance(error, Mapping) else row
    reason = next((found for name in ("error", "detail", "message") if (found := text(told.get(name)))), None)
    return BatchTask(task_id=task_id, error=None if task_id else reason)


URL_NAMES: Final = ("file_url", "url", "audio_url", "wav_url")
READERS: Final[Mapping[type, Callable[[Body], Any]]] = {
    AlignedLyrics: _aligned,
    Batch: _batch,
    Bpm: _bpm,
    Credits: _credits,
    DownloadFile: lambda body: DownloadFile(_needed(_inner(body), "wav_url", "url"), "wav"),
    DownloadFiles: _files,
    LyricsDrafts: _drafts,
    Midi: _midi,
    Persona: lambda body: Persona(_needed(_inner(body) if "persona_id" not in body else body, "persona_id")),
    SharedSong: _shared_song,
    UploadedClip: lambda body: UploadedClip(_needed(_inner(body) if "clip_id" not in body else body, "clip_id")),
    UpsampledTags: lambda body: UpsampledTags(_needed(_inner(body), "upsampled_tags")),
    Voice: lambda body: Voice(_needed(_inner(body), "persona_id"), text(_inner(body).get("name"))),
    Vox: _vox,
}
