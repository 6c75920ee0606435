"""Requests with any values: each can be sent as it is, or raises an error that names the field."""

import copy
import inspect
import json
import math
import pickle
import pydoc
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import musicapi_sync
from musicapi_async import (
    Clip,
    MusicAPI,
    Request,
    TaskRequest,
    UploadedClip,
    nuro,
    operations,
    producer,
    riffusion,
    sonic,
)
from musicapi_async._operation import operation_at
from musicapi_async.bulk.keys import digest_of
from musicapi_async.bulk.sqlite.schema import fields_in
from musicapi_async.errors import InvalidRequestError
from musicapi_async.wire.json import read_json, write_json

Fields = st.SearchStrategy[Any]


def words(longest: int) -> st.SearchStrategy[str]:
    # A NUL is refused.
    return st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=longest).filter(
        str.strip
    )


def texts(choices: Sequence[str], most: int) -> Fields:
    return st.lists(st.sampled_from(choices), min_size=1, max_size=most, unique=True)


# A lone surrogate cannot be in an id.
ids = words(40).map(str.strip).filter(bool)
own_clips = ids | ids.map(lambda found: Clip(clip_id=found))
uploaded = ids.map(UploadedClip)
weights = st.floats(0, 1) | st.integers(0, 1)
early, late = st.floats(0, 10) | st.integers(0, 10), st.floats(10.5, 30) | st.integers(11, 30)
web = words(200).map("https://".__add__)

# What each field takes, by its name; what differs in an operation stands under the operation's name.
CLIP = "clip: musicapi_async.results.clip.Clip | musicapi_async.results.uploads.UploadedClip | str"
FIELDS: dict[str, Fields] = {
    **dict.fromkeys(["title", "name", "sound"], words(80)),
    **dict.fromkeys(["tags", "negative_tags", "negative_prompt", "instruction", "styles"], words(200)),
    **dict.fromkeys(["lyrics", "section_lyrics"], words(1000)),
    **dict.fromkeys(["model", "webhook_secret", "persona_id", "vox_audio_id", "batch_id"], words(40)),
    **dict.fromkeys(["url", "share_link", "webhook_url"], web),
    **dict.fromkeys(["instrumental", "auto_lyrics", "use_suno_cdn", "auto_concat"], st.booleans()),
    **dict.fromkeys(["style_weight", "weirdness", "audio_weight", "vocal_variation", "strength"], weights),
    **dict.fromkeys(["prompt_strength", "clarity_strength", "lyrics_strength", "generation_quality"], weights),
    **dict.fromkeys(["lyrics_placement_start", "song_section_start"], st.floats(0, 0.4)),
    **dict.fromkeys(["lyrics_placement_end", "song_section_end"], st.floats(0.5, 1) | st.integers(1, 1)),
    "at": st.floats(0, 1e6) | st.integers(0, 10**6),
    "bpm": st.floats(1, 300) | st.integers(1, 300),
    "bypass_prompt_optimization": st.booleans(),
    "clip": own_clips | uploaded,
    "clips": st.tuples(own_clips | uploaded, own_clips | uploaded),
    "description": words(119),
    "direction": st.sampled_from(["continuation", "precede"]),
    "duration": st.integers(30, 60),
    "end": late,
    "format": st.sampled_from(producer.FORMATS),
    "formats": texts(sonic.FORMATS, 3),
    "gender": st.sampled_from(["Female", "Male"]),
    "genre": st.sampled_from(nuro.VOCAL_GENRES),
    "genres": texts(nuro.GENRES, 5),
    "instruments": texts(nuro.INSTRUMENTS, 5),
    "items": st.lists(
        st.builds(sonic.Create, lyrics=words(80)) | st.builds(sonic.Extend, clip=uploaded, at=early),
        min_size=1,
        max_size=10,
    ),
    "length": st.floats(1, 240),
    "mood": st.sampled_from(nuro.VOCAL_MOODS),
    "moods": texts(nuro.MOODS, 5),
    "seed": st.integers(-1, 10**6),
    "segments": st.lists(
        st.builds(nuro.Segment, st.sampled_from(nuro.SEGMENTS), st.integers(30, 40)), max_size=3
    ).filter(bool),
    "start": early,
    "themes": texts(nuro.THEMES, 5),
    "timbre": st.sampled_from(nuro.VOCAL_TIMBRES),
    "variation": st.sampled_from(["subtle", "normal", "high"]),
    "vocal_gender": st.sampled_from(["f", "m"]),
    "sonic.add_vocals.clip": ids | uploaded,
    "sonic.add_instrumental.clip": ids | uploaded,
}


