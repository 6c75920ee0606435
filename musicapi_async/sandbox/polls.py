"""Responses to polls, in the format of each family."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from musicapi_async._request import model_of
from musicapi_async.results import (
    DownloadFiles,
    ExtendedSongs,
    LyricsDrafts,
    ReplacedSections,
    Stems,
    UploadedClip,
    Voice,
)
from musicapi_async.sandbox.audio import AUDIO_SUFFIX, SECONDS
from musicapi_async.sandbox.state import SandboxTask, lyrics_of, word_timings

__all__ = ["BODY_FAILURES", "CLIPS_APPEAR", "WHOLE", "FileUrl", "has_streams", "poll_response", "streamed_share"]

Body = dict[str, object]
FileUrl = Callable[[str], str]

BODY_FAILURES: Final = frozenset({"failed", "timeout", "forbidden", "api_error"})
NOT_READY: Final = "task not ready, please wait few seconds."
GONE_WRONG: Final = "The upstream generation failed. Credits were previously refunded."

# Events of a task, as shares of its duration.
CLIPS_APPEAR: Final = 0.3
FIRST_CLIP_DONE: Final = 0.75
STREAM_BEGINS_WITH: Final = 0.4
"""The share of the audio that a stream has when it appears, so that a listener can begin at once: browsers play nothing
before they have 32 KiB."""
STREAM_PLAYS_TO: Final = 0.9
"""The share up to which it grows as fast as it plays, or faster for a short task; the rest takes until its end."""
UNSTREAMED: Final = ("nuro", "studio")
"""Families whose running clips have no stream."""


def poll_response(task: SandboxTask, share: float, file_url: FileUrl) -> tuple[int, Body]:
    """Return the status and the body of the response to a poll; ``share`` is the elapsed share of the task."""
    # Without clips the failure of all of them cannot be shown.
    is_plain = task.request.result in WHOLE or task.request.result is LyricsDrafts
    failure = "failed" if task.ending == "all_failed" and is_plain else task.ending
    if share >= 1 and failure in BODY_FAILURES:
        return 200, {"type": failure, "error": GONE_WRONG}
    if task.family == "nuro":
        return 200, _nuro(task, share, file_url)
    if task.family == "studio":
        return 200, _studio(task, share, file_url)
    if task.request.result is LyricsDrafts:
        return 200, _written(task, share)
    if share < CLIPS_APPEAR or (task.request.result in WHOLE and share < 1):
        not_ready: Body = {"type": "not_ready", "error": NOT_READY}
        return 202, {"code": 202, **not_ready} if task.family == "producer" else not_ready
    data = DATA.get(task.request.result, _clips)(task, share, file_url)
    body: Body = {"code": 200, "data": data, "message": "success"}
    if task.family == "producer":
        body["status"] = "SUCCESS" if share >= 1 else "RUNNING"
    return 200, body


def has_streams(task: SandboxTask) -> bool:
    """Return whether the running clips of a task have a stream."""
    return task.family not in UNSTREAMED and task.request.result not in {*WHOLE, LyricsDrafts}


def streamed_share(task: SandboxTask, clip_id: str, share: float) -> float | None:
    """Return the share of a clip's audio that its stream has, from 0 to 1: all of it when the clip is finished.

    None when there is no stream: not yet, or because the clip has failed.
    """
    index = task.clip_ids.index(clip_id)
    has_failed = _has_failed(task, index, share) or (share >= 1 and task.ending in BODY_FAILURES)
    if share < CLIPS_APPEAR or has_failed or not has_streams(task):
        return None
    if _is_done(task, index, share):
        return 1.0
    end = FIRST_CLIP_DONE if _is_done(task, index, FIRST_CLIP_DONE) else 1.0
    # In seconds from here on.
    elapsed, whole = (share - CLIPS_APPEAR) * task.takes, (end - CLIPS_APPEAR) * task.takes
    played = STREAM_PLAYS_TO - STREAM_BEGINS_WITH
    playing = min(played * SECONDS, whole * played / (1 - STREAM_BEGINS_WITH))
    if elapsed < playing:
        return STREAM_BEGINS_WITH + played * elapsed / playing
    return STREAM_PLAYS_TO + (1 - STREAM_PLAYS_TO) * (elapsed - playing) / (whole - playing)


def _is_done(task: SandboxTask, index: int, share: float) -> bool:
    return share >= 1 or (index == 0 and share >= FIRST_CLIP_DONE and task.ending in {"songs", "partial"})


def _has_failed(task: SandboxTask, index: int, share: float) -> bool:
    is_failing = task.ending == "all_failed" or (task.ending == "partial" and index == 1)
    return is_failing and _is_done(task, index, share)


def _clips(task: SandboxTask, share: float, file_url: FileUrl) -> object:
    return [_clip(task, index, share, file_url) for index in range(len(task.clip_ids))]


def _stems(task: SandboxTask, share: float, file_url: FileUrl) -> object:
    names = STEM_NAMES if len(task.clip_ids) == len(STEM_NAMES) else BASIC_STEMS
    clips = [_clip(task, index, share, file_url) for index in range(len(task.clip_ids))]
    return [{**clip, "stem_type": name} for clip, name in zip(clips, names, strict=False)]


def _pairs(task: SandboxTask, share: float, file_url: FileUrl) -> object:
    clips = [_clip(task, index, share, file_url) for index in range(len(task.clip_ids))]
    if not getattr(task.request, "auto_concat", None):
        return clips
    name = "replaced" if task.request.result is ReplacedSections else "extended"
    # Parts are done first, then joined.
    parts = [_clip(task, index, min(1.0, share / FIRST_CLIP_DONE), file_url) for index in range(len(task.clip_ids))]
    return [{name: part, "full": whole if share >= 1 else None} for part, whole in zip(parts, clips, strict=True)]


def _voice(task: SandboxTask, _: float, __: FileUrl) -> object:
    return {"persona_id": task.clip_ids[0], "name": "Voice"}


def _uploaded(task: SandboxTask, _: float, __: FileUrl) -> object:
    return [{"clip_id": task.clip_ids[0], "state": "succeeded"}]


def _files(task: SandboxTask, _: float, file_url: FileUrl) -> object:
    suffix = "wav" if getattr(task.request, "format", None) == "wav" else AUDIO_SUFFIX
    return [{"audio_url": file_url(f"{getattr(task.request, 'clip', '')}.{suffix}")}]


WHOLE: Final = (Voice, UploadedClip, DownloadFiles)
"""Results that are not visible before the task is finished."""
BASIC_STEMS: Final = ("vocals", "instrumental")
STEM_NAMES: Final = (
    "vocals",
    "backing vocals",
    "drums",
    "bass",
    "guitar",
    "keyboard",
    "percussion",
    "strings",
    "synth",
    "fx",
    "brass",
    "woodwinds",
)
DATA: Final[Mapping[type, Callable[[SandboxTask, float, FileUrl], object]]] = {
    DownloadFiles: _files,
    ExtendedSongs: _pairs,
    ReplacedSections: _pairs,
    Stems: _stems,
    UploadedClip: _uploaded,
    Voice: _voice,
}


def _nuro(task: SandboxTask, share: float, file_url: FileUrl) -> Body:
    """Return Nuro's flat object, with empty strings until it is done."""
    failed = share >= 1 and task.ending == "all_failed"
    done = share >= 1 and not failed
    state = "failed" if failed else "succeeded" if done else "running" if share >= CLIPS_APPEAR else "pending"
    fields: Body = {name: getattr(task.request, name, None) or "" for name in ("genre", "mood", "gender", "timbre")}
    return {
        "task_id": task.task_id,
        "status": state,
        "progress": int(100 * share),
        "audio_url": file_url(f"{task.clip_ids[0]}.wav") if done else "",
        "lyrics": lyrics_of(task.request) if done else "",
        "duration": SECONDS if done else 0,
        **fields,
    }


