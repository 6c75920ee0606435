"""Events are verified over their exact bytes; anything else is refused, with a reason that holds no secret."""

import gzip
import io
import json
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from wsgiref.util import setup_testing_defaults

import pytest
from django.http import HttpHeaders
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from rich.console import Console
from rich.traceback import Traceback
from signing import SECRET, body_of, headers_of, sign
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import EnvironHeaders
from werkzeug.datastructures import Headers as WerkzeugHeaders

import musicapi_sync
from musicapi_async import Clip, Secret, webhooks
from musicapi_async.errors import InvalidRequestError, WebhookVerificationError

BODY: Final = body_of()
SIGNED: Final = ("X-Webhook-Timestamp", "X-Webhook-Signature")


def refusal_of(body: Any, headers: Any, secret: Any = SECRET, **options: Any) -> WebhookVerificationError:
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(body, headers, secret, **options)
    return caught.value


def test_verify_of_a_signed_event_returns_its_fields() -> None:
    event = webhooks.verify(BODY, headers_of(BODY), SECRET)

    assert (event.id, event.type, event.task_id, event.platform) == ("e-1", "song.completed", "t-1", "suno")
    assert (event.message, event.matched) == ("success", None)
    assert abs(datetime.now(UTC) - event.created_at) < timedelta(seconds=30)
    assert event.raw == json.loads(BODY)
    assert [type(clip) for clip in event.clips] == [Clip, Clip]
    assert [(clip.clip_id, clip.state) for clip in event.clips] == [("c-1", "succeeded"), ("c-2", "succeeded")]
    assert event.clips is event.clips


def test_verify_is_the_same_function_in_both_packages() -> None:
    assert musicapi_sync.webhooks.verify is webhooks.verify


def test_verify_takes_a_secret_that_is_hidden() -> None:
    assert webhooks.verify(BODY, headers_of(BODY), Secret(SECRET)).id == "e-1"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_verify_takes_any_bytes(kind: Callable[[bytes], Any]) -> None:
    assert webhooks.verify(kind(BODY), headers_of(BODY), SECRET).task_id == "t-1"


