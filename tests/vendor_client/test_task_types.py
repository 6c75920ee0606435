"""The vendor's values, one by one: task types, models, types of lyrics."""

from collections.abc import Callable
from typing import Any, Final, get_args

import musicapi
import pytest
from musicapi import SonicCreateParams
from vendor_client.checks import are_described_songs, are_finished, are_songs
from vendor_client.params import studio_song
from vendor_client.scene import DESCRIBED, FUZZ, LYRICS, MODEL, QUICK, URL, Scene
from vendor_client.test_methods import method_of

from musicapi_async import Request, producer, riffusion, sonic, studio

# What the vendor's words stand for.

SONIC_TASKS: Final[dict[str, tuple[type[Request[Any]], Callable[[Scene], dict[str, Any]]]]] = {
    "create_music": (sonic.Create, lambda _: {"lyrics": LYRICS, "custom_mode": True}),
    "extend_music": (
        sonic.Extend,
        lambda scene: {"continue_clip_id": scene.song(), "continue_at": 60, "custom_mode": True, "prompt": "la"},
    ),
    "concat_music": (sonic.Concat, lambda scene: {"continue_clip_id": scene.song(), "mv": None}),
    "cover_music": (
        sonic.Cover,
        lambda scene: {
            "continue_clip_id": scene.song(),
            "custom_mode": False,
            "gpt_description_prompt": "jazz",
            "audio_weight": 0.7,
        },
    ),
    "extend_upload_music": (
        sonic.Extend,
        lambda scene: {"continue_clip_id": scene.uploaded(), "continue_at": 0.1, "custom_mode": True},
    ),
    "cover_upload_music": (
        sonic.Cover,
        lambda scene: {"continue_clip_id": scene.uploaded(), "custom_mode": True, "prompt": "la"},
    ),
    "persona_music": (sonic.PersonaSong, lambda _: {"persona_id": "p-1", "custom_mode": True, "prompt": "la"}),
    "remaster": (
        sonic.Remaster,
        lambda scene: {"continue_clip_id": scene.song(), "variation_category": "subtle"},
    ),
    "add_instrumental": (
        sonic.AddInstrumental,
        lambda scene: {"continue_clip_id": scene.uploaded(), "overpainting_start_s": 1, "overpainting_end_s": 2},
    ),
    "add_vocals": (sonic.AddVocals, lambda scene: {"continue_clip_id": scene.uploaded(), "prompt": "la"}),
}
PRODUCER_TASKS: Final[dict[str, tuple[type[Request[Any]], Callable[[Scene], dict[str, Any]]]]] = {
    "create_music": (producer.Create, lambda _: {"lyrics": LYRICS}),
    "extend_music": (producer.Extend, lambda scene: {"clip_id": scene.track(), "starts_at": 3, "length": 30}),
    "extend_upload_music": (
        producer.Extend,
        lambda scene: {"clip_id": imported(scene), "starts_at": 3, "instruction": "strings"},
    ),
    "replace_music": (producer.Replace, lambda scene: {"clip_id": scene.track(), "starts_at": 1, "ends_at": 2}),
    "replace_upload_music": (
        producer.Replace,
        lambda scene: {"clip_id": imported(scene), "starts_at": 1, "ends_at": 2},
    ),
}
RIFFUSION_TASKS: Final[dict[str, tuple[type[Request[Any]], Callable[[Scene], dict[str, Any]]]]] = {
    "create_music": (riffusion.Describe, lambda _: {"custom_mode": False, "prompt": "rain"}),
    "extend_music": (riffusion.Extend, lambda scene: {"continue_clip_id": scene.riff(), "continue_at": 3}),
    "extend_upload_music": (riffusion.Extend, lambda scene: {"continue_clip_id": riff_upload(scene), "continue_at": 3}),
    "cover_music": (riffusion.Cover, lambda scene: {"continue_clip_id": scene.riff(), "sound": "jazz"}),
    "cover_upload_music": (riffusion.Cover, lambda scene: {"continue_clip_id": riff_upload(scene)}),
    "replace_music": (
        riffusion.ReplaceSection,
        lambda scene: {"continue_clip_id": scene.riff(), "replace_start_time": 1, "replace_end_time": 2},
    ),
    "replace_upload_music": (
        riffusion.ReplaceSection,
        lambda scene: {"continue_clip_id": riff_upload(scene), "replace_start_time": 1, "replace_end_time": 2},
    ),
    "swap_music_sound": (riffusion.SwapSound, lambda scene: {"continue_clip_id": scene.riff(), "sound": "jazz"}),
    "swap_upload_music_sound": (riffusion.SwapSound, lambda scene: {"continue_clip_id": riff_upload(scene)}),
    "swap_music_vocals": (
        riffusion.SwapVocals,
        lambda scene: {"continue_clip_id": scene.riff(), "vocal_variation": 0.5},
    ),
    "swap_upload_music_vocals": (riffusion.SwapVocals, lambda scene: {"continue_clip_id": riff_upload(scene)}),
}


