"""The fields of requests: their wire names, their limits, and the errors that name both."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from musicapi_async.errors import InvalidRequestError
from musicapi_async.results import Clip

__all__ = [
    "ClipOrId",
    "Limit",
    "clip_field",
    "clip_id",
    "flag",
    "number_field",
    "text_field",
    "wire_names",
]

ClipOrId: TypeAlias = Clip | str
"""A clip, or its id; a request keeps the id."""

Limit: TypeAlias = int | Callable[[Any], int]
"""Characters at most, or a function from the request to them (limits that depend on the model)."""

WIRE: Final = "wire"
LARGEST: Final = 2**53
"""No number is sent that a JSON reader may not hold exactly."""


def text_field(
    *,
    default: Any = attrs.NOTHING,
    wire: str | None = None,
    limit: Limit | None = None,
    choices: tuple[str, ...] = (),
    begins: str = "",
    secret: bool = False,
) -> Any:
    """Declare a text: not blank, at most ``limit`` characters, one of ``choices`` if any, beginning with ``begins``.

    A ``secret`` is not shown by repr(), nor is its value in an error.
    """

    def check(request: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is None and attribute.default is None:
            return
        name = attribute.name
        if not isinstance(value, str):
            shown = type(value).__name__ if secret else repr(value)
            raise InvalidRequestError(f"{name} is {shown}; it must be text", name, None if secret else value, "text")
        if not value.isascii() and not _can_be_sent(value):
            message = f"{name} holds half a character (a lone surrogate)"
            raise InvalidRequestError(message, name, None if secret else value, "valid Unicode")
        if not value.strip():
            raise InvalidRequestError(f"{name} is empty; the service needs some text", name, value, "not blank")
        if choices and value not in choices:
            known = " or ".join(map(repr, choices))
            raise InvalidRequestError(f"{name} is {value!r}; the service takes {known}", name, value, choices)
        if not value.startswith(begins):
            raise InvalidRequestError(f"{name} is {value!r}; it must begin with {begins}", name, value, begins)
        most = limit(request) if callable(limit) else limit
        if most is not None and len(value) > most:
            message = f"{name} has {len(value)} characters; the service takes at most {most}"
            raise InvalidRequestError(message, name, value, most)

    return attrs.field(default=default, validator=check, repr=not secret, metadata={WIRE: wire})


def number_field(
    *,
    default: Any = attrs.NOTHING,
    wire: str | None = None,
    least: float | None = None,
    most: float | None = None,
    whole: bool = False,
) -> Any:
    """Declare a number from ``least`` to ``most``, both included."""
    wanted = "a whole number" if whole else "a number"
    limits = _range_text(least, most)

    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is None and attribute.default is None:
            return
        name = attribute.name
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise InvalidRequestError(f"{name} is {value!r}; it must be {wanted}{limits}", name, value, (least, most))
        # Written so that NaN, which compares false with everything, is refused.
        if not (-LARGEST < value < LARGEST and (least is None or value >= least) and (most is None or value <= most)):
            raise InvalidRequestError(
                f"{name} is {value!r}; the service takes {wanted}{limits}", name, value, (least, most)
            )

    return attrs.field(default=default, validator=check, metadata={WIRE: wire})


def flag(*, default: bool | None, wire: str | None = None) -> Any:
    """Declare a real boolean: the service refuses strings."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if not isinstance(value, bool) and not (value is None and default is None):
            name = attribute.name
            raise InvalidRequestError(f"{name} is {value!r}; it must be True or False", name, value, "True or False")

    return attrs.field(default=default, validator=check, metadata={WIRE: wire})


def clip_id(value: ClipOrId) -> str:
    """Take a clip or its id; return the id."""
    found: object = value.clip_id if isinstance(value, Clip) else value
    if not isinstance(found, str) or not found.strip():
        raise InvalidRequestError(
            f"clip is {value!r}; it must be a Clip or a clip's id", "clip", value, "a Clip or an id"
        )
    return found.strip()


def clip_field(*, wire: str) -> Any:
    """Declare a source clip; the request keeps its id."""
    return attrs.field(converter=clip_id, metadata={WIRE: wire})


def wire_names(request_class: type) -> Mapping[str, str]:
    """Map each field of a request class to its wire name."""
    return {field.name: field.metadata.get(WIRE) or field.name for field in attrs.fields(request_class)}


def _can_be_sent(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _range_text(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    if least is not None:
        return f" of at least {least:g}"
    return f" of at most {most:g}" if most is not None else ""
