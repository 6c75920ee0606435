"""Refusals and failures as the vendor's client sees them."""

import inspect
from typing import Final

import musicapi
import pytest
from musicapi import PollOptions, SonicCreateParams
from vendor_client.params import (
    studio_song,
)
from vendor_client.scene import (
    AT_ONCE,
    CREATE,
    DESCRIBED,
    KEY,
    MODEL,
    NO_MORE,
    POLL,
    QUICK,
    WRITTEN,
    Scene,
    end_next,
)
from vendor_client.test_methods import METHODS, WAITS, call, method_of

from musicapi_async.sandbox import Ending, Fault


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_submit_that_may_have_been_accepted_is_charged_again(scene: Scene, status: int) -> None:
    """The vendor repeats POSTs, and the service knows no idempotency key."""
    before = scene.balance()
    fault = Fault(status=status, body={"error": "Internal Server Error."}, headers=AT_ONCE, accepted=True)
    scene.portal.call(scene.sandbox.add_fault, CREATE, fault, fault)

    task_id = scene.vendor.sonic.create(DESCRIBED).task_id

    assert len(scene.sandbox.requests(CREATE)) == 3
    assert [task.task_id for task in scene.sandbox.tasks].index(task_id) == 2
    assert before - scene.balance() == 3 * scene.task.price


def test_submit_refused_with_429_is_retried_and_charged_once(scene: Scene) -> None:
    before = scene.balance()
    fault = Fault(status=429, body={"type": "rate_limited", "error": "Too many requests."}, headers=AT_ONCE)
    scene.portal.call(scene.sandbox.add_fault, CREATE, *[fault] * 3)

    assert scene.vendor.sonic.create(DESCRIBED).task_id == scene.task.task_id
    assert before - scene.balance() == scene.task.price

    scene.portal.call(scene.sandbox.add_fault, CREATE, *[fault] * 4)
    with pytest.raises(musicapi.MusicAPIError, match="Too many requests") as caught:
        scene.vendor.sonic.create(DESCRIBED)
    assert (caught.value.status, caught.value.code, caught.value.is_rate_limited) == (429, "rate_limited", True)
    assert len(scene.sandbox.tasks) == 1


def test_task_failure_with_status_500_is_polled_four_times(scene: Scene) -> None:
    """``type: failed`` is the end whatever the status; the vendor retries first."""
    fault = Fault(status=500, body={"type": "failed", "error": "It failed."}, headers=AT_ONCE)
    scene.portal.call(scene.sandbox.add_fault, POLL, *[fault] * 4)

    with pytest.raises(musicapi.MusicAPIError, match="It failed") as caught:
        scene.vendor.sonic.generate_and_wait(DESCRIBED, QUICK)

    assert (caught.value.status, caught.value.code) == (500, "failed")
    assert len(scene.sandbox.requests(POLL)) == 4


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *((name, "failed") for name in WAITS if not name.startswith("studio.")),
        *(("sonic.generate_and_wait", ending) for ending in ("timeout", "forbidden", "api_error")),
    ],
)
def test_wait_on_a_failed_task_raises_and_is_refunded(scene: Scene, name: str, ending: Ending) -> None:
    params = METHODS[name].params(scene)
    before = scene.balance()
    end_next(scene, ending)

    with pytest.raises(musicapi.MusicAPIError, match="refunded") as caught:
        call(scene, name, params)

    assert (caught.value.status, caught.value.code) == (200, ending)
    assert caught.value.response_body == {"type": ending, "error": str(caught.value)}
    assert scene.balance() == before
    assert scene.task.refunded