def imported(scene: Scene) -> str:
    """Return a clip that was brought to producer."""
    scene.vendor.producer.upload(musicapi.ProducerUploadParams(URL))
    scene.pass_time()
    return scene.task.clip_ids[0]


def riff_upload(scene: Scene) -> str:
    return scene.vendor.riffusion.upload(musicapi.RiffusionUploadParams(URL)).clip_id


def test_vendor_task_types_are_all_tested() -> None:
    assert set(SONIC_TASKS) == set(get_args(musicapi.SonicTaskType))
    assert set(PRODUCER_TASKS) == set(get_args(musicapi.ProducerTaskType))
    assert set(RIFFUSION_TASKS) == set(get_args(musicapi.RiffusionTaskType))


@pytest.mark.parametrize("task_type", SONIC_TASKS)
def test_sonic_task_type_is_understood_and_finishes(scene: Scene, task_type: Any) -> None:
    operation, given = SONIC_TASKS[task_type]
    params = SonicCreateParams(**{"task_type": task_type, "mv": MODEL, **given(scene)})

    found = scene.vendor.sonic.generate_and_wait(params, QUICK)

    assert len(found.data) == (1 if task_type == "concat_music" else 2)
    is_understood(scene, operation, params)
    are_finished(scene, found)


@pytest.mark.parametrize("task_type", PRODUCER_TASKS)
def test_producer_task_type_is_understood_and_finishes(scene: Scene, task_type: Any) -> None:
    operation, given = PRODUCER_TASKS[task_type]
    params = musicapi.ProducerCreateParams(task_type=task_type, **given(scene))

    found = scene.vendor.producer.generate_and_wait(params, QUICK)

    assert len(found.data) == 1
    is_understood(scene, operation, params)
    are_finished(scene, found)


@pytest.mark.parametrize("task_type", RIFFUSION_TASKS)
def test_riffusion_task_type_is_understood_and_finishes(scene: Scene, task_type: Any) -> None:
    operation, given = RIFFUSION_TASKS[task_type]
    written: dict[str, Any] = {"mv": FUZZ, "custom_mode": True, "lyrics": LYRICS, "sound": "pop"}
    fields = given(scene)
    params = musicapi.RiffusionCreateParams(task_type=task_type, **(fields if "prompt" in fields else written | fields))

    found = scene.vendor.riffusion.generate_and_wait(params, QUICK)

    assert len(found.data) == 2
    is_understood(scene, operation, params)
    are_finished(scene, found)


def is_understood(scene: Scene, operation: type[Request[Any]], params: Any) -> None:
    """Check that the sandbox took the last task for what the vendor's client asked for, field by field."""
    request = scene.task.request
    given = {name: value for name, value in vars(params).items() if value is not None}
    if "lyrics" in given and operation.family == "sonic":
        given["prompt"] = given.pop("lyrics")
    assert type(request) is operation
    assert given.items() <= request.to_wire().items()


@pytest.mark.parametrize("model", get_args(musicapi.SonicModel))
def test_sonic_model_of_the_vendor_is_accepted(scene: Scene, model: Any) -> None:
    params = SonicCreateParams(custom_mode=False, mv=model, gpt_description_prompt="rain", vocal_gender="m")

    assert {song.mv for song in scene.vendor.sonic.generate_and_wait(params, QUICK).data} == {model}


