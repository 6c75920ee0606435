"""The vendor's own client against the sandbox: a real client of the service, of which we wrote no line.

Every method it has is driven by ``ROWS``. Where it is wrong about the service, the sandbox follows the contract
(real-world, section 10), and a test says what the vendor's user gets.

No test waits: time passes for the sandbox's tasks when they are looked at, by ``Scene.step`` seconds a look."""

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
class Row:
    """How a method is called, what is asked by that (and paid for), and what is checked of what comes back.

    ``asked`` takes the clips of the task before, where there was one; ``FREE`` asks for nothing new.
    """

    params: Callable[[Scene], object]
    asked: Callable[[tuple[str, ...]], Request[Any]] | None
    check: Callable[[Scene, Any], None]


ROWS: Final[dict[str, Row]] = {
    "credits.get": Row(lambda _: None, of(account.GetCredits()), is_balance),
    "producer.create": Row(track, of(TRACK), is_task("producer.get_task")),
    "producer.download": Row(
        lambda scene: musicapi.ProducerDownloadParams(scene.track()),
        lambda clips: producer.Download(clip=clips[0]),
        is_prepared_file,
    ),
    "producer.download_and_wait": Row(
        lambda scene: musicapi.ProducerDownloadParams(scene.track(), "wav", webhook_url=HOOK),
        lambda clips: producer.Download(clip=clips[0], format="wav", webhook_url=HOOK),
        is_file,
    ),
    "producer.generate_and_wait": Row(track, of(TRACK), is_track),
    "producer.get_task": Row(
        submitted(lambda scene: scene.vendor.producer.upload(musicapi.ProducerUploadParams(URL))), FREE, is_imported
    ),
    "producer.upload": Row(
        lambda _: musicapi.ProducerUploadParams(URL, webhook_url=HOOK),
        of(producer.Upload(url=URL, webhook_url=HOOK)),
        is_task("producer.get_task"),
    ),
    "riffusion.create": Row(riff, of(RIFF), is_task("riffusion.get_task")),
    "riffusion.generate_and_wait": Row(riff, of(RIFF), are_riffs),
    "riffusion.get_task": Row(submitted(Scene.riff), FREE, are_riffs),
    "riffusion.upload": Row(
        lambda _: musicapi.RiffusionUploadParams(URL), of(riffusion.Upload(url=URL)), is_riff_upload
    ),
    "sonic.aligned_lyrics": Row(
        lambda scene: musicapi.AlignedLyricsParams(scene.song()),
        lambda clips: sonic.AlignLyrics(clip=clips[0]),
        is_alignment,
    ),
    "sonic.bpm": Row(
        lambda scene: musicapi.BpmParams(scene.song()), lambda clips: sonic.GetBpm(clip=clips[0]), is_tempo
    ),
    "sonic.create": Row(full_song, of(sonic.Create(**FULL_SONG)), is_task("sonic.get_task")),
    "sonic.create_persona": Row(
        lambda scene: musicapi.CreatePersonaParams("Ann", scene.song(), describe="warm", styles="folk"),
        lambda clips: sonic.CreatePersona(name="Ann", clip=clips[0], description="warm", styles="folk"),
        is_persona,
    ),
    "sonic.create_voice": Row(
        lambda _: musicapi.CreateVoiceParams(URL, webhook_url=HOOK, webhook_secret="shh"),
        of(sonic.CreateVoice(url=URL, webhook_url=HOOK, webhook_secret="shh")),
        is_voice,
    ),
    "sonic.generate_and_wait": Row(
        lambda _: DESCRIBED, of(sonic.Describe(description="rain", model=MODEL)), are_described_songs
    ),
    "sonic.get_task": Row(submitted(Scene.song), FREE, are_songs),
    "sonic.lyrics": Row(
        lambda _: musicapi.SonicLyricsParams("a quiet harbour"),
        of(lyrics.Make(description="a quiet harbour")),
        are_two_drafts,
    ),
    "sonic.mashup": Row(
        mashup,
        lambda clips: sonic.Mashup(clips=clips, lyrics=LYRICS, model=MODEL, audio_weight=0.5),
        is_task("sonic.get_task"),
    ),
    "sonic.mashup_and_wait": Row(
        mashup,
        lambda clips: sonic.Mashup(clips=clips, lyrics=LYRICS, model=MODEL, audio_weight=0.5),
        are_songs,
    ),
    "sonic.midi": Row(prepared_midi, FREE, is_midi),
    "sonic.replace_section": Row(
        section,
        lambda clips: sonic.ReplaceSection(
            clip=clips[0], model=MODEL, start=1, end=2.5, lyrics=LYRICS, section_lyrics="la"
        ),
        is_task("sonic.get_task"),
    ),
    "sonic.replace_section_and_wait": Row(
        section,
        lambda clips: sonic.ReplaceSection(
            clip=clips[0], model=MODEL, start=1, end=2.5, lyrics=LYRICS, section_lyrics="la"
        ),
        are_songs,
    ),
    "sonic.sample": Row(
        sample,
        of(sonic.Sample(start=1, end=5, model=MODEL, instrumental=True, url=URL, description="rain")),
        are_steps("sample"),
    ),
    "sonic.stems_basic": Row(
        lambda scene: musicapi.StemsParams(scene.song()),
        lambda clips: sonic.BasicStems(clip=clips[0]),
        is_task("sonic.get_task"),
    ),
    "sonic.stems_basic_and_wait": Row(
        lambda scene: musicapi.StemsParams(scene.song()), lambda clips: sonic.BasicStems(clip=clips[0]), are_songs
    ),
    "sonic.stems_full": Row(
        lambda scene: musicapi.StemsParams(scene.song()),
        lambda clips: sonic.FullStems(clip=clips[0]),
        is_task("sonic.get_task"),
    ),
    "sonic.stems_full_and_wait": Row(
        lambda scene: musicapi.StemsParams(scene.song()), lambda clips: sonic.FullStems(clip=clips[0]), are_songs
    ),
    "sonic.upload": Row(lambda _: musicapi.SonicUploadParams(URL), of(sonic.Upload(url=URL)), is_uploaded),
    "sonic.upload_cover": Row(
        lambda _: musicapi.UploadCoverParams(URL, custom_mode=False, mv=MODEL, gpt_description_prompt="rain"),
        of(sonic.UploadCover(url=URL, model=MODEL, description="rain")),
        are_steps("cover"),
    ),
    "sonic.upload_extend": Row(
        lambda _: musicapi.UploadExtendParams(URL, custom_mode=True, mv=MODEL, prompt=LYRICS, continue_at=0.1),
        of(sonic.UploadExtend(url=URL, model=MODEL, lyrics=LYRICS, at=0.1)),
        are_steps("extend"),
    ),
    "sonic.upsample_tags": Row(
        lambda _: musicapi.UpsampleTagsParams("lofi"), of(sonic.UpsampleTags(tags="lofi")), are_tags
    ),
    "sonic.vox": Row(
        lambda scene: musicapi.VoxParams(scene.song(), vocal_start_s=1.0, vocal_end_s=5.0),
        lambda clips: sonic.GetVox(clip=clips[0], start=1.0, end=5.0),
        is_vox,
    ),
    "sonic.wav": Row(lambda scene: musicapi.WavParams(scene.song()), lambda clips: sonic.GetWav(clip=clips[0]), is_wav),
    "studio.create": Row(studio_song, of(STUDIO), is_studio_task),
    "studio.generate_and_wait": Row(studio_song, of(STUDIO), are_studio_songs),
    "studio.get_task": Row(
        submitted(lambda scene: scene.vendor.studio.create(studio_song(scene))), FREE, are_studio_songs
    ),
    "suno.create": Row(full_song, of(suno.Create(**FULL_SONG)), is_task("suno.get_clip")),
    "suno.generate_and_wait": Row(
        lambda _: DESCRIBED, of(suno.Describe(description="rain", model=MODEL)), are_described_songs
    ),
    "suno.get_clip": Row(submitted(lambda scene: scene.vendor.suno.create(DESCRIBED)), FREE, are_described_songs),
    "suno.get_lyrics": Row(
        submitted(lambda scene: scene.vendor.suno.make_lyrics(musicapi.MakeLyricsParams("a quiet harbour"))),
        FREE,
        is_text,
    ),
    "suno.get_song": Row(
        lambda _: musicapi.GetSongParams("https://suno.com/s/abc"),
        of(suno.GetSong(share_link="https://suno.com/s/abc")),
        is_shared_song,
    ),
    "suno.make_lyrics": Row(
        lambda _: musicapi.MakeLyricsParams("a quiet harbour"),
        of(suno.MakeLyrics(description="a quiet harbour")),
        is_lyrics_task,
    ),
}
WAITS: Final = sorted(name for name in ROWS if name.endswith("_and_wait"))