# Of these pairs the service takes one.
EXCLUSIVE = {"studio.extend": ("lyrics", "instrumental")}
# Of these it needs one.
EITHER = {"sonic.sample": ("clip", "url"), "nuro.instrumental_v2": ("segments", "duration")}
GUIDED = ("lyrics", "description")
NEEDED = {"producer.create": {"sound"}}


def made(operation: type[Request[Any]]) -> st.SearchStrategy[Request[Any]]:
    """Make any valid request of an operation."""
    name = operation.operation_name
    if name in EITHER:
        one, other = EITHER[name]
        return made_without(operation, one, {other}) | made_without(operation, other, {one})
    pair = EXCLUSIVE.get(name) or (GUIDED if set(GUIDED) <= set(inspect.signature(operation).parameters) else ())
    return st.one_of([made_without(operation, one, NEEDED.get(name, set())) for one in pair or [""]])


def made_without(operation: type[Request[Any]], left_out: str, needed: set[str]) -> st.SearchStrategy[Request[Any]]:
    name, signature = operation.operation_name, inspect.signature(operation).parameters
    required = {field for field, one in signature.items() if one.default is one.empty} | needed
    # A sample needs its clip or its address; of what else is given besides, lyrics are enough.
    fields = set(signature) - {left_out} - ({"description"} - required if name == "sonic.sample" else set())
    strategies = {field: FIELDS.get(f"{name}.{field}", FIELDS[field]) for field in sorted(fields)}
    return st.fixed_dictionaries(
        {field: one for field, one in strategies.items() if field in required},
        optional={field: one for field, one in strategies.items() if field not in required},
    ).map(lambda fields: operation(**drafted_from_something(fields)))


def drafted_from_something(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "auto_lyrics" or "lyrics" in fields}


REQUESTS = {operation: made(operation) for operation in operations()}
requests = st.one_of(list(REQUESTS.values()))

# What people put into fields by mistake, besides what belongs there; lone surrogates come from wrongly read files.
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs"]), min_size=1),
    st.binary(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.integers()),
    st.builds(Clip),
    st.sampled_from([math.inf, math.nan, 10**30, -0.0, "f", "https://example.org", "sonic-v6", 10, 60, 0.5]),
)


@given(request=requests)
def test_request_of_any_fields_survives_the_wire(request: Request[Any]) -> None:
    sent = write_json(request.to_wire())

    assert type(request).from_wire(json.loads(sent)) == request
    assert read_json(sent) == json.loads(sent) == request.to_wire()
    assert None not in request.to_wire().values()


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.operation_name)
@given(data=st.data())
@settings(max_examples=20)
def test_request_of_every_operation_survives_the_wire(operation: type[Request[Any]], data: st.DataObject) -> None:
    request = data.draw(REQUESTS[operation])
    sent = json.loads(write_json(request.to_wire()))

    assert operation.from_wire(sent) == request
    assert operation_at(operation.method, operation.path, sent) is operation
    assert request.replace() == request


@given(request=st.one_of([made for one, made in REQUESTS.items() if issubclass(one, TaskRequest)]))
def test_request_key_computed_from_its_wire_form_is_the_same(request: TaskRequest[Any]) -> None:
    """As a journal of an older format holds it: what is sent, and nothing of what was given."""
    operation, sent = request.operation_name, json.loads(write_json(request.to_wire()))

    assert digest_of(operation, fields_in(operation, sent)) == digest_of(operation, request.given())


@given(request=requests)
def test_request_that_is_copied_or_pickled_is_equal(request: Request[Any]) -> None:
    travelled = pickle.loads(pickle.dumps(request))  # noqa: S301 - our own bytes

    assert travelled == request == copy.deepcopy(request)
    assert len({travelled, request, copy.copy(request)}) == 1


@given(operation=st.sampled_from(list(REQUESTS)), data=st.data())
def test_request_of_any_values_is_valid_or_names_the_field(operation: type[Request[Any]], data: st.DataObject) -> None:
    known = list(inspect.signature(operation).parameters)
    required = {
        name: anything for name, one in inspect.signature(operation).parameters.items() if one.default is one.empty
    }
    # All of them present more often than not: with one missing, nothing else is checked.
    fields = data.draw(st.fixed_dictionaries(required) | st.dictionaries(st.sampled_from([*known, "zzz"]), anything))

    try:
        request = operation(**fields)
    except InvalidRequestError as error:
        assert error.field in {*known, "zzz"}
        assert error.status is None
    else:
        assert json.loads(write_json(request.to_wire())) == request.to_wire()


