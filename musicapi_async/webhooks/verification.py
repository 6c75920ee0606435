"""Verification of an event: its headers, its signature over the exact bytes, its age. No I/O but the clock."""

import hashlib
import hmac
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from musicapi_async._arguments import wrong_argument
from musicapi_async._bounds import shown
from musicapi_async._secrets import Secret
from musicapi_async.errors import InvalidRequestError, WebhookVerificationError
from musicapi_async.webhooks.events import Event, SignedEvent, structure_event
from musicapi_async.wire.json import read_json

__all__ = ["Headers", "signed_event", "verify"]

Headers: TypeAlias = Mapping[str, object] | Mapping[bytes, object] | Iterable[tuple[str | bytes, str | bytes]]
"""The headers of a request: a framework's mapping, also one with several values for a name or with lists of values, a
WSGI environment or Django's ``request.META``; or pairs of names and values, such as those of an ASGI scope."""

ID: Final = "x-webhook-id"
IDEMPOTENCY_KEY: Final = "idempotency-key"
TYPE: Final = "x-webhook-event"
TIMESTAMP: Final = "x-webhook-timestamp"
SIGNATURE: Final = "x-webhook-signature"
ENCODING: Final = "content-encoding"
NAMES: Final[Mapping[str, str]] = {
    ID: "X-Webhook-Id",
    IDEMPOTENCY_KEY: "Idempotency-Key",
    TYPE: "X-Webhook-Event",
    TIMESTAMP: "X-Webhook-Timestamp",
    SIGNATURE: "X-Webhook-Signature",
    ENCODING: "Content-Encoding",
}
"""The headers that are read, as the service writes them."""
SPELLINGS: Final[Mapping[str, str]] = {
    spelling: name for name in NAMES for spelling in (name, f"http_{name.replace('-', '_')}")
}
"""The headers that are read by their name in lower case, also that in a WSGI environment: ``HTTP_X_WEBHOOK_ID``."""
SCHEME: Final = "sha256="
DIGEST_SIZE: Final = hashlib.sha256().digest_size
MAX_DIGITS: Final = 11
"""Digits of a timestamp."""
MAX_LABEL: Final = 200
"""Characters of an event's id and of its type."""
GZIP: Final = b"\x1f\x8b"


def verify(body: bytes, headers: Headers, secret: str | Secret, tolerance: float = 300.0) -> Event:
    """Return the event of a webhook request, after its signature was verified.

    - ``body``: the request's body, byte for byte as it arrived: read it before the framework parses it.
    - ``headers``: the request's headers (any mapping, names in any case, or pairs).
    - ``secret``: the ``webhook_secret`` that was sent with the submission: text in ASCII.
    - ``tolerance``: the number of seconds that the event's timestamp may lie in the past or in the future.

    Within that time an event can be sent again, by the service or by anyone who has seen it: ignore an id that you have
    seen. ``id`` is not signed; everything else is taken from the signed body and timestamp.

    Raises WebhookVerificationError, whose ``reason`` names the failed check; InvalidRequestError when an argument is of
    the wrong type, such as a body that was already parsed.
    """
    secret = _hidden(secret)  # before anything can fail: a traceback may show local variables
    return structure_event(signed_event(body, headers, secret, tolerance))


def signed_event(body: bytes, headers: Headers, secret: Secret, tolerance: float = 300.0) -> SignedEvent:
    """Return the event of a webhook request, not yet structured, after its signature was verified.

    Raises as ``verify`` does.
    """
    content = _content_of(body)
    _check_tolerance(tolerance)
    if not _is_usable(secret):
        raise WebhookVerificationError("secret", "the webhook secret must be text in ASCII that is not blank")
    found = _headers_of(headers)
    timestamp = _required(found, TIMESTAMP)
    if len(timestamp) > MAX_DIGITS or not timestamp.isdigit():
        raise _malformed(TIMESTAMP, "must be the seconds since 1970 as a whole number")
    signature = _signature_of(found)
    event_id, header_type = _label(found, ID) or _label(found, IDEMPOTENCY_KEY), _label(found, TYPE)
    if not _is_signed(content, timestamp, signature, secret):
        raise _wrong_signature(content, found)
    _check_age(float(timestamp), tolerance)
    event_id = event_id or hashlib.sha256(content).hexdigest()
    return SignedEvent.of(_object_of(content), content, event_id, header_type, int(timestamp))


def _hidden(secret: object) -> Secret:
    """Return a text as a secret, an empty one for anything else."""
    return Secret(secret) if isinstance(secret, (str, Secret)) else Secret("")