def environ_of(headers: Mapping[str, str]) -> dict[str, Any]:
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    return environ | {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


SHAPES: Final[Mapping[str, Callable[[Mapping[str, str]], Any]]] = {
    "dict": dict,
    "lower case": lambda headers: {name.lower(): value for name, value in headers.items()},
    "upper case": lambda headers: {name.upper(): value for name, value in headers.items()},
    "aiohttp": lambda headers: CIMultiDictProxy(CIMultiDict(headers)),
    "starlette": lambda headers: StarletteHeaders(dict(headers)),
    "werkzeug": WerkzeugHeaders,
    "werkzeug environ": lambda headers: EnvironHeaders(environ_of(headers)),
    "django": lambda headers: HttpHeaders(environ_of(headers)),
    "wsgi environ": environ_of,
    "pairs": lambda headers: list(headers.items()),
    "generator": lambda headers: (pair for pair in headers.items()),
    "asgi": lambda headers: [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    "lists of values": lambda headers: {name: [value] for name, value in headers.items()},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_verify_takes_the_headers_of_any_framework(shape: str) -> None:
    assert webhooks.verify(BODY, SHAPES[shape](headers_of(BODY)), SECRET).id == "e-1"


@pytest.mark.parametrize("name", [*SIGNED, "X-Webhook-Id", "X-Webhook-Event", "Idempotency-Key"])
@pytest.mark.parametrize(
    "double",
    [
        lambda pairs, name: [*pairs, (name, dict(pairs)[name])],
        lambda pairs, name: [*pairs, (name.upper(), "other")],
        lambda pairs, name: CIMultiDict([*pairs, (name.lower(), dict(pairs)[name])]),
        lambda pairs, name: StarletteHeaders(raw=[(k.lower().encode(), v.encode()) for k, v in [*pairs, (name, "x")]]),
        lambda pairs, name: WerkzeugHeaders([*pairs, (name, "other")]),
        lambda pairs, name: {**dict(pairs), name: [dict(pairs)[name]] * 2},
        lambda pairs, name: {**environ_of(dict(pairs)), name: "other"},
    ],
    ids=["pairs", "another case", "multidict", "starlette", "werkzeug", "list", "environ"],
)
def test_verify_of_a_doubled_header_is_refused(name: str, double: Callable[[Any, str], Any]) -> None:
    error = refusal_of(BODY, double(list(headers_of(BODY).items()), name))

    assert (error.reason, error.header) == ("doubled", name)


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("value", [None, "", "  ", [], "{0},{0}", "{0}, {0}"])
def test_verify_without_one_usable_signature_and_timestamp_is_refused(name: str, value: Any) -> None:
    headers: dict[str, Any] = dict(headers_of(BODY))
    own = headers.pop(name)
    if value is not None:
        headers[name] = value.format(own) if isinstance(value, str) else value

    error = refusal_of(BODY, headers)

    is_doubled = isinstance(value, str) and "0" in value  # as Django joins the values of a doubled header
    assert (error.reason, error.header) == ("malformed" if is_doubled else "missing", name)


@pytest.mark.parametrize(
    "signature",
    [
        "sha256",
        "sha256=",
        "sha256=zz",
        "sha256={0}00",
        "sha256= {0}",
        "sha1={0}",
        "{0}",
        "sha256=sha256={0}",
        "sha256=é{0}",
        "sha256={0}é",
        "sha256=" + "\N{ARABIC-INDIC DIGIT ZERO}" * 64,
        "sha256={0}\n",
        "sha256=" + "ab " * 21 + "a",
        "sha256=" + "ab" * 31 + "  ",
        "sha256=" + "ab" * 15 + "  " + "ab" * 16,
    ],
)
def test_verify_of_a_malformed_signature_is_refused(signature: str) -> None:
    headers = headers_of(BODY)
    own = headers["X-Webhook-Signature"].removeprefix("sha256=")

    error = refusal_of(BODY, {**headers, "X-Webhook-Signature": signature.format(own)})

    assert (error.reason, error.header) == ("malformed", "X-Webhook-Signature")


@pytest.mark.parametrize(
    "timestamp",
    [
        "soon",
        "-1",
        "+1",
        "1.5",
        "1e9",
        "1_000",
        "\N{ARABIC-INDIC DIGIT ONE}" * 10,
        "0x10",
        "9" * 12,
        "9" * 5000,
        "1 2",
        "nan",
    ],
)
def test_verify_of_a_malformed_timestamp_is_refused(timestamp: str) -> None:
    headers = {**headers_of(BODY), "X-Webhook-Timestamp": timestamp}
    headers["X-Webhook-Signature"] = f"sha256={sign(BODY, timestamp=timestamp)}"

    error = refusal_of(BODY, headers)

    assert (error.reason, error.header) == ("malformed", "X-Webhook-Timestamp")


@pytest.mark.parametrize("value", ["é", "x" * 201, "a\x07b", 7])
@pytest.mark.parametrize("name", ["X-Webhook-Id", "X-Webhook-Event"])
def test_verify_of_a_malformed_id_or_type_is_refused(name: str, value: Any) -> None:
    error = refusal_of(BODY, {**headers_of(BODY), name: value})

    assert (error.reason, error.header) == ("malformed", name)


@pytest.mark.parametrize("prefix", ["sha256=", "SHA256=", "Sha256="])
def test_verify_takes_the_prefix_and_the_digits_in_any_case(prefix: str) -> None:
    headers = headers_of(BODY)
    signature = prefix + headers["X-Webhook-Signature"].removeprefix("sha256=").upper()

    assert webhooks.verify(BODY, {**headers, "X-Webhook-Signature": signature}, SECRET).id == "e-1"


@pytest.mark.parametrize("age", [301.5, 3600, -302, -1e6])
def test_verify_of_an_event_out_of_its_time_is_refused_with_its_age(age: float) -> None:
    error = refusal_of(BODY, headers_of(BODY, age=age))

    assert error.reason == "expired"
    assert error.age is not None
    assert abs(error.age - age) < 30
    assert ("in the future" in str(error)) == (age < 0)


@pytest.mark.parametrize(("age", "tolerance"), [(298, 300.0), (-298, 300.0), (3000, 3600), (-3000, 3600), (0, 5)])
def test_verify_of_an_event_within_the_tolerance_returns_it(age: float, tolerance: float) -> None:
    assert webhooks.verify(BODY, headers_of(BODY, age=age), SECRET, tolerance).id == "e-1"


def test_verify_of_a_forged_old_event_names_the_signature() -> None:
    assert refusal_of(BODY, headers_of(BODY, "other", age=9999)).reason == "signature"


@pytest.mark.parametrize("secret", ["", " ", "\t\n", "hüsch", "hush\ud800", None, b"hush", 7])
def test_verify_with_an_unusable_secret_is_refused(secret: Any) -> None:
    error = refusal_of(BODY, headers_of(BODY), secret)

    assert (error.reason, error.header) == ("secret", None)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b'"t-1"', b"{", b"not json", b"[" * 100_000])
def test_verify_of_a_signed_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal_of(body, headers_of(body)).reason == "body"


def test_verify_of_a_body_that_was_unpacked_or_not_says_so() -> None:
    packed = gzip.compress(BODY)
    encoded = {"Content-Encoding": "gzip"}

    still_packed = refusal_of(packed, {**headers_of(BODY), **encoded})
    was_unpacked = refusal_of(BODY, {**headers_of(packed), **encoded})

    assert (still_packed.reason, was_unpacked.reason) == ("encoded", "encoded")
    assert "unpack it first" in str(still_packed)
    assert "was unpacked" in str(was_unpacked)
    assert webhooks.verify(BODY, {**headers_of(BODY), **encoded}, SECRET).id == "e-1"
    assert refusal_of(packed, headers_of(BODY)).reason == "signature"


@pytest.mark.parametrize(
    ("argument", "field"),
    [
        ({"body": BODY.decode()}, "body"),
        ({"body": json.loads(BODY)}, "body"),
        ({"body": None}, "body"),
        ({"headers": None}, "headers"),
        ({"headers": 7}, "headers"),
        ({"headers": ["X-Webhook-Id"]}, "headers"),
        ({"tolerance": 0}, "tolerance"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"tolerance": float("inf")}, "tolerance"),
        ({"tolerance": True}, "tolerance"),
    ],
)
def test_verify_with_an_argument_of_the_wrong_type_names_it(argument: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        webhooks.verify(**{"body": BODY, "headers": headers_of(BODY), "secret": SECRET, **argument})

    assert caught.value.field == field


def shown(error: BaseException) -> str:
    """Return an error as the standard library and rich show it, with the local variables of the package."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    stream = io.StringIO()
    found = Traceback.extract(type(error), error, trace, show_locals=True, locals_max_string=1000)
    Console(file=stream, width=2000).print(Traceback(found, show_locals=True, width=2000))
    stream.write("".join(traceback.TracebackException(type(error), error, trace, capture_locals=True).format()))
    return stream.getvalue() + repr(error) + str(error) + repr(vars(error))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {},
        lambda headers: headers,
        lambda headers: {**headers, "X-Webhook-Signature": "md5=1"},
        lambda headers: {**headers, "X-Webhook-Timestamp": "7"},
        lambda headers: {**headers, "X-Webhook-Id": "\x00"},
        lambda headers: {**headers, "Content-Encoding": "gzip", "X-Webhook-Timestamp": "1"},
        lambda headers: [*headers.items(), *headers.items()],
        lambda _: 7,
    ],
)
def test_verify_that_fails_shows_neither_the_secret_nor_the_expected_signature(
    spoil: Callable[[Mapping[str, str]], Any],
) -> None:
    headers = {**headers_of(BODY), "X-Webhook-Signature": "sha256=" + "0" * 64}
    spoilt = spoil(headers)
    stamp = spoilt.get("X-Webhook-Timestamp", "") if isinstance(spoilt, dict) else headers["X-Webhook-Timestamp"]
    with pytest.raises((WebhookVerificationError, InvalidRequestError)) as caught:
        webhooks.verify(BODY, spoilt, SECRET)

    text = shown(caught.value)
    assert len(text) > 100
    assert SECRET[:10] not in text
    assert sign(BODY, timestamp=stamp)[:12] not in text


@pytest.mark.parametrize("secret", [b"hush-hush-hush", ["hush-hush-hush"], "hush-hüsh-hush"])
def test_verify_with_an_unusable_secret_shows_no_part_of_it(secret: Any) -> None:
    assert "hush" not in shown(refusal_of(BODY, headers_of(BODY), secret))


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@given(body=st.dictionaries(st.text(), st.text() | st.integers() | st.none()), secret=printable)
def test_verify_of_anything_signed_returns_it_whatever_it_holds(body: dict[str, Any], secret: str) -> None:
    content = json.dumps(body).encode()

    event = webhooks.verify(content, headers_of(content, secret), secret)

    assert event.raw == json.loads(content)
    json.dumps(event.to_dict())


@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_verify_of_a_body_with_one_bit_changed_is_refused(at: int, bit: int) -> None:
    changed = bytearray(BODY)
    changed[at] ^= 1 << bit

    assert refusal_of(bytes(changed), headers_of(BODY)).reason == "signature"


@given(
    headers=st.dictionaries(
        st.sampled_from([*SIGNED, "X-Webhook-Id", "x-webhook-signature", "Other", "HTTP_X_WEBHOOK_TIMESTAMP"]),
        st.text() | st.binary() | st.none() | st.integers() | st.lists(st.text()),
    )
    | st.lists(st.tuples(st.text() | st.sampled_from(SIGNED), st.text())),
    body=st.binary(),
)
def test_verify_of_arbitrary_input_raises_only_its_own_error(headers: Any, body: bytes) -> None:
    assert refusal_of(body, headers).reason in {"missing", "doubled", "malformed", "signature"}


@given(given=printable, other=printable)
def test_verify_with_another_secret_is_refused(given: str, other: str) -> None:
    headers = headers_of(BODY, given)
    if given == other:
        assert webhooks.verify(BODY, headers, other).id == "e-1"
    else:
        assert refusal_of(BODY, headers, other).reason == "signature"
