"""The fields of requests: their wire names, their limits, and the errors that state both.

The docstring of a request class describes its fields, under ``Args``: that is where editors and help() find it.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from musicapi_async._arguments import wrong_argument
from musicapi_async._bounds import shown
from musicapi_async._webhook_urls import is_loopback, is_web_url
from musicapi_async.errors import InvalidRequestError
from musicapi_async.wire.requests import FieldSpec

__all__ = [
    "Limit",
    "can_be_sent",
    "check_order",
    "flag",
    "is_iterable",
    "number_field",
    "parts_field",
    "seed_field",
    "tags_field",
    "text_field",
    "texts_field",
    "webhook_url_field",
]

Limit: TypeAlias = int | Callable[[Any], int]
"""Maximum number of characters, or a function of the request (for limits that depend on the model)."""

PAIR: Final = 2
MAX_NUMBER: Final = 2**53
"""Larger numbers are refused: a JSON reader may not represent them exactly."""


def text_field(
    *,
    default: Any = attrs.NOTHING,
    wire: str | None = None,
    sent_default: str | None = None,
    max_length: Limit | None = None,
    choices: tuple[str, ...] = (),
    begins: tuple[str, ...] = (),
    loopback: bool = False,
    secret: bool = False,
    converter: Callable[[Any], Any] | None = None,
) -> Any:
    """Declare a text: not blank, at most ``max_length`` characters, one of ``choices``.

    It begins with one of ``begins`` if given; with ``loopback`` it may also be any URL of this machine. A ``secret`` is
    shown neither by repr() nor in an error. ``sent_default`` is sent where the field is None, which means that the user
    has made no choice.
    """

    def check(request: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is None and attribute.default is None:
            return
        name = attribute.name
        # Most texts are plain, and need no further call.
        if isinstance(value, str) and value.isascii() and "\0" not in value and value.strip():
            text = value
        else:
            text = _checked_text(name, value, secret=secret)
        if choices and text not in choices:
            known = _listed(choices)
            raise InvalidRequestError(f"{name} is {text!r}; the service takes {known}", name, text, choices)
        if begins and not text.startswith(begins) and not (loopback and is_web_url(text) and is_loopback(text)):
            message = f"{name} is {text!r}; it must begin with {' or '.join(begins)}"
            raise InvalidRequestError(message, name, text, begins)
        maximum = max_length(request) if callable(max_length) else max_length
        if maximum is not None and len(text) > maximum:
            message = f"{name} has {len(text)} characters; the service takes at most {maximum}"
            raise InvalidRequestError(message, name, None if secret else text, maximum)

    spec = FieldSpec(name=wire, sent_default=sent_default)
    return attrs.field(default=default, converter=converter, validator=check, repr=not secret, metadata=spec.metadata())


def tags_field(*, default: Any = attrs.NOTHING, wire: str | None = None, max_length: Limit | None = None) -> Any:
    """Declare a comma-separated text; a list of texts is joined to one."""
    return text_field(default=default, wire=wire, max_length=max_length, converter=_joined)


def webhook_url_field(*, default: None) -> Any:
    """Declare the URL of a webhook, to which the service reports the end of a task."""
    return text_field(default=default, max_length=1024, begins=("https://",), loopback=True)


def texts_field(
    *,
    wire: str,
    choices: tuple[str, ...],
    default: tuple[str, ...] | None,
    max_items: int | None = None,
) -> Any:
    """Declare one to ``max_items`` of ``choices``, each once; None only where it is the default."""
    maximum = len(choices) if max_items is None else max_items

    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is None and default is None:
            return
        name = attribute.name
        if not isinstance(value, tuple) or not 1 <= len(value) <= maximum or len(set(map(repr, value))) < len(value):
            message = f"{name} is {value!r}; the service takes 1 to {maximum} different ones"
            raise InvalidRequestError(message, name, value, (1, maximum))
        for text in value:
            if text not in choices:
                message = f"{name} contains {text!r}; the service takes {_listed(choices)}"
                raise InvalidRequestError(message, name, text, choices)

    spec = FieldSpec(name=wire, serialize=list)
    return attrs.field(default=default, converter=_as_tuple, validator=check, metadata=spec.metadata())


def number_field(
    *,
    default: Any = attrs.NOTHING,
    wire: str | None = None,
    ge: float | None = None,
    le: float | None = None,
    whole: bool = False,
) -> Any:
    """Declare a number from ``ge`` to ``le``, both included."""
    wanted = "a whole number" if whole else "a number"
    limits = _range_text(ge, le)

    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is None and attribute.default is None:
            return
        name = attribute.name
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise InvalidRequestError(f"{name} is {shown(value)}; it must be {wanted}{limits}", name, value, (ge, le))
        # Written so that NaN, which compares false with everything, is refused.
        if not (-MAX_NUMBER < value < MAX_NUMBER and (ge is None or value >= ge) and (le is None or value <= le)):
            raise InvalidRequestError(
                f"{name} is {shown(value)}; the service takes {wanted}{limits}", name, value, (ge, le)
            )

    converter = _plain_int if whole else _plain_float
    return attrs.field(default=default, converter=converter, validator=check, metadata=FieldSpec(name=wire).metadata())


def seed_field(*, default: None) -> Any:
    """Declare a seed: a whole number, or a text in the service's notation."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        is_number = isinstance(value, int) and not isinstance(value, bool) and -MAX_NUMBER < value < MAX_NUMBER
        if value is not None and not is_number:
            _checked_text(attribute.name, value, wanted="a whole number or text")

    return attrs.field(default=default, validator=check, metadata=FieldSpec().metadata())