# The functions that reveal the secret raise nothing: a traceback must not show their local variables.
def _is_usable(secret: Secret) -> bool:
    text = secret.reveal()
    return text.isascii() and bool(text.strip())


def _is_signed(content: bytes, timestamp: str, signature: bytes, secret: Secret) -> bool:
    expected = hmac.digest(secret.reveal().encode(), b"%b.%b" % (timestamp.encode(), content), "sha256")
    return hmac.compare_digest(expected, signature)


def _content_of(body: object) -> bytes:
    if not isinstance(body, (bytes, bytearray, memoryview)):
        advice = "pass the request's body before it is parsed, such as await request.read() or request.get_data()"
        raise wrong_argument("body", body, "the bytes of the request's body", advice)
    return bytes(body)


def _check_tolerance(tolerance: object) -> None:
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 < tolerance < math.inf:
        message = f"tolerance is {shown(tolerance)}; it must be a number of seconds above 0"
        raise InvalidRequestError(message, "tolerance", tolerance, "> 0")


def _headers_of(headers: object) -> dict[str, str]:
    """Return the headers that are read, by their name in lower case; raises for one that comes twice."""
    found: dict[str, str] = {}
    for given, value in _pairs_of(headers):
        text = given if isinstance(given, str) else str(given, "latin-1") if isinstance(given, bytes) else ""
        name = SPELLINGS.get(text.lower())
        if name is None:
            continue
        if type(value) is str and name not in found and value.isascii():
            found[name] = value.strip(" \t")
            continue
        for one in value if isinstance(value, (list, tuple)) else (value,):
            _add(found, name, one)
    return found


def _add(found: dict[str, str], name: str, value: object) -> None:
    if name in found:
        raise WebhookVerificationError("doubled", f"{NAMES[name]} is there more than once", NAMES[name])
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not isinstance(text, str) or not text.isascii():
        raise _malformed(name, "must be text in ASCII")
    found[name] = text.strip(" \t")


def _pairs_of(headers: object) -> list[tuple[object, object]]:
    items = getattr(headers, "items", None)
    try:
        # The items of a mapping with several values for a name are all of its pairs.
        pairs: Any = items() if callable(items) else headers
        return [(given, value) for given, value in pairs]
    except (TypeError, ValueError):
        raise wrong_argument("headers", headers, "a mapping of headers, or pairs of names and values") from None


def _signature_of(found: Mapping[str, str]) -> bytes:
    given = _required(found, SIGNATURE)
    if len(given) == len(SCHEME) + 2 * DIGEST_SIZE and given[: len(SCHEME)].lower() == SCHEME:
        try:
            signature = bytes.fromhex(given[len(SCHEME) :])
        except ValueError:
            signature = b""
        if len(signature) == DIGEST_SIZE:  # not with blanks between the digits
            return signature
    raise _malformed(SIGNATURE, "must be sha256= and 64 hexadecimal digits")


def _required(found: Mapping[str, str], name: str) -> str:
    if not found.get(name):
        raise WebhookVerificationError("missing", f"{NAMES[name]} is missing or empty", NAMES[name])
    return found[name]


def _label(found: Mapping[str, str], name: str) -> str:
    """Return an unsigned header; empty without one."""
    value = found.get(name, "")
    if len(value) > MAX_LABEL or not value.isprintable():
        raise _malformed(name, f"must be at most {MAX_LABEL} printable characters")
    return value


def _malformed(name: str, limit: str) -> WebhookVerificationError:
    return WebhookVerificationError("malformed", f"{NAMES[name]} {limit}", NAMES[name])


def _wrong_signature(content: bytes, found: Mapping[str, str]) -> WebhookVerificationError:
    encoding = found.get(ENCODING, "").lower()
    if encoding in {"", "identity"}:
        message = "the signature is wrong: another secret, a forged event, or a body that was changed in transit"
        return WebhookVerificationError("signature", message)
    state = "is still packed: unpack it first" if content.startswith(GZIP) else "was unpacked: pass it as it arrived"
    message = f"the signature does not match a body sent with Content-Encoding, and it seems that it {state}"
    return WebhookVerificationError("encoded", message)


def _check_age(timestamp: float, tolerance: float) -> None:
    age = time.time() - timestamp
    if abs(age) > tolerance:
        side = "old" if age > 0 else "in the future: check this machine's clock"
        message = f"the event is {abs(age):.0f} s {side}; at most {tolerance:g} s are accepted"
        raise WebhookVerificationError("expired", message, age=age)


def _object_of(content: bytes) -> dict[str, object]:
    try:
        body = read_json(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise WebhookVerificationError("body", "the signed body is not a JSON object")
    return body
