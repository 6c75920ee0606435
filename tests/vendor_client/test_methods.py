"""The vendor's own client against the sandbox: a real client of the service that is not part of this project.

Every method it has is driven by ``METHODS``. Where it is wrong about the service, the sandbox follows the documentation
and a test shows what the vendor's user gets.

No test waits: time passes for the sandbox's tasks when they are polled, by ``Scene.step`` seconds a poll."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, get_type_hints

import musicapi
import pytest
from musicapi import PollOptions
from vendor_client.checks import (
    are_described_songs,
    are_riffs,
    are_songs,
    are_steps,
    are_studio_songs,
    are_tags,
    are_two_drafts,
    is_alignment,
    is_balance,
    is_file,
    is_imported,
    is_lyrics_task,
    is_midi,
    is_persona,
    is_prepared_file,
    is_riff_upload,
    is_shared_song,
    is_studio_task,
    is_task,
    is_tempo,
    is_text,
    is_track,
    is_uploaded,
    is_voice,
    is_vox,
    is_wav,
)
from vendor_client.params import (
    FREE,
    FULL_SONG,
    RIFF,
    STUDIO,
    TRACK,
    full_song,
    mashup,
    of,
    prepared_midi,
    riff,
    sample,
    section,
    studio_song,
    submitted,
    track,
)
from vendor_client.scene import DESCRIBED, HOOK, KEY, LYRICS, MODEL, OTHERWISE, QUICK, URL, Scene, breaches

from musicapi_async import Request, TaskRequest, account, lyrics, producer, riffusion, sonic, suno


@dataclass(frozen=True)
class Method:
    """How a method is called, what is asked by that (and paid for), and what is checked of what comes back.

    ``asked`` takes the clips of the task before, where there was one; ``FREE`` asks for nothing new.
    """

    params: Callable[[Scene], object]
    asked: Callable[[tuple[str, ...]], Request[Any]] | None
    check: Callable[[Scene, Any], None]


METHODS: Final[dict[str, Method]] = {
    "credits.get": Method(lambda _: None, of(account.GetCredits()), is_balance),
    "producer.create": Method(track, of(TRACK), is_task("producer.get_task")),
    "producer.download": Method(
        lambda scene: musicapi.ProducerDownloadParams(scene.track()),
        lambda clips: producer.Download(clip=clips[0]),
        is_prepared_file,
    ),
    "producer.download_and_wait": Method(
        lambda scene: musicapi.ProducerDownloadParams(scene.track(), "wav", webhook_url=HOOK),
        lambda clips: producer.Download(clip=clips[0], format="wav", webhook_url=HOOK),
        is_file,
    ),
    "producer.generate_and_wait": Method(track, of(TRACK), is_track),
    "producer.get_task": Method(
        submitted(lambda scene: scene.vendor.producer.upload(musicapi.ProducerUploadParams(URL))), FREE, is_imported
    ),
    "producer.upload": Method(
        lambda _: musicapi.ProducerUploadParams(URL, webhook_url=HOOK),
        of(producer.Upload(url=URL, webhook_url=HOOK)),
        is_task("producer.get_task"),
    ),
    "riffusion.create": Method(riff, of(RIFF), is_task("riffusion.get_task")),
    "riffusion.generate_and_wait": Method(riff, of(RIFF), are_riffs),
    "riffusion.get_task": Method(submitted(Scene.riff), FREE, are_riffs),
    "riffusion.upload": Method(
        lambda _: musicapi.RiffusionUploadParams(URL), of(riffusion.Upload(url=URL)), is_riff_upload
    ),
    "sonic.aligned_lyrics": Method(
        lambda scene: musicapi.AlignedLyricsParams(scene.song()),
        lambda clips: sonic.AlignLyrics(clip=clips[0]),
        is_alignment,
    ),
    "sonic.bpm": Method(
        lambda scene: musicapi.BpmParams(scene.song()), lambda clips: sonic.GetBpm(clip=clips[0]), is_tempo
    ),
    "sonic.create": Method(full_song, of(sonic.Create(**FULL_SONG)), is_task("sonic.get_task")),
    "sonic.create_persona": Method(
        lambda scene: musicapi.CreatePersonaParams("Ann", scene.song(), describe="warm", styles="folk"),
        lambda clips: sonic.CreatePersona(name="Ann", clip=clips[0], description="warm", styles="folk"),
        is_persona,
    ),
    "sonic.create_voice": Method(
        lambda _: musicapi.CreateVoiceParams(URL, webhook_url=HOOK, webhook_secret="shh"),
        of(sonic.CreateVoice(url=URL, webhook_url=HOOK, webhook_secret="shh")),
        is_voice,
    ),
    "sonic.generate_and_wait": Method(
        lambda _: DESCRIBED, of(sonic.Describe(description="rain", model=MODEL)), are_described_songs
    ),
    "sonic.get_task": Method(submitted(Scene.song), FREE, are_songs),
    "sonic.lyrics": Method(
        lambda _: musicapi.SonicLyricsParams("a quiet harbour"),
        of(lyrics.Make(description="a quiet harbour")),
        are_two_drafts,
    ),
    "sonic.mashup": Method(
        mashup,
        lambda clips: sonic.Mashup(clips=clips, lyrics=LYRICS, model=MODEL, audio_weight=0.5),
        is_task("sonic.get_task"),
    ),
    "sonic.mashup_and_wait": Method(
        mashup,
        lambda clips: sonic.Mashup(clips=clips, lyrics=LYRICS, model=MODEL, audio_weight=0.5),
        are_songs,
    ),
    "sonic.midi": Method(prepared_midi, FREE, is_midi),
    "sonic.replace_section": Method(
        section,
        lambda clips: sonic.ReplaceSection(
            clip=clips[0], model=MODEL, start=1, end=2.5, lyrics=LYRICS, section_lyrics="la"
        ),
        is_task("sonic.get_task"),
    ),
    "sonic.replace_section_and_wait": Method(
        section,
        lambda clips: sonic.ReplaceSection(
            clip=clips[0], model=MODEL, start=1, end=2.5, lyrics=LYRICS, section_lyrics="la"
        ),
        are_songs,
    ),
    "sonic.sample": Method(
        sample,
        of(sonic.Sample(start=1, end=5, model=MODEL, instrumental=True, url=URL, description="rain")),
        are_steps("sample"),
    ),
    "sonic.stems_basic": Method(
        lambda scene: musicapi.StemsParams(scene.song()),
        lambda clips: sonic.BasicStems(clip=clips[0]),
        is_task("sonic.get_task"),
    ),
    "sonic.stems_basic_and_wait": Method(
        lambda scene: musicapi.StemsParams(scene.song()), lambda clips: sonic.BasicStems(clip=clips[0]), are_songs
    ),
    "sonic.stems_full": Method(
        lambda scene: musicapi.StemsParams(scene.song()),
        lambda clips: sonic.FullStems(clip=clips[0]),
        is_task("sonic.get_task"),
    ),
    "sonic.stems_full_and_wait": Method(
        lambda scene: musicapi.StemsParams(scene.song()), lambda clips: sonic.FullStems(clip=clips[0]), are_songs
    ),
    "sonic.upload": Method(lambda _: musicapi.SonicUploadParams(URL), of(sonic.Upload(url=URL)), is_uploaded),
    "sonic.upload_cover": Method(
        lambda _: musicapi.UploadCoverParams(URL, custom_mode=False, mv=MODEL, gpt_description_prompt="rain"),
        of(sonic.UploadCover(url=URL, model=MODEL, description="rain")),
        are_steps("cover"),
    ),
    "sonic.upload_extend": Method(
        lambda _: musicapi.UploadExtendParams(URL, custom_mode=True, mv=MODEL, prompt=LYRICS, continue_at=0.1),
        of(sonic.UploadExtend(url=URL, model=MODEL, lyrics=LYRICS, at=0.1)),
        are_steps("extend"),
    ),
    "sonic.upsample_tags": Method(
        lambda _: musicapi.UpsampleTagsParams("lofi"), of(sonic.UpsampleTags(tags="lofi")), are_tags
    ),
    "sonic.vox": Method(
        lambda scene: musicapi.VoxParams(scene.song(), vocal_start_s=1.0, vocal_end_s=5.0),
        lambda clips: sonic.GetVox(clip=clips[0], start=1.0, end=5.0),
        is_vox,
    ),
    "sonic.wav": Method(
        lambda scene: musicapi.WavParams(scene.song()), lambda clips: sonic.GetWav(clip=clips[0]), is_wav
    ),
    "studio.create": Method(studio_song, of(STUDIO), is_studio_task),
    "studio.generate_and_wait": Method(studio_song, of(STUDIO), are_studio_songs),
    "studio.get_task": Method(
        submitted(lambda scene: scene.vendor.studio.create(studio_song(scene))), FREE, are_studio_songs
    ),
    "suno.create": Method(full_song, of(suno.Create(**FULL_SONG)), is_task("suno.get_clip")),
    "suno.generate_and_wait": Method(
        lambda _: DESCRIBED, of(suno.Describe(description="rain", model=MODEL)), are_described_songs
    ),
    "suno.get_clip": Method(submitted(lambda scene: scene.vendor.suno.create(DESCRIBED)), FREE, are_described_songs),
    "suno.get_lyrics": Method(
        submitted(lambda scene: scene.vendor.suno.make_lyrics(musicapi.MakeLyricsParams("a quiet harbour"))),
        FREE,
        is_text,
    ),
    "suno.get_song": Method(
        lambda _: musicapi.GetSongParams("https://suno.com/s/abc"),
        of(suno.GetSong(share_link="https://suno.com/s/abc")),
        is_shared_song,
    ),
    "suno.make_lyrics": Method(
        lambda _: musicapi.MakeLyricsParams("a quiet harbour"),
        of(suno.MakeLyrics(description="a quiet harbour")),
        is_lyrics_task,
    ),
}
WAITS: Final = sorted(name for name in METHODS if name.endswith("_and_wait"))


def method_of(vendor: musicapi.MusicAPI, name: str) -> Callable[..., Any]:
    resource, _, method = name.partition(".")
    found: Callable[..., Any] = getattr(getattr(vendor, resource), method)
    return found


def call(scene: Scene, name: str, params: object, options: PollOptions = QUICK) -> Any:
    given = [] if params is None else [params]
    return method_of(scene.vendor, name)(*given, *([options] if name in WAITS else []))


def test_vendor_methods_are_all_tested() -> None:
    with musicapi.MusicAPI(KEY) as vendor:
        resources = {name: type(found) for name, found in vars(vendor).items() if not name.startswith("_")}
    methods = {
        f"{name}.{method}" for name, cls in resources.items() for method in dir(cls) if not method.startswith("_")
    }

    assert {cls.__name__ for cls in resources.values()} == set(musicapi.resources.__all__)
    assert methods == set(METHODS)
    assert {name for name in dir(musicapi.MusicAPI) if not name.startswith("_")} == {"close"}


@pytest.mark.parametrize("name", METHODS)
def test_vendor_method_returns_its_annotated_type(scene: Scene, name: str) -> None:
    case = METHODS[name]
    params = case.params(scene)
    begun = scene.sandbox.tasks
    asked = case.asked(begun[-1].clip_ids if begun else ()) if case.asked else None
    before = scene.balance()

    found = call(scene, name, params)

    spent = before - scene.balance()
    accepted = scene.sandbox.tasks[len(begun) :]
    promised = get_type_hints(method_of(scene.vendor, name))["return"]
    wrong = breaches(found, promised, name)
    assert wrong <= OTHERWISE
    assert spent == ((asked.credits or 0) if asked else 0)
    assert [task.request.to_wire() for task in accepted] == (
        [asked.to_wire()] if isinstance(asked, TaskRequest) else []
    )
    assert sum(task.price for task in accepted) == (spent if accepted else 0)
    case.check(scene, found)


def test_vendor_annotations_that_differ_from_the_service_are_known(scene: Scene) -> None:
    sonic_song = scene.vendor.sonic.generate_and_wait(DESCRIBED, QUICK).data[0]
    studio_data = scene.vendor.studio.generate_and_wait(studio_song(scene), QUICK).data

    assert str(sonic_song.duration) == "6.00"
    assert breaches(sonic_song, musicapi.SonicSong) == {"SonicSong.duration"}
    assert studio_data is not None
    assert breaches(studio_data, musicapi.StudioTaskData) == {"StudioSong.tags"}


def test_clip_has_exactly_the_fields_of_the_vendors_class(scene: Scene) -> None:
    """What the vendor's dataclass fills up with ``None`` is sent by the service."""
    scene.song()
    path = f"{scene.sandbox.base_url}/sonic/task/{scene.task.task_id}"
    clip = scene.http.get(path, headers={"Authorization": f"Bearer {KEY}"}).json()["data"][0]

    assert set(clip) == {field.name for field in fields(musicapi.SonicSong)}
