"""Checks of the results of the vendor's methods, by the vendor's own types."""

import re
from collections.abc import Callable
from typing import Any

import musicapi
from musicapi import SonicCreateParams, TaskSubmitResponse
from vendor_client.scene import (
    FUZZ,
    LYRICS,
    MODEL,
    QUICK,
    Scene,
    breaches,
)

# What is checked, by what comes back.


def is_task(poll: str) -> Callable[[Scene, Any], None]:
    """Check that a task began, and that it is the one that this method polls."""

    def check(scene: Scene, found: Any) -> None:
        assert found == TaskSubmitResponse(message="success", task_id=scene.task.task_id)
        resource, _, method = poll.partition(".")
        waiting = getattr(getattr(scene.vendor, resource), method)(found.task_id)
        assert (waiting.code, waiting.data, waiting.message) == (202, [], "not_ready")
        done = getattr(getattr(scene.vendor, resource), method)(found.task_id)
        assert (done.code, done.message) == (200, "success")
        assert [song.state for song in done.data] == ["succeeded"] * len(scene.task.clip_ids)
        assert tuple(song.clip_id for song in done.data) == scene.task.clip_ids

    return check


def is_prepared_file(scene: Scene, found: Any) -> None:
    """Check that a task began that ends with a file."""
    assert found == TaskSubmitResponse(message="success", task_id=scene.task.task_id)
    assert scene.vendor.producer.get_task(found.task_id).code == 202
    (file,) = scene.vendor.producer.get_task(found.task_id).data
    scene.fetch(file.audio_url)


def is_voice(scene: Scene, found: Any) -> None:
    """Check that a task began; what the vendor's client makes of its end has a test of its own."""
    assert found == TaskSubmitResponse(message="success", task_id=scene.task.task_id)
    assert scene.vendor.sonic.get_task(found.task_id).code == 202


def are_finished(scene: Scene, found: Any) -> None:
    """Check finished clips: those of the task, and complete."""
    assert (found.code, found.message) == (200, "success")
    assert tuple(song.clip_id for song in found.data) == scene.task.clip_ids
    assert len(found.data) == len({song.audio_url for song in found.data}) == scene.task.request.expected_clips
    for song in found.data:
        assert song.state == "succeeded"
        assert song.clip_id in song.audio_url
        assert "/stream/" not in song.audio_url
        assert float(song.duration) == 6.0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", song.created_at)


def are_songs(scene: Scene, found: Any) -> None:
    """Check finished clips that are there to be fetched."""
    are_finished(scene, found)
    scene.fetch(found.data[0].audio_url)
    scene.fetch(found.data[-1].image_url)


def are_described_songs(scene: Scene, found: Any) -> None:
    are_songs(scene, found)
    assert {song.gpt_description_prompt for song in found.data} == {"rain"}
    assert {song.mv for song in found.data} == {MODEL}
    assert all("rain" in song.lyrics and song.title and song.tags for song in found.data)
    assert scene.fetch(found.data[0].audio_url) != scene.fetch(found.data[1].audio_url)


def is_track(scene: Scene, found: Any) -> None:
    are_songs(scene, found)
    (song,) = found.data
    assert isinstance(song, musicapi.ProducerSong)
    assert not breaches(song, musicapi.ProducerSong)
    assert (song.sound, song.seed, song.title) == ("piano", 7, "Calm")
    assert scene.fetch(song.wav_url).startswith(b"RIFF")


def is_imported(scene: Scene, found: Any) -> None:
    (clip,) = found.data
    assert (found.code, clip.clip_id, clip.state) == (200, scene.task.clip_ids[0], "succeeded")


def is_file(scene: Scene, found: Any) -> None:
    (file,) = found.data
    assert isinstance(file, musicapi.ProducerSong)
    assert str(scene.task.request.to_wire()["clip_id"]) in (file.audio_url or "")
    assert scene.fetch(file.audio_url).startswith(b"RIFF")