@pytest.mark.parametrize("at", [math.inf, 10**30])
def test_request_with_a_number_that_is_not_json_is_refused(at: float) -> None:
    with pytest.raises(InvalidRequestError, match="at is"):
        sonic.Extend(clip="c-1", at=at)


@pytest.mark.parametrize("operation", [sonic.Create, riffusion.Create])
def test_request_with_a_lone_surrogate_is_refused(operation: Callable[..., object]) -> None:
    """A lone surrogate: half a character, as a file read with ``errors="surrogateescape"`` gives them."""
    with pytest.raises(InvalidRequestError, match="lyrics"):
        operation(lyrics="la \ud83d la")


def test_request_that_is_evolved_is_validated() -> None:
    request = sonic.Create(lyrics="la", title="Harbor")

    assert attrs.evolve(request, title="Quay") == sonic.Create(lyrics="la", title="Quay")  # type: ignore[misc]
    with pytest.raises(InvalidRequestError, match="title has 81 characters"):
        attrs.evolve(request, title="x" * 81)  # type: ignore[misc]  # attrs made it, which mypy cannot know


def test_webhook_secret_is_in_no_error_or_repr() -> None:
    request = sonic.Describe(description="rain", webhook_secret="hush-hush")
    with pytest.raises(InvalidRequestError) as caught:
        sonic.Describe(description="rain", webhook_secret=b"hush-hush")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidRequestError, match="did you mean webhook_secret") as misspelt:
        sonic.Describe(description="rain", webhook_secre="hush-hush")  # type: ignore[call-arg]  # that is the point

    assert "hush-hush" not in repr(request)
    assert "hush-hush" not in repr(caught.value)
    assert "hush-hush" not in str(misspelt.value)


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("sonic.create", "lyrics: str, title: str | None = None"),
        ("sonic.describe", "description: str, title: str | None = None"),
        (
            "sonic.extend",
            "clip: musicapi_async.results.clip.Clip | musicapi_async.results.uploads.UploadedClip | str, at: float",
        ),
        ("riffusion.create", "lyrics: str | None = None, sound: str | None = None"),
        ("riffusion.describe", "description: str, model: str | None = None"),
        ("lyrics.make", "description: str"),
    ],
)
def test_operation_method_shows_its_fields(method: str, shown: str) -> None:
    family, _, name = method.partition(".")
    found = getattr(getattr(MusicAPI("k"), family), name)

    signature = inspect.signature(found)
    assert str(signature).startswith(f"(*, {shown}")
    assert {one.kind for one in signature.parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert inspect.isfunction(found.__func__)
    page = pydoc.plain(pydoc.render_doc(found))
    # Newer Pythons give a long signature a line for each parameter.
    assert shown in " ".join(page.split())
    assert found.__doc__ in inspect.cleandoc(page) or found.__doc__.splitlines()[0] in page


def test_request_with_positional_fields_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="sonic.create takes its fields by name, such as lyrics="):
        sonic.Create("la")  # type: ignore[call-arg]  # that is the point


async def test_method_with_positional_fields_is_refused_and_nothing_is_sent() -> None:
    async with MusicAPI("key") as client:
        with pytest.raises(InvalidRequestError, match="sonic.create takes its fields by name, such as lyrics="):
            client.sonic.create("la")  # type: ignore[call-arg]  # that is the point
        with pytest.raises(InvalidRequestError, match="sonic.bpm takes its fields by name, such as clip="):
            await client.sonic.bpm("clip")  # type: ignore[call-arg]  # that is the point
    with musicapi_sync.MusicAPI("key") as blocking:
        with pytest.raises(InvalidRequestError, match="sonic.create takes its fields by name, such as lyrics="):
            blocking.sonic.create("la")  # type: ignore[call-arg]  # that is the point
        with pytest.raises(InvalidRequestError, match="sonic.bpm takes its fields by name, such as clip="):
            blocking.sonic.bpm("clip")  # type: ignore[call-arg]  # that is the point


@pytest.mark.parametrize("name", ["model", "instrumental", "style_weight", "duration"])
def test_field_with_nan_of_an_empty_cell_is_refused_with_the_way_to_leave_it_out(name: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=rf"^{name} is nan \(an empty cell in pandas; None leaves a field out"
    ):
        sonic.Describe(description="rain", **{name: math.nan})  # type: ignore[arg-type]  # that is the point
