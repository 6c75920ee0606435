"""Automatic keys: one request has one key, however it is written down, and whatever a release changes."""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from bulk.old_journals import LINES, LYRICS, objects, write_csv
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import TaskRequest, UploadedClip, nuro, operations, producer, riffusion, sonic, studio
from musicapi_async.bulk import Planned, read_requests
from musicapi_async.bulk.keys import DEFAULTS, Keys, Occurrences, canonical, digest_of
from musicapi_async.bulk.planning import planned_requests
from musicapi_async.bulk.sqlite.schema import fields_in
from musicapi_async.wire.requests import field_spec, fields_of

TASKS = {
    request_class.operation_name: request_class
    for request_class in operations()
    if issubclass(request_class, TaskRequest)
}
SONG: Mapping[str, Any] = {"operation": "sonic.create", "lyrics": LYRICS, "title": "Harbour"}


def key_of(request: TaskRequest[Any]) -> str:
    with closing(Keys()) as keys:
        (record,) = planned_requests([request], keys)
    return record.key


def keys_of(path: Path, *lines: Mapping[str, Any], end: str = "\n") -> list[str]:
    if path.suffix == ".csv":
        write_csv(path, lines, end)
    else:
        path.write_text("".join(f"{json.dumps(line)}{end}" for line in lines), newline="")
    records = list(read_requests(path))
    assert all(isinstance(record, Planned) for record in records), records
    return [record.key for record in records if isinstance(record, Planned)]


def test_key_of_a_request_never_moves() -> None:
    """Written down once: in a journal out there is this very key."""
    assert key_of(sonic.Create(lyrics="la")) == "2-d3ffc0bd4fc8e1b67edf97f9-1"


def test_defaults_of_keys_hold_every_operation_that_starts_a_task() -> None:
    assert set(DEFAULTS) == set(TASKS)


@pytest.mark.parametrize("request_class", TASKS.values(), ids=TASKS)
def test_defaults_that_a_request_does_not_distinguish_are_those_of_keys(
    request_class: type[TaskRequest[Any]],
) -> None:
    """A default that may change must be None in the request, as a model's is (``sent_default``)."""
    frozen = DEFAULTS[request_class.operation_name]
    for field in fields_of(request_class):
        spec = field_spec(field)
        if field.default not in {None, attrs.NOTHING}:
            assert frozen[spec.name or field.name] == spec.serialize(field.default)
        if spec.sent_default is not None:
            assert (spec.name or field.name) in frozen


def test_request_has_one_key_as_json_csv_and_object(tmp_path: Path) -> None:
    with closing(Keys()) as keys:
        as_objects = [record.key for record in planned_requests(objects(LINES), keys)]

    assert keys_of(tmp_path / "r.jsonl", *LINES) == as_objects
    assert keys_of(tmp_path / "r.csv", *LINES) == as_objects
    assert keys_of(tmp_path / "crlf.csv", *LINES, end="\r\n") == as_objects
    assert len(set(as_objects)) == len(LINES)


@pytest.mark.parametrize(
    "more",
    [
        {"title": "Harbour", "tags": None},
        {"model": "sonic-v6"},
        {"model": None},
        {"use_suno_cdn": False},
        {"use_suno_cdn": None},
        {"instrumental": False, "auto_lyrics": False},
        {"key": None},
        {"lyrics": LYRICS.replace("\n", "\r\n")},
        {"lyrics": LYRICS.replace("\n", "\r")},
    ],
)
def test_request_with_the_same_meaning_has_the_same_key(more: Mapping[str, Any], tmp_path: Path) -> None:
    (plain,) = keys_of(tmp_path / "r.jsonl", SONG)

    assert keys_of(tmp_path / "r.jsonl", {**SONG, **more}) == [plain]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sonic.Extend(clip="c", at=30), sonic.Extend(clip="c", at=30.0)),
        (riffusion.Create(lyrics="la"), riffusion.Create(lyrics="la", model="FUZZ-1.1 Pro", instrumental=False)),
        (studio.Describe(description="la"), studio.Describe(description="la", model=studio.DEFAULT_MODEL)),
        (sonic.Describe(description="a\nb"), sonic.Describe(description="a\r\nb")),
        (producer.Create(sound="rain", seed=1000), producer.Create(sound="rain", seed="1000")),
    ],
)
def test_requests_that_mean_the_same_have_the_same_key(one: TaskRequest[Any], other: TaskRequest[Any]) -> None:
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sonic.Extend(clip="c", at=30), sonic.Extend(clip="c", at=30.5)),
        (sonic.Extend(clip="c", at=30), sonic.Extend(clip=UploadedClip("c"), at=30)),
        (sonic.Create(lyrics="la"), sonic.Create(lyrics="la", model="sonic-v5-5")),
        (sonic.Create(lyrics="la"), sonic.Create(lyrics="la", instrumental=True)),
        (sonic.Create(lyrics="la"), sonic.Create(lyrics="la", use_suno_cdn=True)),
        (sonic.Create(lyrics="la"), sonic.Create(lyrics="la", weirdness=0)),
        (producer.Create(sound="rain", seed=7), producer.Create(sound="rain", seed="007")),
        (sonic.Create(lyrics="la lo"), sonic.Create(lyrics="la\nlo")),
        (studio.Extend(clip="c", tags="x"), studio.Extend(clip="c", tags="x", instrumental=True)),
        (studio.Extend(clip="c", tags="x"), studio.Extend(clip="c", tags="x", direction="precede")),
        (
            nuro.InstrumentalV2(description="x", segments=[nuro.Segment("intro", 10), nuro.Segment("verse", 20)]),
            nuro.InstrumentalV2(description="x", segments=[nuro.Segment("verse", 20), nuro.Segment("intro", 10)]),
        ),
    ],
)
def test_requests_that_differ_have_other_keys(one: TaskRequest[Any], other: TaskRequest[Any]) -> None:
    assert key_of(one) != key_of(other)


@pytest.mark.parametrize("request_", objects(LINES), ids=lambda request: request.operation_name)
def test_key_computed_from_what_was_sent_is_that_of_the_request(request_: TaskRequest[Any]) -> None:
    operation = request_.operation_name

    assert digest_of(operation, fields_in(operation, request_.to_wire())) == digest_of(operation, request_.given())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("a\r\n", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
)


@given(value=values)
def test_canonical_form_is_idempotent(value: object) -> None:
    once = canonical(value)

    assert canonical(once) == once
    assert "\\r" not in json.dumps(once)


@given(value=values)
def test_field_that_is_null_is_no_part_of_a_key(value: object) -> None:
    fields = {"prompt": "la", "more": value}

    assert digest_of("sonic.create", {**fields, "title": None}) == digest_of("sonic.create", fields)


@given(st.lists(st.integers(0, 30)), st.integers(1, 5))
def test_occurrences_beyond_memory_are_counted_exactly(numbers: list[int], max_latest: int) -> None:
    expected: Counter[str] = Counter()
    occurrences = Occurrences(max_latest)
    for text in map(str, numbers):
        expected[text] += 1
        assert occurrences.count(text) == expected[text]
    occurrences.close()