def _studio(task: SandboxTask, share: float, file_url: FileUrl) -> Body:
    """Return Studio's nested songs, with empty paths until they are done."""
    failed = share >= 1 and task.ending == "all_failed"
    status = "FAILURE" if failed else "SUCCESS" if share >= 1 else "IN_PROGRESS"
    created = int(task.created_at.timestamp())
    done = [share >= 1 or (index == 0 and share >= FIRST_CLIP_DONE) for index in range(len(task.clip_ids))]
    songs = [
        {
            "id": clip_id,
            "tags": ["pop", "sandbox"],
            "title": _title(task.request),
            "artist": "sandbox",
            "lyrics": lyrics_of(task.request),
            "song_path": file_url(f"{clip_id}.{AUDIO_SUFFIX}") if is_done and not failed else "",
            "image_path": file_url(f"{clip_id}.png"),
            "duration": SECONDS if is_done else None,
            "finished": is_done,
        }
        for clip_id, is_done in zip(task.clip_ids, done, strict=True)
    ]
    data: Body = {
        "task_id": task.task_id,
        "notify_hook": "",
        "action": "studio-generate",
        "status": status,
        "fail_reason": GONE_WRONG if failed else "",
        "submit_time": created,
        "start_time": created,
        "finish_time": int((task.created_at + timedelta(seconds=task.takes)).timestamp()) if share >= 1 else 0,
        "progress": f"{int(100 * share)}%",
        "data": {"songs": songs if share >= CLIPS_APPEAR else []},
    }
    return {"code": "success", "data": data, "message": ""}