def flag(*, default: bool | None, wire: str | None = None) -> Any:
    """Declare a boolean; the service refuses strings."""

    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if not isinstance(value, bool) and not (value is None and default is None):
            name = attribute.name
            message = f"{name} is {shown(value)}; it must be True or False"
            raise InvalidRequestError(message, name, value, "True or False")

    return attrs.field(default=default, validator=check, metadata=FieldSpec(name=wire).metadata())


def parts_field(
    *,
    wire: str,
    read: Callable[[Any], Any],
    write: Callable[[Any], Any],
    max_items: int,
    default: Any = attrs.NOTHING,
) -> Any:
    """Declare 1 to ``max_items`` values of a class; ``read`` constructs or checks one, ``write`` makes it JSON."""

    def convert(value: Any) -> Any:
        if not is_iterable(value):
            return value
        return tuple(_read_part(read, part, f"{wire}[{place}]") for place, part in enumerate(value))

    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is None and default is None:
            return
        if not isinstance(value, tuple) or not 1 <= len(value) <= max_items:
            found = f"contains {len(value)}" if isinstance(value, tuple) else f"is {value!r}"
            message = f"{attribute.name} {found}; the service takes 1 to {max_items}"
            raise InvalidRequestError(message, attribute.name, value, (1, max_items))

    spec = FieldSpec(name=wire, serialize=lambda parts: [write(part) for part in parts])
    return attrs.field(default=default, converter=convert, validator=check, metadata=spec.metadata())


def _read_part(read: Callable[[Any], Any], part: object, place: str) -> Any:
    try:
        return read(part)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{place}: {error.message}", error.field, error.value, error.limit) from None


def check_order(start: float | None, end: float | None) -> None:
    """Raise InvalidRequestError unless ``end`` is after ``start``."""
    if start is not None and end is not None and end <= start:
        message = f"end is {end!r}; it must be after start, which is {start!r}"
        raise InvalidRequestError(message, "end", end, f"> {start}")


def _checked_text(name: str, value: object, *, secret: bool = False, wanted: str = "text") -> str:
    shown = None if secret else value
    if not isinstance(value, str):
        if secret:  # not even a number is shown
            raise InvalidRequestError(f"{name} is {type(value).__name__}; it must be {wanted}", name, None, wanted)
        raise wrong_argument(name, value, wanted)
    if not value.isascii() and not can_be_sent(value):
        raise InvalidRequestError(f"{name} contains a lone surrogate", name, shown, "valid Unicode")
    if "\0" in value:
        raise InvalidRequestError(f"{name} contains a NUL character", name, shown, "text without NUL (U+0000)")
    if not value.strip():
        raise InvalidRequestError(f"{name} is empty; the service needs some text", name, value, "not blank")
    return value


def can_be_sent(value: str) -> bool:
    """Return whether a text is valid Unicode: a lone surrogate cannot be encoded."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_float(value: Any) -> Any:
    # Other libraries' numbers may be subclasses of float that not every JSON writer accepts.
    return float(value) if isinstance(value, float) else value


def _plain_int(value: Any) -> Any:
    # A column with empty cells has whole numbers as floats; those of other libraries are not always ints.
    if type(value) is int or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return operator.index(value) if hasattr(value, "__index__") else value


def _joined(value: Any) -> Any:
    """Return a list of texts as one text; anything else as it is."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) for text in value):
        return value
    return ", ".join(value)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if is_iterable(value) else value


def is_iterable(value: object) -> bool:
    """Return whether a value is an iterable other than a text or a mapping."""
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes, Mapping))


def _listed(choices: tuple[str, ...]) -> str:
    return " or ".join(map(repr, choices)) if len(choices) <= PAIR else ", ".join(map(repr, choices))


def _range_text(ge: float | None, le: float | None) -> str:
    if ge is not None and le is not None:
        return f" from {ge:g} to {le:g}"
    if ge is not None:
        return f" of at least {ge:g}"
    return f" of at most {le:g}" if le is not None else ""
