"""Where the vendor's client is wrong about the service, the sandbox follows the documentation."""

from typing import Any

import musicapi
import pytest
from vendor_client.params import riff, section
from vendor_client.scene import DESCRIBED, KEY, LYRICS, MODEL, PART, QUICK, URL, Scene, end_next
from vendor_client.test_methods import METHODS, call

from musicapi_async import sonic

# Where the vendor's client is wrong about the service: the sandbox follows the documentation, with these results.


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("sonic.generate_and_wait", ["running", "running"]),
        ("suno.generate_and_wait", ["running", "running"]),
        ("riffusion.generate_and_wait", ["running", "running"]),
        ("producer.generate_and_wait", ["running"]),
        ("sonic.mashup_and_wait", ["running", "running"]),
        ("sonic.replace_section_and_wait", ["running", "running"]),
        ("sonic.stems_basic_and_wait", ["running", "running"]),
        ("sonic.stems_full_and_wait", ["running"] * 12),
    ],
)
def test_wait_returns_running_clips_at_code_200(scene: Scene, name: str, states: list[str]) -> None:
    """The vendor returns running clips, whose audio is a stream."""
    params = METHODS[name].params(scene)
    scene.step = PART

    found = call(scene, name, params)

    assert found.code == 200
    assert [song.state for song in found.data] == states
    assert all("/stream/" in song.audio_url and song.duration is None for song in found.data)
    scene.fetch(found.data[0].audio_url)


def test_polls_show_clips_that_finish_one_by_one(scene: Scene) -> None:
    task_id = scene.vendor.sonic.create(DESCRIBED).task_id
    takes = scene.task.takes
    seen = []
    for share in (0.1, 0.4, 0.4, 0.2, 0):
        scene.step = takes * share
        found = scene.vendor.sonic.get_task(task_id)
        seen.append((found.code, [song.state for song in found.data]))

    assert seen == [
        (202, []),
        (202, []),
        (200, ["running", "running"]),
        (200, ["succeeded", "running"]),
        (200, ["succeeded", "succeeded"]),
    ]


def test_failed_clip_is_marked_only_by_its_state(scene: Scene) -> None:
    end_next(scene, "partial")
    good, bad = scene.vendor.sonic.generate_and_wait(DESCRIBED, QUICK).data

    assert (good.state, bad.state) == ("succeeded", "failed")
    assert (bad.audio_url, bad.image_url, bad.duration) == (None, None, None)
    scene.fetch(good.audio_url)


def test_task_with_only_failed_clips_is_returned_as_a_success(scene: Scene) -> None:
    """A task whose clips all failed has failed; the vendor checks the code alone. The credits are refunded."""
    before = scene.balance()
    end_next(scene, "all_failed")
    found = scene.vendor.sonic.generate_and_wait(DESCRIBED, QUICK)

    assert found.code == 200
    assert [song.state for song in found.data] == ["failed", "failed"]
    assert scene.balance() == before


def test_wait_with_one_of_two_clips_returns(scene: Scene) -> None:
    """One song of riffusion means that the task still runs."""
    end_next(scene, "one_clip")

    assert len(scene.vendor.riffusion.generate_and_wait(riff(scene), QUICK).data) == 1


def test_midi_not_ready_breaks_the_vendors_parser_and_is_charged_once(scene: Scene) -> None:
    """202 while they are made, and the same POST is repeated; ``MidiResult(**body)`` is not."""
    params = musicapi.MidiParams(scene.song())
    before = scene.balance()

    for _ in range(3):
        with pytest.raises(TypeError, match="unexpected keyword argument 'type'"):
            scene.vendor.sonic.midi(params)
    scene.pass_time()
    found = scene.vendor.sonic.midi(params)

    assert found == scene.vendor.sonic.midi(params)
    assert found.data["midi_url"]
    assert before - scene.balance() == sonic.GetMidi.credits
    assert len(scene.sandbox.requests("POST /sonic/midi")) == 5


def test_joined_section_breaks_the_vendors_parser(scene: Scene) -> None:
    """With ``auto_concat`` the results are pairs, not clips."""
    params = section(scene)
    params.auto_concat = True
    before = scene.balance()

    with pytest.raises(TypeError, match="'clip_id' and 'state'"):
        scene.vendor.sonic.replace_section_and_wait(params, QUICK)
    with pytest.raises(TypeError, match="'clip_id' and 'state'"):
        scene.vendor.sonic.get_task(scene.task.task_id)

    assert before - scene.balance() == scene.task.price > 0
    assert [set(pair) for pair in data_of(scene)] == [{"replaced", "full"}] * 2


def test_joined_extension_breaks_the_vendors_parser(scene: Scene) -> None:
    params = musicapi.UploadExtendParams(URL, custom_mode=True, mv=MODEL, prompt=LYRICS, auto_concat=True)
    task_id = scene.vendor.sonic.upload_extend(params).task_id
    scene.pass_time()

    assert task_id is not None
    with pytest.raises(TypeError, match="'clip_id' and 'state'"):
        scene.vendor.sonic.get_task(task_id)
    pairs = data_of(scene)
    assert [set(pair) for pair in pairs] == [{"extended", "full"}] * 2
    scene.fetch(pairs[0]["full"]["audio_url"])


def test_voice_breaks_the_vendors_parser(scene: Scene) -> None:
    """A voice's ``data`` is an object; the vendor's user never learns its id."""
    task_id = scene.vendor.sonic.create_voice(musicapi.CreateVoiceParams(URL)).task_id
    scene.pass_time()

    with pytest.raises(AttributeError, match="'str' object has no attribute 'items'"):
        scene.vendor.sonic.get_task(task_id)
    assert set(data_of(scene)) == {"persona_id", "name"}


def test_stem_names_are_missing_from_the_vendors_types(scene: Scene) -> None:
    """A stem's name is in ``stem_type``, or in the title; the vendor knows no ``stem_type``."""
    found = scene.vendor.sonic.stems_basic_and_wait(musicapi.StemsParams(scene.song()), QUICK)

    assert [stem["stem_type"] for stem in data_of(scene)] == ["vocals", "instrumental"]
    assert [stem["clip_id"] for stem in data_of(scene)] == [song.clip_id for song in found.data]
    assert not hasattr(found.data[0], "stem_type")
    assert scene.fetch(found.data[0].audio_url) != scene.fetch(found.data[1].audio_url)


def data_of(scene: Scene) -> Any:
    """Return the ``data`` of the last task as it is on the wire."""
    path = f"{scene.sandbox.base_url}{scene.task.poll_path}/{scene.task.task_id}"
    return scene.http.get(path, headers={"Authorization": f"Bearer {KEY}"}).json()["data"]