def are_riffs(scene: Scene, found: Any) -> None:
    are_songs(scene, found)
    assert {song.lyrics for song in found.data} == {LYRICS}
    assert {song.mv for song in found.data} == {FUZZ}
    words = found.data[0].timestamp["words"]
    assert [word["text"] for word in words] == ["The", "harbour", "sleeps"]
    assert all(0 <= word["start"] < word["end"] <= 6 for word in words)


def are_studio_songs(scene: Scene, found: Any) -> None:
    data = found.data
    assert (found.code, data.task_id, data.action) == ("success", scene.task.task_id, "studio-generate")
    assert (data.status, data.progress) == ("SUCCESS", "100%")
    assert data.submit_time == data.start_time < data.finish_time
    assert tuple(song.id for song in data.songs) == scene.task.clip_ids
    for song in data.songs:
        assert (song.finished, song.duration, song.lyrics) == (True, 6.0, LYRICS)
        scene.fetch(song.song_path)
        scene.fetch(song.image_path)


def is_studio_task(scene: Scene, found: Any) -> None:
    assert (found.code, found.data) == ("success", scene.task.task_id)
    running = scene.vendor.studio.get_task(found.data).data
    assert running is not None
    assert (running.task_id, running.status, running.progress, running.songs) == (
        found.data,
        "IN_PROGRESS",
        "0%",
        None,
    )
    are_studio_songs(scene, scene.vendor.studio.get_task(found.data))


def are_steps(second: str) -> Callable[[Scene, Any], None]:
    """Check a one-shot upload: both of its steps, and the songs it ends with."""

    def check(scene: Scene, found: Any) -> None:
        assert (found.code, found.message, found.failed_step) == (200, "success", None)
        assert found.task_id == scene.task.task_id
        steps = {name: musicapi.StepResult(**step) for name, step in found.steps.items()}
        uploaded = steps["upload"].clip_id
        assert steps == {
            "upload": musicapi.StepResult(success=True, clip_id=uploaded),
            second: musicapi.StepResult(success=True, task_id=found.task_id),
        }
        assert isinstance(uploaded, str)
        scene.fetch(scene.vendor.sonic.wav(musicapi.WavParams(clip_id=uploaded)).data["wav_url"])
        scene.pass_time()
        are_songs(scene, scene.vendor.sonic.get_task(found.task_id))

    return check


def is_uploaded(scene: Scene, found: Any) -> None:
    """Check a clip that came from outside: it can be worked on as one that came from outside."""
    assert (found.code, found.message) == (200, "success")
    params = SonicCreateParams(
        task_type="add_vocals", custom_mode=True, mv=MODEL, prompt="la", continue_clip_id=found.clip_id
    )
    are_songs(scene, scene.vendor.sonic.generate_and_wait(params, QUICK))


def is_riff_upload(scene: Scene, found: Any) -> None:
    assert (found.code, found.message) == (200, "success")
    params = musicapi.RiffusionCreateParams(
        task_type="cover_upload_music", custom_mode=True, lyrics=LYRICS, sound="pop", continue_clip_id=found.clip_id
    )
    are_riffs(scene, scene.vendor.riffusion.generate_and_wait(params, QUICK))


def are_two_drafts(_: Scene, found: Any) -> None:
    assert (found.code, found.message) == (200, "success")
    assert len(found.results) == len({draft["title"] for draft in found.results}) == 2
    assert all(set(draft) == {"title", "lyrics"} and "a quiet harbour" in draft["lyrics"] for draft in found.results)


def is_alignment(_: Scene, found: Any) -> None:
    assert (found.code, found.message) == (200, "success")
    tokens = found.data["alignment"]
    assert all(set(token) == {"word", "start_s", "end_s", "p_align", "success"} for token in tokens)
    assert "".join(token["word"] for token in tokens).split() == ["[Verse]", "The", "harbour", "sleeps"]
    times = [time for token in tokens[1:] for time in (token["start_s"], token["end_s"])]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (0, 6)
    assert all(token["success"] is True and 0 <= token["p_align"] <= 1 for token in tokens)