def method_of(vendor: musicapi.MusicAPI, name: str) -> Callable[..., Any]:
    resource, _, method = name.partition(".")
    found: Callable[..., Any] = getattr(getattr(vendor, resource), method)
    return found


def call(scene: Scene, name: str, params: object, options: PollOptions = QUICK) -> Any:
    given = [] if params is None else [params]
    return method_of(scene.vendor, name)(*given, *([options] if name in WAITS else []))


def test_every_method_of_the_vendor_is_driven_here() -> None:
    with musicapi.MusicAPI(KEY) as vendor:
        resources = {name: type(found) for name, found in vars(vendor).items() if not name.startswith("_")}
    methods = {
        f"{name}.{method}" for name, kind in resources.items() for method in dir(kind) if not method.startswith("_")
    }

    assert {kind.__name__ for kind in resources.values()} == set(musicapi.resources.__all__)
    assert methods == set(ROWS)
    assert {name for name in dir(musicapi.MusicAPI) if not name.startswith("_")} == {"close"}


@pytest.mark.parametrize("name", ROWS)
def test_a_method_gives_what_the_vendors_types_promise(scene: Scene, name: str) -> None:
    row = ROWS[name]
    params = row.params(scene)
    begun = scene.sandbox.accepted
    asked = row.asked(begun[-1].clip_ids if begun else ()) if row.asked else None
    before = scene.balance()

    found = call(scene, name, params)

    spent = before - scene.balance()
    accepted = scene.sandbox.accepted[len(begun) :]
    promised = get_type_hints(method_of(scene.vendor, name))["return"]
    wrong = breaches(found, promised, name)
    assert wrong <= OTHERWISE
    assert spent == ((asked.credits or 0) if asked else 0)
    assert [task.request.to_wire() for task in accepted] == (
        [asked.to_wire()] if isinstance(asked, TaskRequest) else []
    )
    assert sum(task.price for task in accepted) == (spent if accepted else 0)
    row.check(scene, found)


def test_what_the_service_tells_otherwise_than_the_vendor_promises(scene: Scene) -> None:
    sonic_song = scene.vendor.sonic.generate_and_wait(DESCRIBED, QUICK).data[0]
    studio_data = scene.vendor.studio.generate_and_wait(studio_song(scene), QUICK).data

    assert str(sonic_song.duration) == "6.00"
    assert breaches(sonic_song, musicapi.SonicSong) == {"SonicSong.duration"}
    assert studio_data is not None
    assert breaches(studio_data, musicapi.StudioTaskData) == {"StudioSong.tags"}


def test_a_clip_has_exactly_the_keys_that_the_vendor_has_fields_for(scene: Scene) -> None:
    """Contract, sonic 4.2: what the vendor's dataclass fills up with ``None`` is told by the service."""
    scene.song()
    path = f"{scene.sandbox.base_url}/sonic/task/{scene.task.task_id}"
    clip = scene.http.get(path, headers={"Authorization": f"Bearer {KEY}"}).json()["data"][0]

    assert set(clip) == {field.name for field in fields(musicapi.SonicSong)}
