"""Arguments of the vendor's methods, and the requests of this package that correspond to them."""

from collections.abc import Callable
from typing import Any, Final

import musicapi
import pytest
from musicapi import SonicCreateParams
from vendor_client.scene import FUZZ, HOOK, LYRICS, MODEL, URL, Scene

from musicapi_async import Request, producer, riffusion, studio

# How each method is called.


def submitted(begin: Callable[[Scene], Any]) -> Callable[[Scene], str]:
    """Give the id of a task that was begun and has come to its end."""

    def task_id(scene: Scene) -> str:
        begin(scene)
        scene.pass_time()
        return scene.task.task_id

    return task_id


def prepared_midi(scene: Scene) -> musicapi.MidiParams:
    """Ask for the notes of a song once, and let them be prepared: the vendor's client fails on that answer."""
    song = scene.song()
    with pytest.raises(TypeError):
        scene.vendor.sonic.midi(musicapi.MidiParams(clip_id=song))
    scene.pass_time()
    return musicapi.MidiParams(clip_id=song)


def full_song(_: Scene) -> SonicCreateParams:
    return SonicCreateParams(
        task_type="create_music",
        mv=MODEL,
        custom_mode=True,
        prompt=LYRICS,
        title="Rain",
        tags="pop, dreamy",
        negative_tags="metal",
        make_instrumental=False,
        style_weight=0.5,
        weirdness_constraint=0.25,
        vocal_gender="f",
        auto_lyrics=False,
        webhook_url=HOOK,
        webhook_secret="shh",
    )


FULL_SONG: Final[dict[str, Any]] = {
    "lyrics": LYRICS,
    "model": MODEL,
    "title": "Rain",
    "tags": "pop, dreamy",
    "negative_tags": "metal",
    "instrumental": False,
    "style_weight": 0.5,
    "weirdness": 0.25,
    "vocal_gender": "f",
    "auto_lyrics": False,
    "webhook_url": HOOK,
    "webhook_secret": "shh",
}


def mashup(scene: Scene) -> musicapi.MashupParams:
    one = scene.song()
    two = scene.task.clip_ids[1]
    return musicapi.MashupParams((one, two), custom_mode=True, mv=MODEL, prompt=LYRICS, audio_weight=0.5)


def section(scene: Scene) -> musicapi.ReplaceSectionParams:
    return musicapi.ReplaceSectionParams(
        scene.song(), MODEL, infill_start_s=1, infill_end_s=2.5, prompt=LYRICS, infill_lyrics="la"
    )


def sample(_: Scene) -> musicapi.SampleParams:
    return musicapi.SampleParams(
        chop_sample_start_s=1,
        chop_sample_end_s=5,
        custom_mode=False,
        mv=MODEL,
        make_instrumental=True,
        url=URL,
        gpt_description_prompt="rain",
    )


def track(_: Scene) -> musicapi.ProducerCreateParams:
    return musicapi.ProducerCreateParams(
        sound="piano", title="Calm", seed=7, bpm=90, length=60, webhook_url=HOOK, webhook_secret="shh"
    )


def riff(_: Scene) -> musicapi.RiffusionCreateParams:
    return musicapi.RiffusionCreateParams(mv=FUZZ, custom_mode=True, lyrics=LYRICS, sound="pop", title="Sea")


def studio_song(_: Scene) -> musicapi.StudioCreateParams:
    return musicapi.StudioCreateParams(
        prompt="pop",
        lyrics_type="user",
        prompt_strength=0.5,
        clarity_strength=0.25,
        lyrics_strength=0.75,
        generation_quality=1,
        model_type="studio32-v1.5",
        config={"mode": "regular"},
        lyrics=LYRICS,
        seed=-1,
    )


def of(request: Request[Any]) -> Callable[[tuple[str, ...]], Request[Any]]:
    """Return a request that has no clip."""
    return lambda _: request


TRACK: Final = producer.Create(
    sound="piano", title="Calm", seed=7, bpm=90, length=60, webhook_url=HOOK, webhook_secret="shh"
)
RIFF: Final = riffusion.Create(model=FUZZ, lyrics=LYRICS, sound="pop", title="Sea")
STUDIO: Final = studio.Create(
    tags="pop",
    lyrics=LYRICS,
    prompt_strength=0.5,
    clarity_strength=0.25,
    lyrics_strength=0.75,
    generation_quality=1,
    model="studio32-v1.5",
    seed=-1,
)
FREE: Final = None
