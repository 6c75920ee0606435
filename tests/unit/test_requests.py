"""Requests are checked when they are made: each limit on both sides of its edge."""

import json
import math
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import Clip, errors, lyrics, nuro, operations, riffusion, sonic
from musicapi_async.wire.json import write_json

Operation = type[Any]


def make(operation: Operation, **fields: object) -> Any:
    """Make a request of anything, as code that is not type-checked does."""
    return operation(**fields)


@pytest.mark.parametrize(
    ("operation", "fields", "name", "limit"),
    [
        (sonic.Create, {}, "lyrics", 5000),
        (sonic.Create, {"model": "sonic-v4"}, "lyrics", 3000),
        (sonic.Create, {"lyrics": "la"}, "title", 80),
        (sonic.Create, {"lyrics": "la"}, "tags", 1000),
        (sonic.Create, {"lyrics": "la", "model": "sonic-v3-5"}, "tags", 200),
        (sonic.Create, {"lyrics": "la"}, "negative_tags", 200),
        (sonic.Describe, {}, "description", 400),
        (sonic.Extend, {"clip": "c", "at": 1}, "lyrics", 5000),
        (riffusion.Create, {}, "lyrics", 3000),
        (riffusion.Create, {}, "sound", 200),
        (riffusion.Create, {}, "title", 80),
        (riffusion.Describe, {}, "description", 200),
        (lyrics.Make, {}, "description", 119),
    ],
)
def test_text_field_has_a_maximum_length(
    operation: Operation, fields: Mapping[str, object], name: str, limit: int
) -> None:
    assert getattr(operation(**fields, **{name: "x" * limit}), name) == "x" * limit

    with pytest.raises(errors.InvalidRequestError) as caught:
        operation(**fields, **{name: "x" * (limit + 1)})

    assert str(caught.value) == f"{name} has {limit + 1} characters; the service takes at most {limit}"
    assert (caught.value.field, caught.value.limit, caught.value.status) == (name, limit, None)
    assert caught.value.value == "x" * (limit + 1)


@pytest.mark.parametrize("name", ["style_weight", "weirdness"])
def test_weight_field_is_from_0_to_1(name: str) -> None:
    for good in (0, 0.5, 1, 1.0):
        assert getattr(make(sonic.Create, lyrics="la", **{name: good}), name) == good
    for bad in (-0.01, 1.01, 1.2, math.nan, math.inf, "0.5", True):
        with pytest.raises(errors.InvalidRequestError, match=f"{name} is .*{bad!r}.* from 0 to 1"):
            make(sonic.Create, lyrics="la", **{name: bad})


def test_duration_field_is_whole_seconds_from_10_to_360() -> None:
    for good in (10, 360):
        assert sonic.Describe(description="rain", duration=good).duration == good
    for bad in (9, 361, 60.5, "60"):
        with pytest.raises(errors.InvalidRequestError, match="duration is .* a whole number from 10 to 360"):
            make(sonic.Describe, description="rain", duration=bad)


@pytest.mark.parametrize("at", [-0.1, math.nan, "60", None])
def test_at_field_is_at_least_0(at: float) -> None:
    assert sonic.Extend(clip="c", at=0).at == 0
    with pytest.raises(errors.InvalidRequestError, match="at is .* of at least 0"):
        sonic.Extend(clip="c", at=at)


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_text_field_that_is_blank_is_refused(blank: str) -> None:
    for operation, name in ((sonic.Create, "lyrics"), (sonic.Describe, "description"), (lyrics.Make, "description")):
        with pytest.raises(errors.InvalidRequestError, match=f"{name} is empty"):
            make(operation, **{name: blank})


@pytest.mark.parametrize("value", [5, b"la", ["la"], True])
def test_text_field_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(errors.InvalidRequestError, match="lyrics is .*; it must be text"):
        make(sonic.Create, lyrics=value)


@pytest.mark.parametrize("value", ["true", 1, 0])
def test_flag_field_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(errors.InvalidRequestError, match="instrumental is .*; it must be True or False"):
        make(sonic.Create, lyrics="la", instrumental=value)


def test_choice_and_url_fields_are_validated() -> None:
    assert sonic.Create(lyrics="la", vocal_gender="f").vocal_gender == "f"
    with pytest.raises(errors.InvalidRequestError, match="vocal_gender is 'female'; the service takes 'f' or 'm'"):
        sonic.Create(lyrics="la", vocal_gender="female")
    with pytest.raises(errors.InvalidRequestError, match="webhook_url is .* must begin with https://"):
        sonic.Create(lyrics="la", webhook_url="http://x")
    with pytest.raises(errors.InvalidRequestError, match="webhook_url has 1025 characters"):
        sonic.Create(lyrics="la", webhook_url="https://".ljust(1025, "x"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mv", "model"),
        ("prompt", "lyrics"),
        ("make_instrumental", "instrumental"),
        ("lyric", "lyrics"),
        ("titel", "title"),
        ("style", "tags"),
        ("styles", "tags"),
        ("genre", "tags"),
    ],
)
def test_unknown_field_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        make(sonic.Create, **{"lyrics": "la", name: "x"})

    assert str(caught.value) == f"sonic.create has no field {name}: did you mean {hint}?"
    assert caught.value.field == name