@pytest.mark.parametrize("ending", ["failed", "all_failed"])
def test_studio_task_that_fails_times_out(scene: Scene, ending: Ending) -> None:
    """``FAILURE`` and ``fail_reason``; the vendor waits for ``SUCCESS`` until its time is up."""
    before = scene.balance()
    end_next(scene, ending)
    options = PollOptions(poll_interval_ms=1, timeout_ms=50)

    with pytest.raises(musicapi.MusicAPIError, match="Timed out after 50ms") as caught:
        scene.vendor.studio.generate_and_wait(studio_song(scene), options)

    assert (caught.value.status, caught.value.code) == (0, "client_timeout")
    assert scene.balance() == before
    assert scene.task.refunded


def test_poll_of_a_failed_task_breaks_the_vendors_parser(scene: Scene) -> None:
    """``get_task`` reads the failure as a result, and misses its code."""
    end_next(scene, "failed")
    task_id = scene.vendor.sonic.create(DESCRIBED).task_id
    scene.pass_time()

    with pytest.raises(KeyError, match="code"):
        scene.vendor.sonic.get_task(task_id)


@pytest.mark.parametrize("name", WAITS)
def test_wait_that_times_out_leaves_a_charged_task_running(scene: Scene, name: str) -> None:
    params = METHODS[name].params(scene)
    before = scene.balance()
    scene.step = 0

    with pytest.raises(musicapi.MusicAPIError, match=scene_path(name)) as caught:
        call(scene, name, params, NO_MORE)

    assert (caught.value.status, caught.value.code) == (0, "client_timeout")
    assert before - scene.balance() == scene.task.price > 0
    scene.pass_time()
    resource = name.partition(".")[0]
    poll = method_of(scene.vendor, "suno.get_clip" if resource == "suno" else f"{resource}.get_task")
    assert poll(scene.task.task_id).data


def scene_path(name: str) -> str:
    """Return the path at which a method's tasks are polled."""
    resource = name.partition(".")[0]
    return f"/{resource}/{'clip' if resource == 'suno' else 'task'}/"


# Refusals, in the vendor's words.

REFUSALS: Final[list[tuple[str, object, int, str]]] = [
    (
        "sonic.create",
        SonicCreateParams(custom_mode=False, gpt_description_prompt="x"),
        400,
        "The 'mv' field is invalid.",
    ),
    ("sonic.create", SonicCreateParams(mv=MODEL, prompt="x"), 400, "The 'custom_mode' field should be boolean."),
    (
        "sonic.create",
        SonicCreateParams(mv=MODEL, custom_mode=True, prompt="x", title="x" * 81),
        400,
        "The title character length should be less than 80.",
    ),
    (
        "sonic.create",
        SonicCreateParams(mv=MODEL, custom_mode=True, prompt="x", style_weight=1.01),
        400,
        "The 'style_weight' field is invalid.",
    ),
    (
        "sonic.lyrics",
        musicapi.SonicLyricsParams("x" * 120),
        400,
        "The description character length should be less than 120.",
    ),
    ("sonic.get_task", "unknown", 400, "task not found."),
    ("suno.get_clip", "unknown", 400, "task not found."),
    ("suno.get_lyrics", "unknown", 400, "task not found."),
    ("producer.get_task", "unknown", 400, "task not found."),
    ("riffusion.get_task", "unknown", 400, "task not found."),
    ("studio.get_task", "unknown", 400, "task not found."),
    ("sonic.aligned_lyrics", musicapi.AlignedLyricsParams("unknown"), 404, "clip not found."),
    ("sonic.stems_full", musicapi.StemsParams("unknown"), 404, "clip not found."),
    ("sonic.wav", musicapi.WavParams("unknown"), 404, "clip not found."),
    (
        "sonic.sample",
        musicapi.SampleParams(1, 5, custom_mode=True, mv=MODEL, make_instrumental=False),
        400,
        "The 'url' field is",
    ),
    (
        "sonic.mashup",
        musicapi.MashupParams(("one",), custom_mode=True, mv=MODEL),  # type: ignore[arg-type]  # one clip only
        400,
        "The 'mashup_clip_ids' field is invalid.",
    ),
    (
        "producer.create",
        musicapi.ProducerCreateParams(task_type="music_variation", clip_id="c"),  # type: ignore[arg-type]  # retired
        410,
        "The task type 'music_variation' has been retired.",
    ),
]