@pytest.mark.parametrize("model", get_args(musicapi.RiffusionModel))
def test_riffusion_model_of_the_vendor_is_accepted(scene: Scene, model: Any) -> None:
    params = musicapi.RiffusionCreateParams(mv=model, custom_mode=False, prompt="rain")

    assert {song.mv for song in scene.vendor.riffusion.generate_and_wait(params, QUICK).data} == {model}


def test_lyrics_beside_a_prompt_are_ignored(scene: Scene) -> None:
    scene.vendor.sonic.create(SonicCreateParams(custom_mode=True, mv=MODEL, lyrics="lo"))
    assert scene.task.request == sonic.Create(lyrics="lo", model=MODEL)
    scene.vendor.sonic.create(SonicCreateParams(custom_mode=True, mv=MODEL, lyrics="lo", prompt="la"))
    assert scene.task.request == sonic.Create(lyrics="la", model=MODEL)


def test_barely_documented_fields_are_accepted(scene: Scene) -> None:
    """``auto_concat`` of upload-cover and ``extend_s``."""
    cover = musicapi.UploadCoverParams(URL, custom_mode=True, mv=MODEL, prompt="la", auto_concat=True)
    extend = musicapi.ProducerCreateParams(task_type="extend_music", clip_id=scene.track(), starts_at=3, extend_s=10)

    task_id = scene.vendor.sonic.upload_cover(cover).task_id
    scene.pass_time()
    assert task_id is not None
    are_songs(scene, scene.vendor.sonic.get_task(task_id))
    are_songs(scene, scene.vendor.producer.generate_and_wait(extend, QUICK))


def test_sample_of_a_clip_has_no_steps(scene: Scene) -> None:
    song = scene.song()
    params = musicapi.SampleParams(1, 5, custom_mode=True, mv=MODEL, make_instrumental=False, sample_clip_id=song)

    found = scene.vendor.sonic.sample(params)

    assert found == musicapi.SampleResult(message="success", task_id=scene.task.task_id)
    assert scene.task.request == sonic.Sample(start=1, end=5, clip=song, model=MODEL)


@pytest.mark.parametrize(
    ("lyrics_type", "operation"), [("generate", studio.Describe), ("instrumental", studio.Instrumental)]
)
def test_studio_lyrics_type_selects_the_operation(
    scene: Scene, lyrics_type: str, operation: type[Request[Any]]
) -> None:
    params = musicapi.StudioCreateParams(
        "rain", lyrics_type, 0.5, 0.25, 0.5, 0.75, "studio130-v1.5", {"mode": "regular"}
    )

    found = scene.vendor.studio.generate_and_wait(params, QUICK)

    assert found.data is not None
    assert found.data.status == "SUCCESS"
    assert type(scene.task.request) is operation


def test_studio_with_a_source_song_extends_it(scene: Scene) -> None:
    scene.vendor.studio.create(studio_song(scene))
    scene.pass_time()
    source = {"mode": "precede", "source": {"song_id": scene.task.clip_ids[0]}}
    params = musicapi.StudioCreateParams("pop", "generate", 0.5, 0.25, 0.5, 0.75, "studio130-v1.5", source)

    found = scene.vendor.studio.generate_and_wait(params, QUICK)

    assert found.data is not None
    assert len(found.data.songs or []) == 2
    assert scene.task.request.to_wire()["config"] == source


@pytest.mark.parametrize("made_at", ["sonic", "suno"])
def test_suno_task_is_the_same_at_sonic(scene: Scene, made_at: str) -> None:
    """``GET /suno/clip/{id}`` = ``/sonic/task``, whichever address a task was made at."""
    task_id = method_of(scene.vendor, f"{made_at}.create")(DESCRIBED).task_id
    scene.pass_time()

    at_sonic, at_suno = scene.vendor.sonic.get_task(task_id), scene.vendor.suno.get_clip(task_id)

    assert at_sonic == at_suno
    are_described_songs(scene, at_suno)


def test_aligned_lyrics_requested_twice_are_charged_once(scene: Scene) -> None:
    """The first call for a clip costs 1, and repeats are free."""
    params = musicapi.AlignedLyricsParams(scene.song())
    before = scene.balance()

    assert scene.vendor.sonic.aligned_lyrics(params) == scene.vendor.sonic.aligned_lyrics(params)
    assert before - scene.balance() == sonic.AlignLyrics.credits
