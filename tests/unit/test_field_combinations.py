"""Combinations of fields that are refused although each value is valid; docs of deprecated operations."""

import pickle
import re
from collections.abc import Mapping
from typing import Any

import pytest

from musicapi_async import Request, errors, nuro, operations, sonic, studio

Operation = type[Any]
OPERATIONS: dict[str, Operation] = {operation.operation_name: operation for operation in operations()}
EDITED = {"clip": "c-1"}

# The fields that are enough, of every operation whose lyrics may be a draft.
DRAFTED = [
    (sonic.Extend, {**EDITED, "at": 1}),
    (sonic.Cover, EDITED),
    (sonic.PersonaSong, {"persona_id": "p-1"}),
    (sonic.Sample, {**EDITED, "start": 0, "end": 9}),
    (sonic.Mashup, {"clips": ("c-1", "c-2")}),
]


@pytest.mark.parametrize(("operation", "fields"), DRAFTED)
def test_auto_lyrics_without_lyrics_is_refused(operation: Operation, fields: Mapping[str, object]) -> None:
    """With ``auto_lyrics`` the ``prompt`` is the description of the song."""
    sent = operation(**fields, lyrics="a song about rain", auto_lyrics=True).to_wire()
    assert (sent["prompt"], sent["auto_lyrics"], sent["custom_mode"]) == ("a song about rain", True, True)
    assert operation(**fields, auto_lyrics=False).lyrics is None

    with pytest.raises(errors.InvalidRequestError, match="auto_lyrics needs lyrics") as caught:
        operation(**fields, auto_lyrics=True)
    with pytest.raises(errors.InvalidRequestError, match="auto_lyrics goes with lyrics"):
        operation(**fields, auto_lyrics=True, description="a song about rain")

    assert (caught.value.field, caught.value.value, caught.value.limit) == ("lyrics", None, "required")


def test_instrumental_v2_without_a_length_is_refused() -> None:
    """A duration, segments, or both."""
    segment = nuro.Segment("intro", 30)
    for enough in ({"duration": 30}, {"segments": [segment]}, {"duration": 30, "segments": [segment]}):
        assert OPERATIONS["nuro.instrumental_v2"](description="rain", **enough)

    with pytest.raises(errors.InvalidRequestError, match="duration, segments, or both") as caught:
        nuro.InstrumentalV2(description="rain")

    assert (caught.value.field, caught.value.value) == ("duration", None)


PLACES = [
    (studio.Extend, {"clip": "c-1", "tags": "pop"}, "song_section"),
    (studio.Extend, {"clip": "c-1", "tags": "pop"}, "lyrics_placement"),
    (studio.Create, {"lyrics": "la", "tags": "pop"}, "lyrics_placement"),
]


@pytest.mark.parametrize(("operation", "fields", "place"), PLACES)
def test_placement_that_ends_before_its_start_is_refused(
    operation: Operation, fields: Mapping[str, object], place: str
) -> None:
    start, end = f"{place}_start", f"{place}_end"
    for good in ({start: 0.5}, {end: 0}, {start: 0, end: 0.01}):
        assert operation(**fields, **good)

    for late in (0.5, 0.6):
        with pytest.raises(errors.InvalidRequestError) as caught:
            operation(**fields, **{start: late, end: 0.5})

        assert str(caught.value) == f"{end} is 0.5; it must be after {start}, which is {late}"
        assert (caught.value.field, caught.value.value, caught.value.limit) == (end, 0.5, f"> {late}")


@pytest.mark.parametrize("name", ["webhook_secrett", "secret", "webhook_sceret", "api_key", "token"])
def test_unknown_field_value_is_not_kept_in_the_error(name: str) -> None:
    """It may be a secret: an error is logged, sent to a tracker, pickled to another process."""
    with pytest.raises(errors.InvalidRequestError, match=f"has no field {name}") as caught:
        OPERATIONS["sonic.describe"](description="rain", **{name: "s3cret"})

    assert caught.value.field == name
    assert "s3cret" not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
    assert b"s3cret" not in pickle.dumps(caught.value)


LEGACY = [
    operation
    for operation in operations()
    if operation.family in {"riffusion", "nuro", "studio", "suno"} and operation.replacement
]


@pytest.mark.parametrize("operation", LEGACY, ids=lambda operation: operation.operation_name)
def test_deprecated_operation_names_its_replacement(operation: type[Request[Any]]) -> None:
    summary = (operation.__doc__ or "").splitlines()[0]

    named = re.findall(r"``(\w+\.\w+)", summary)
    assert named
    for name in named:
        assert name in OPERATIONS
        assert OPERATIONS[name].family in {"sonic", "producer", "lyrics"}