@pytest.mark.parametrize(("name", "params", "status", "message"), REFUSALS)
def test_refused_call_raises_the_vendors_error_and_costs_nothing(
    scene: Scene, name: str, params: object, status: int, message: str
) -> None:
    with pytest.raises(musicapi.MusicAPIError) as caught:
        call(scene, name, params)

    assert caught.value.status == status
    assert str(caught.value).startswith(message)
    assert caught.value.response_body == {"error": str(caught.value)}
    assert not caught.value.is_auth_error
    assert scene.sandbox.tasks == ()
    assert scene.account.credits == 1000
    assert len(scene.sandbox.requests()) == 1


def test_unknown_key_is_refused(scene: Scene) -> None:
    stranger = musicapi.MusicAPI("unknown", base_url=scene.sandbox.base_url, http_client=scene.http)

    with pytest.raises(musicapi.MusicAPIError, match="Invalid API key") as caught:
        stranger.sonic.create(DESCRIBED)

    assert (caught.value.status, caught.value.is_auth_error) == (401, True)
    assert scene.sandbox.tasks == ()


def test_call_without_credits_starts_nothing(scene: Scene) -> None:
    scene.account.credits = 3

    for name, status in (("sonic.create", 403), ("sonic.create_voice", 402), ("studio.create", 403)):
        with pytest.raises(musicapi.MusicAPIError, match="credits are not enough") as caught:
            call(scene, name, METHODS[name].params(scene))
        assert (caught.value.status, caught.value.is_credit_error) == (status, True)

    assert scene.vendor.credits.get() == musicapi.CreditsResult(credits=3, extra_credits=0)
    assert scene.sandbox.tasks == ()


def test_moderation_refusal_is_a_credit_error_to_the_vendor(scene: Scene) -> None:
    """403 is moderation as well; the vendor takes every one for missing credits."""
    text = "The lyrics contain copyrighted content: 'la'. Please use original lyrics."
    fault = Fault(status=403, body={"type": "forbidden", "error": text}, headers={"x-request-id": "r-1"})
    scene.portal.call(scene.sandbox.add_fault, CREATE, fault)

    with pytest.raises(musicapi.MusicAPIError, match="copyrighted") as caught:
        scene.vendor.sonic.create(WRITTEN)

    assert caught.value.is_credit_error
    assert (caught.value.code, caught.value.request_id) == ("forbidden", "r-1")


def test_failed_step_is_in_the_vendors_fields(scene: Scene) -> None:
    steps = {"upload": {"success": False, "error": "Audio URL is not accessible."}}
    body = {"code": 200, "message": "failed", "failed_step": "upload", "steps": steps}
    for name in ("sonic.upload_cover", "sonic.upload_extend", "sonic.sample"):
        scene.portal.call(
            scene.sandbox.add_fault, f"POST /{name.replace('.', '/').replace('_', '-')}", Fault(body=body, status=200)
        )
        found = call(scene, name, METHODS[name].params(scene))

        assert (found.code, found.task_id, found.failed_step) == (200, None, "upload")
        assert musicapi.StepResult(**found.steps["upload"]).error == "Audio URL is not accessible."


def test_vendor_signatures_are_the_tested_ones() -> None:
    """A new parameter of a method is noticed as well as a new method."""
    with musicapi.MusicAPI(KEY) as vendor:
        signatures = {name: list(inspect.signature(method_of(vendor, name)).parameters) for name in METHODS}

    for name, parameters in signatures.items():
        poll = name.rpartition(".")[2] in {"get_task", "get_clip", "get_lyrics"}
        first = [] if name == "credits.get" else ["task_id"] if poll else ["params"]
        assert parameters == [*first, *(["options"] if name in WAITS else [])]