def _written(task: SandboxTask, share: float) -> Body:
    """Return legacy lyrics, with an empty text until they are done."""
    prompt = getattr(task.request, "description", "")
    done = share >= 1
    data: Body = {
        "status": "complete" if done else "running",
        "text": f"[Verse]\n{prompt}\n[Chorus]\nOh, sing it again" if done else "",
        "title": _title(task.request) if done else "",
        "task_id": task.task_id,
        "input": prompt,
        "metadata": {},
    }
    return {"code": 200, "data": data, "message": "success"}


def _clip(task: SandboxTask, index: int, share: float, file_url: FileUrl) -> Body:
    clip_id = task.clip_ids[index]
    done, failed = _is_done(task, index, share), _has_failed(task, index, share)
    audio = f"{clip_id}.{AUDIO_SUFFIX}"
    clip: Body = {
        "clip_id": clip_id,
        "state": "failed" if failed else "succeeded" if done else "running",
        "title": _title(task.request),
        "lyrics": lyrics_of(task.request),
        "image_url": None if failed else file_url(f"{clip_id}.png"),
        "audio_url": None if failed else file_url(audio if done else f"stream/{audio}"),
        "video_url": None,
        "created_at": task.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "mv": model_of(task.request),
        "duration": _duration(task.family) if done and not failed else None,
    }
    if failed:
        clip["error_message"] = "The generation of this clip failed."
    return clip | KEYS.get(task.family, _sonic_keys)(task, file_url, clip_id)


def _duration(family: str) -> object:
    """Return a duration: Sonic sends it as a decimal string, the others as a number."""
    return SECONDS if family in {"riffusion", "producer"} else f"{SECONDS:.2f}"


def _sonic_keys(task: SandboxTask, _: FileUrl, __: str) -> Body:
    request = task.request
    return {
        "tags": getattr(request, "tags", None) or "pop, sandbox",
        "gpt_description_prompt": getattr(request, "description", None),
        "negative_tags": getattr(request, "negative_tags", None),
        "style_weight": getattr(request, "style_weight", None),
        "weirdness_constraint": getattr(request, "weirdness", None),
    }


def _producer_keys(task: SandboxTask, file_url: FileUrl, clip_id: str) -> Body:
    request = task.request
    return {
        "sound": getattr(request, "sound", None) or getattr(request, "instruction", None),
        "lyrics_id": None,
        "lyrics_timing_markers": None,
        "wav_url": file_url(f"{clip_id}.wav"),
        "seed": getattr(request, "seed", None),
    }


def _riffusion_keys(task: SandboxTask, _: FileUrl, __: str) -> Body:
    created = (task.created_at + timedelta(microseconds=task.created_at.microsecond % 7)).isoformat()
    return {
        "sound": getattr(task.request, "sound", None),
        "vocal_variation": getattr(task.request, "vocal_variation", None),
        "created_at": created.replace("+00:00", "Z"),
        "timestamp": {"words": word_timings(lyrics_of(task.request))},
    }


KEYS: Final[Mapping[str, Callable[[SandboxTask, FileUrl, str], Body]]] = {
    "producer": _producer_keys,
    "riffusion": _riffusion_keys,
}


def _title(request: Any) -> str:
    given = getattr(request, "title", None)
    source = getattr(request, "description", None) or re.sub(r"\[[^\]]*\]", " ", lyrics_of(request))
    return given or " ".join(str(source).split()[:4]).title()[:80]
