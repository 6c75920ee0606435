"""Responses of the fake server to requests that start no task, and to accepted submissions."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from musicapi_async._request import Request
from musicapi_async.requests import lyrics, riffusion, sonic, suno
from musicapi_async.sandbox.audio import AUDIO_SUFFIX, SECONDS
from musicapi_async.sandbox.state import SandboxTask, ServerState, lyrics_of, word_timings

__all__ = ["accepted", "is_async_export", "response_body"]

Body = dict[str, object]
FileUrl = Callable[[str], str]

EXPORTS: Final = (sonic.GetMidi, sonic.Download)
"""Operations whose result is prepared first: the response is a 202 until then."""
SCALE: Final = (60, 63, 65, 67, 70, 72)


def is_async_export(request: Request[Any]) -> bool:
    """Return whether the result of a request is prepared first."""
    return isinstance(request, EXPORTS)


def response_body(request: Request[Any], server: ServerState, file_url: FileUrl) -> Body:
    """Return the body of the response to a request that starts no task."""
    return BODIES[type(request)](request, server, file_url)


def accepted(task: SandboxTask, server: ServerState) -> Body:
    """Return the body of the response to an accepted submission."""
    request = task.request
    if request.id_in_data:
        return {"code": "success", "data": task.task_id, "message": ""}
    if isinstance(request, suno.MakeLyrics):
        return {"code": 200, "data": {"task_id": task.task_id}, "message": "success"}
    body: Body = {"message": "success", "task_id": task.task_id}
    step = ONE_SHOT.get(type(request))
    if step is None or getattr(request, "url", None) is None:
        return body
    upload = {"success": True, "clip_id": server.upload()}
    return {"code": 200, **body, "steps": {"upload": upload, step: {"success": True, "task_id": task.task_id}}}


ONE_SHOT: Final[Mapping[type, str]] = {
    sonic.UploadCover: "cover",
    sonic.UploadExtend: "extend",
    sonic.Sample: "sample",
}


def _lyrics(request: Any, _: ServerState, __: FileUrl) -> Body:
    title = " ".join(request.description.split()[:4]).title()
    drafts = [
        {"title": f"{title}{mark}", "lyrics": f"[Verse]\n{request.description}\n[Chorus]\n{title}, oh {title}"}
        for mark in ("", " II")
    ]
    return {"code": 200, "results": drafts, "message": "success"}


def _upload(_: Any, server: ServerState, __: FileUrl) -> Body:
    return {"code": 200, "clip_id": server.upload(), "message": "success"}


def _persona(_: Any, server: ServerState, __: FileUrl) -> Body:
    return {"code": 200, "persona_id": server.new_id(), "message": "success"}


def _alignment(request: Any, server: ServerState, _: FileUrl) -> Body:
    text = lyrics_of(server.clips[request.clip].request) if request.clip in server.clips else ""
    tags = [
        {"word": f"{line}\n", "start_s": 0.0, "end_s": 0.0, "p_align": 0.9, "success": True}
        for line in text.splitlines()[:1]
        if line.startswith("[")
    ]
    words = [
        {
            "word": f"{word['text']} ",
            "start_s": word["start"],
            "end_s": word["end"],
            "p_align": 0.9,
            "success": True,
        }
        for word in word_timings(text)
    ]
    return _data({"alignment": [*tags, *words]})


def _bpm(_: Any, __: ServerState, ___: FileUrl) -> Body:
    return _data({"avg_bpm": 120.0, "max_bpm": 124.0, "min_bpm": 116.0})


def _vox(request: Any, server: ServerState, _: FileUrl) -> Body:
    end = request.end or SECONDS
    fields = {"vox_audio_id": server.new_id(), "status": "complete", "source_clip_id": request.clip}
    return _data({**fields, "vocal_start_s": request.start or 0.0, "vocal_end_s": end, "wave_response": None})


def _wav(request: Any, _: ServerState, file_url: FileUrl) -> Body:
    # This response has no code.
    return {"message": "success", "data": {"wav_url": file_url(f"{request.clip}.wav")}}


def _midi(request: Any, _: ServerState, file_url: FileUrl) -> Body:
    notes = [
        {"pitch": pitch, "start": at * 0.5, "end": at * 0.5 + 0.4, "velocity": 0.8} for at, pitch in enumerate(SCALE)
    ]
    return _data({"midi_url": file_url(f"{request.clip}.mid"), "instruments": [{"name": "Piano", "notes": notes}]})


def _download(request: Any, _: ServerState, file_url: FileUrl) -> Body:
    files = [
        {"format": name, "file_url": file_url(f"{request.clip}.{'wav' if name == 'wav' else AUDIO_SUFFIX}")}
        for name in request.formats
    ]
    return _data({"clip_id": request.clip, "files": files})


def _tags(request: Any, _: ServerState, __: FileUrl) -> Body:
    return _data({"upsampled_tags": f"{request.tags}, warm analog production, wide stereo, intimate vocals"})


def _song(request: Any, server: ServerState, file_url: FileUrl) -> Body:
    clip_id = server.upload()
    return {
        "audio_url": file_url(f"{clip_id}.{AUDIO_SUFFIX}"),
        "video_url": None,
        "cover_image": file_url(f"{clip_id}.png"),
        "song_title": request.share_link.rstrip("/").rpartition("/")[2],
        "song_author": "sandbox",
        "music_styles": "pop, sandbox",
    }


def _data(found: Mapping[str, object]) -> Body:
    return {"code": 200, "data": dict(found), "message": "success"}


BODIES: Final[Mapping[type, Callable[[Any, ServerState, FileUrl], Body]]] = {
    lyrics.Make: _lyrics,
    riffusion.Upload: _upload,
    sonic.AlignLyrics: _alignment,
    sonic.CreatePersona: _persona,
    sonic.Download: _download,
    sonic.GetBpm: _bpm,
    sonic.GetMidi: _midi,
    sonic.GetVox: _vox,
    sonic.GetWav: _wav,
    sonic.Upload: _upload,
    sonic.UpsampleTags: _tags,
    suno.GetSong: _song,
}