def is_tempo(_: Scene, found: Any) -> None:
    assert set(found.data) == {"avg_bpm", "max_bpm", "min_bpm"}
    assert 0 < found.data["min_bpm"] <= found.data["avg_bpm"] <= found.data["max_bpm"]


def are_tags(_: Scene, found: Any) -> None:
    assert set(found.data) == {"upsampled_tags"}
    assert found.data["upsampled_tags"].startswith("lofi, ")


def is_persona(scene: Scene, found: Any) -> None:
    """Check a persona: it can sing."""
    assert (found.code, found.message) == (200, "success")
    params = SonicCreateParams(
        task_type="persona_music", custom_mode=True, mv=MODEL, prompt="la", persona_id=found.persona_id
    )
    are_songs(scene, scene.vendor.sonic.generate_and_wait(params, QUICK))
    assert scene.task.request.to_wire()["persona_id"] == found.persona_id


def is_vox(scene: Scene, found: Any) -> None:
    """Check a voice taken out of a song: a persona can be made of it."""
    song = scene.task.clip_ids[0]
    data = found.data
    contract = {"vox_audio_id", "status", "source_clip_id", "vocal_start_s", "vocal_end_s", "wave_response"}
    assert set(data) == contract
    assert (data["source_clip_id"], data["vocal_start_s"], data["vocal_end_s"]) == (song, 1.0, 5.0)
    params = musicapi.CreatePersonaParams(
        name="Ann", clip_id=song, vox_audio_id=data["vox_audio_id"], vocal_start_s=1.0, vocal_end_s=5.0
    )
    assert scene.vendor.sonic.create_persona(params).persona_id


def is_midi(scene: Scene, found: Any) -> None:
    assert (found.code, found.message) == (200, "success")
    assert scene.fetch(found.data["midi_url"]).startswith(b"MThd")
    (piano,) = found.data["instruments"]
    assert set(piano) == {"name", "notes"}
    for note in piano["notes"]:
        assert set(note) == {"pitch", "start", "end", "velocity"}
        assert 0 <= note["pitch"] <= 127
        assert note["start"] < note["end"]
        assert 0 <= note["velocity"] <= 1


def is_wav(scene: Scene, found: Any) -> None:
    assert found.message == "success"
    assert scene.fetch(found.data["wav_url"]).startswith(b"RIFF")


def is_lyrics_task(scene: Scene, found: Any) -> None:
    assert found == musicapi.MakeLyricsResult(code=200, data={"task_id": scene.task.task_id}, message="success")
    waiting = scene.vendor.suno.get_lyrics(found.data["task_id"]).data
    assert (waiting["status"], waiting["text"], waiting["title"]) == ("running", "", "")
    is_text(scene, scene.vendor.suno.get_lyrics(found.data["task_id"]))


def is_text(scene: Scene, found: Any) -> None:
    assert (found.code, found.message) == (200, "success")
    assert set(found.data) == {"status", "text", "title", "task_id", "input", "metadata"}
    assert found.data["task_id"] == scene.task.task_id
    assert (found.data["status"], found.data["input"]) == ("complete", "a quiet harbour")
    assert "a quiet harbour" in found.data["text"]
    assert found.data["title"]


def is_shared_song(scene: Scene, found: Any) -> None:
    assert (found.song_title, found.video_url) == ("abc", None)
    assert found.song_author
    assert found.music_styles
    scene.fetch(found.audio_url)
    scene.fetch(found.cover_image)


def is_balance(scene: Scene, found: Any) -> None:
    assert found == musicapi.CreditsResult(credits=1000.0, extra_credits=0.0)
    scene.account.extra_credits = 50.5
    assert scene.vendor.credits.get() == musicapi.CreditsResult(credits=1000.0, extra_credits=50.5)
