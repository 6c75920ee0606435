"""Secrets: values that no repr, log, traceback or slicing reveals. No I/O."""

import hmac
import re
from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

__all__ = [
    "SECRETS",
    "BodyBytes",
    "HeaderText",
    "Secret",
    "SecretBytes",
    "hidden",
    "revealed",
    "with_secrets",
    "without_password",
]

T = TypeVar("T", bound=str | bytes)

SECRETS: Final = frozenset({"api_key", "proxy", "webhook_secret"})
"""The names of settings and of fields of requests that are secret, and are never written to files."""
# Up to the last @: a password is often pasted as it is, with signs that would have to be escaped.
_DATABASE_LOGIN: Final = re.compile(r"""\b(postgres(?:ql)?(?:\+\w+)?:/{1,2}[^\s":@/]*):[^\s"]*@""", re.IGNORECASE)
_LOGIN: Final = re.compile(r"""\b([a-z][\w+.-]*://[^\s":@/]*):[^\s"/@]*@""", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"""([?&])(?:ssl)?password=[^\s"&#]*(&?)""", re.IGNORECASE)

HEADERS: Final = "headers"
"""The setting whose values are secret: a header may be the token of a gateway."""


class _Hidden(Generic[T]):
    """A hidden value: it is not a text, so that no slicing, formatting or joining reveals it."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value: T = value

    def reveal(self) -> T:
        """Return the value itself, for the place that sends it."""
        return self._value

    def __repr__(self) -> str:
        """Show dots."""
        return f"{type(self).__name__}('...')"

    def __eq__(self, other: object) -> bool:
        """Compare in a time that does not depend on the values."""
        if not isinstance(other, _Hidden) or type(self) is not type(other):
            return NotImplemented
        return hmac.compare_digest(_bytes_of(self._value), _bytes_of(other._value))

    def __hash__(self) -> int:
        """Hash the value."""
        return hash((type(self), self._value))

    def __bool__(self) -> bool:
        """Return True unless it is empty."""
        return bool(self._value)


class Secret(_Hidden[str]):
    """A key or a password: ``reveal()`` returns its text, and everything else shows dots.

    It is not a ``str``: neither printing, formatting, slicing or logging it nor a traceback with local variables can
    show the text. Two secrets are equal when their texts are; a secret is never equal to a ``str``.
    """

    __slots__ = ()

    def __init__(self, value: "str | Secret") -> None:
        super().__init__(value.reveal() if isinstance(value, Secret) else value)


class SecretBytes(_Hidden[bytes]):
    """A secret as bytes, as it is sent."""

    __slots__ = ()


class HeaderText(str):
    """A header value that contains a secret; a str, since the HTTP library accepts nothing else.

    It is stored in a ``CIMultiDict`` only, which tracebacks show by its repr instead of its items.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Show dots."""
        return "'...'"


class BodyBytes(bytes):
    """The body of a request, which contains the webhook secret; bytes, since the HTTP library sends nothing else.

    It is shown by its length. A slice is shown as it is, but the secret comes last in a body.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Show the length."""
        return f"<{len(self)} bytes>"


def _bytes_of(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def hidden(value: str | Secret | None) -> Secret | None:
    """Return a text as a secret; any other value unchanged."""
    return Secret(value) if isinstance(value, str) else value


def with_secrets(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings or fields of a request with the secret ones hidden, where they are texts."""
    if SECRETS.isdisjoint(given) and HEADERS not in given:  # as nearly every request
        return dict(given)
    found = {name: hidden(value) if name in SECRETS else value for name, value in given.items()}
    if isinstance(headers := found.get(HEADERS), Mapping):
        found[HEADERS] = {name: hidden(value) for name, value in headers.items()}
    return found


def revealed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings or fields of a request with the hidden ones as texts, for the constructor that stores them."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in given.items()}


def without_password(text: str) -> str:
    """Return an address, or a text with addresses in it, without the passwords in these."""
    text = _LOGIN.sub(r"\1@", _DATABASE_LOGIN.sub(r"\1@", text))
    return _PASSWORD.sub(lambda found: found[1] if found[2] else "", text)