def test_unknown_field_without_a_likely_name_gets_the_list() -> None:
    with pytest.raises(errors.InvalidRequestError, match="it takes description"):
        make(lyrics.Make, zzz="x")


def test_missing_field_is_named() -> None:
    with pytest.raises(errors.InvalidRequestError, match=r"sonic\.extend needs at") as caught:
        make(sonic.Extend, clip="c")

    assert caught.value.field == "at"


def test_clip_field_takes_a_clip_or_its_id() -> None:
    assert sonic.Extend(clip=Clip(clip_id="c-1"), at=60) == sonic.Extend(clip=" c-1 ", at=60)
    assert sonic.Extend(clip="c-1", at=60).to_wire()["continue_clip_id"] == "c-1"
    for bad in ("", " ", Clip(), None, 5):
        with pytest.raises(errors.InvalidRequestError, match="clip is .*; it must be a Clip or a clip's id"):
            make(sonic.Extend, clip=bad, at=60)


def test_field_that_is_not_set_is_not_sent() -> None:
    assert sonic.Describe(description="rain").to_wire() == {
        "task_type": "create_music",
        "custom_mode": False,
        "gpt_description_prompt": "rain",
        "mv": "sonic-v6",
        "use_suno_cdn": False,
    }


def test_request_is_a_frozen_value() -> None:
    request = sonic.Create(lyrics="la", webhook_secret="hush")
    assert request == pickle.loads(pickle.dumps(request)) != sonic.Create(lyrics="lo")  # noqa: S301
    assert len({request, sonic.Create(lyrics="la", webhook_secret="hush")}) == 1
    assert repr(request) == "sonic.create(lyrics='la')"
    with pytest.raises(AttributeError):
        request.title = "x"  # type: ignore[misc]


def test_operation_names_are_unique() -> None:
    names = [operation.operation_name for operation in operations()]

    assert len(names) == len(set(names))
    assert {"account.credits", "sonic.create", "sonic.full_stems", "nuro.instrumental_v2"} <= set(names)
    assert {operation.family for operation in operations()} == {
        "account",
        "lyrics",
        "nuro",
        "producer",
        "riffusion",
        "sonic",
        "studio",
        "suno",
    }


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80).filter(
    str.strip
)
weights = st.floats(0, 1)


@given(
    fields=st.fixed_dictionaries(
        {"lyrics": words},
        optional={
            "title": words,
            "tags": words,
            "model": words,
            "instrumental": st.booleans(),
            "auto_lyrics": st.booleans(),
            "vocal_gender": st.sampled_from(["f", "m"]),
            "style_weight": weights,
            "weirdness": weights,
            "duration": st.integers(10, 360),
            "use_suno_cdn": st.booleans(),
        },
    )
)
def test_request_with_optional_fields_survives_the_wire(fields: dict[str, Any]) -> None:
    request = sonic.Create(**fields)

    assert sonic.Create.from_wire(request.to_wire()) == request
    assert sonic.Create.from_wire({**request.to_wire(), "unknown": 1}) == request


class OthersFloat(float):
    """A number of another library, such as ``numpy.float64``."""


def test_float_subclass_can_be_sent() -> None:
    request = sonic.Extend(clip="c-1", at=OthersFloat(60.5))

    assert json.loads(write_json(request.to_wire()))["continue_at"] == 60.5


def test_whole_number_that_is_a_float_is_sent_as_a_whole_number() -> None:
    request = nuro.Instrumental(description="rain", duration=30.0)  # type: ignore[arg-type]  # as pandas writes it

    assert write_json(request.to_wire()) == write_json(nuro.Instrumental(description="rain", duration=30).to_wire())
    with pytest.raises(errors.InvalidRequestError, match=r"duration is 30\.5; it must be a whole number from"):
        nuro.Instrumental(description="rain", duration=30.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("tags", [["rock", "calm"], ("rock", "calm")])
def test_tags_that_are_a_sequence_are_sent_as_one_text(tags: Sequence[str]) -> None:
    assert sonic.Create(lyrics="la", tags=tags).to_wire()["tags"] == "rock, calm"


def test_tags_that_are_too_long_together_are_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="tags has 1[0-9]+ characters; the service takes at most 1000"):
        sonic.Create(lyrics="la", tags=["rock"] * 200)


def test_batch_names_the_item_that_is_wrong() -> None:
    item = {"task_type": "create_music", "custom_mode": True, "title": "Rain"}
    with pytest.raises(errors.InvalidRequestError, match=r"items\[1\]: sonic.create needs lyrics") as found:
        sonic.SubmitBatch(items=[sonic.Create(lyrics="la"), item])  # type: ignore[list-item]

    assert found.value.field == "lyrics"
    with pytest.raises(
        errors.InvalidRequestError, match=r"items\[0\]: it is of type str; it must be a request of POST"
    ):
        sonic.SubmitBatch(items=["la"])  # type: ignore[list-item]
