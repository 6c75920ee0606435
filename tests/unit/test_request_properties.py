"""Whatever is put into a request: it is a request that can be sent as it is, or an error that names the field."""

import copy
import inspect
import json
import math
import pickle
import pydoc
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import Clip, MusicAPI, Request, account, lyrics, operations, riffusion, sonic
from musicapi_async._transport.wire import read_json, write_json
from musicapi_async.errors import InvalidRequestError

Fields = st.SearchStrategy[Any]


def words(longest: int) -> st.SearchStrategy[str]:
    return st.text(min_size=1, max_size=longest).filter(str.strip)


shared: dict[str, Fields] = {
    "title": words(80),
    "tags": words(200),
    "negative_tags": words(200),
    "model": words(20),
    "instrumental": st.booleans(),
    "vocal_gender": st.sampled_from(["f", "m"]),
    "style_weight": st.floats(0, 1) | st.integers(0, 1),
    "weirdness": st.floats(0, 1),
    "duration": st.integers(10, 360),
    "use_suno_cdn": st.booleans(),
    "webhook_url": words(200).map("https://".__add__),
    "webhook_secret": words(40),
}
ids = words(40) | words(40).map(lambda found: Clip(clip_id=found))


def made(
    kind: Callable[..., Request[Any]], required: Mapping[str, Fields], optional: Mapping[str, Fields] | None = None
) -> st.SearchStrategy[Request[Any]]:
    return st.fixed_dictionaries(dict(required), optional=dict(optional or {})).map(lambda fields: kind(**fields))


flags = st.booleans()
REQUESTS: dict[type[Request[Any]], st.SearchStrategy[Request[Any]]] = {
    account.GetCredits: made(account.GetCredits, {}),
    lyrics.Make: made(lyrics.Make, {"description": words(119)}),
    riffusion.Create: made(
        riffusion.Create,
        {},
        {"lyrics": words(3000), "sound": words(200), "title": words(80), "model": words(20), "instrumental": flags},
    ),
    riffusion.Describe: made(riffusion.Describe, {"description": words(200)}, {"model": words(20)}),
    sonic.Create: made(sonic.Create, {"lyrics": words(3000)}, {**shared, "auto_lyrics": flags}),
    sonic.Describe: made(sonic.Describe, {"description": words(400)}, shared),
    sonic.Extend: made(
        sonic.Extend,
        {"clip": ids, "at": st.floats(0, 1e6) | st.integers(0, 10**6)},
        {**shared, "lyrics": words(3000), "auto_lyrics": flags},
    ),
}
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


def test_every_operation_is_tried_here() -> None:
    assert set(REQUESTS) == set(operations())


@given(request=requests)
def test_a_request_survives_the_wire(request: Request[Any]) -> None:
    sent = write_json(request.to_wire())

    assert type(request).from_wire(json.loads(sent)) == request
    assert read_json(sent) == json.loads(sent) == request.to_wire()
    assert None not in request.to_wire().values()


@given(request=requests)
def test_a_request_is_a_value(request: Request[Any]) -> None:
    travelled = pickle.loads(pickle.dumps(request))  # noqa: S301 - our own bytes

    assert travelled == request == copy.deepcopy(request)
    assert len({travelled, request, copy.copy(request)}) == 1


@given(kind=st.sampled_from(list(REQUESTS)), data=st.data())
def test_any_fields_make_a_request_that_can_be_sent_or_a_named_error(
    kind: type[Request[Any]], data: st.DataObject
) -> None:
    known = list(inspect.signature(kind).parameters)
    required = {name: anything for name, one in inspect.signature(kind).parameters.items() if one.default is one.empty}
    # All of them present more often than not: with one missing, nothing else is looked at.
    fields = data.draw(st.fixed_dictionaries(required) | st.dictionaries(st.sampled_from([*known, "zzz"]), anything))

    try:
        request = kind(**fields)
    except InvalidRequestError as error:
        assert error.field in {*known, "zzz"}
        assert error.status is None
    else:
        assert json.loads(write_json(request.to_wire())) == request.to_wire()


@pytest.mark.parametrize("at", [math.inf, 10**30])
def test_a_number_that_cannot_be_sent_is_refused(at: float) -> None:
    with pytest.raises(InvalidRequestError, match="at is"):
        sonic.Extend(clip="c-1", at=at)


@pytest.mark.parametrize("kind", [sonic.Create, riffusion.Create])
def test_a_text_that_cannot_be_sent_is_refused(kind: Callable[..., object]) -> None:
    """A lone surrogate: half a character, as a file read with ``errors="surrogateescape"`` gives them."""
    with pytest.raises(InvalidRequestError, match="lyrics"):
        kind(lyrics="la \ud83d la")


def test_a_copy_with_a_change_is_checked_too() -> None:
    request = sonic.Create(lyrics="la", title="Harbor")

    assert attrs.evolve(request, title="Quay") == sonic.Create(lyrics="la", title="Quay")  # type: ignore[misc]
    with pytest.raises(InvalidRequestError, match="title has 81 characters"):
        attrs.evolve(request, title="x" * 81)  # type: ignore[misc]  # attrs made it, which mypy cannot know


def test_a_secret_is_in_no_error_and_no_repr() -> None:
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
        ("sonic.extend", "clip: musicapi_async.results.clip.Clip | str, at: float"),
        ("riffusion.create", "lyrics: str | None = None, sound: str | None = None"),
        ("riffusion.describe", "description: str, model: str = 'FUZZ-1.1 Pro'"),
        ("lyrics.make", "description: str"),
    ],
)
def test_a_method_shows_its_fields(method: str, shown: str) -> None:
    family, _, name = method.partition(".")
    found = getattr(getattr(MusicAPI("k"), family), name)

    signature = inspect.signature(found)
    assert str(signature).startswith(f"(*, {shown}")
    assert {one.kind for one in signature.parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert inspect.iscoroutinefunction(found)
    page = pydoc.plain(pydoc.render_doc(found))
    # Newer Pythons give a long signature a line for each parameter.
    assert shown in " ".join(page.split())
    assert found.__doc__ in inspect.cleandoc(page) or found.__doc__.splitlines()[0] in page


def test_fields_are_named_and_not_counted() -> None:
    with pytest.raises(TypeError, match="positional"):
        sonic.Create("la")  # type: ignore[call-arg]  # that is the point
