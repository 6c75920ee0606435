"""Conversion of JSON objects to result classes and back, by cattrs. No I/O.

The types of a class say how lenient it is:

- ``str``, ``float`` and ``int`` are required: an object without them cannot be structured.
- ``str | None``, ``float | None``, ``int | None``, ``bool | None`` and ``datetime | None`` accept any JSON value; one
  that does not fit the type becomes None.
- ``tuple[T, ...]`` of an attrs class is structured item by item; items that cannot be structured are left out.

The JSON keys of a field are declared in its annotation: ``lyrics: Annotated[str | None, wire("lyrics", "lyric")]``.
Unknown keys are ignored.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

import attrs
from cattrs import Converter, transform_error
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_structure_fn_from_attrs,
    make_dict_unstructure_fn,
    override,
)

from musicapi_async.wire.values import moment, number, text, whole

__all__ = ["default_structure_hook", "register_structure_hook_of", "structure", "unstructure", "wire"]

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

STRUCTURE_ERRORS: Final = (ValueError, KeyError, TypeError, AttributeError)
"""The exceptions that structuring raises for unfit data."""


@attrs.frozen(repr=False, eq=False)
class Names:
    """The JSON keys of a field, in order of preference, and the function that reads its value; None: by its type."""

    keys: tuple[str, ...] = ()
    read: Hook | None = None


def wire(*keys: str, read: Hook | None = None) -> Names:
    """Declare a field's JSON keys; of several, the first one whose value is not null, empty or zero is used."""
    return Names(keys, read)


def structure(body: object, cls: type[T], path: str = "$") -> T:
    """Structure a JSON object; ``path``, its path in the response, is used in the error message.

    Raises ValueError, with the path (``$.data.credits``), when something essential is missing.
    """
    try:
        found: T = _quick.structure(body, cls)
    except STRUCTURE_ERRORS as error:
        # Only now the detailed converter, which finds the path: used always, it makes valid responses 20 % slower.
        raise ValueError(_error_message(body, cls, path)) from error
    return found


def unstructure(value: object) -> Any:
    """Return an attrs object as plain JSON values: times as ISO 8601, the service's own object (``raw``) left out."""
    return _quick.unstructure(value)


def register_structure_hook_of(cls: type[T], hook: Callable[[Any, Any], T]) -> None:
    """Register a function that structures a class whose JSON differs from its fields."""
    for converter in (_quick, _detailed):
        converter.register_structure_hook(cls, hook)


def default_structure_hook(cls: type[T]) -> Callable[[Any, Any], T]:
    """Return the hook that cattrs generates from a class's fields, so that a custom hook can prepare its input."""
    return _structure_fn(cls, _quick)


def _error_message(body: object, cls: type[Any], path: str) -> str:
    try:
        _detailed.structure(body, cls)
    except Exception as error:  # noqa: BLE001 - any error is described
        return "; ".join(transform_error(error, path, _describe_error)).replace(" @ ", " at ")
    return f"{path} cannot be read as {cls.__name__}"


def _describe_error(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error) if isinstance(error, ValueError) else "an object is missing"


def _required(read: Callable[[Any], Any], wanted: str) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        found = read(value)
        if found is None or found == "":
            raise ValueError(f"{wanted} is missing")
        return found

    return hook


def _names_of(cls: type) -> dict[str, Names]:
    hints = get_type_hints(cls, include_extras=True)
    return {
        field.name: found
        for field in attrs.fields(cls)
        for found in getattr(hints.get(field.name), "__metadata__", ())
        if isinstance(found, Names)
    }


def _override_of(name: str, names: Names) -> Any:
    return override(rename=names.keys[0] if names.keys else name, struct_hook=names.read)


def _structure_fn(cls: type[T], converter: Converter) -> Callable[[Any, Any], T]:
    names_by_field = _names_of(cls)
    generated: Callable[[Any, Any], T] = make_dict_structure_fn(
        cls, converter, **{name: _override_of(name, names) for name, names in names_by_field.items()}
    )
    aliases = [(names.keys[0], names.keys[1:]) for names in names_by_field.values() if len(names.keys) > 1]

    def hook(data: Mapping[str, Any], _: Any) -> T:
        for first, others in aliases:
            if not data.get(first):
                for other in others:
                    if value := data.get(other):
                        data = {**data, first: value}
                        break
        return generated(data, cls)

    return hook if aliases else generated


def _unstructure_fn(cls: type, converter: Converter) -> Callable[[Any], dict[str, Any]]:
    raw: dict[str, Any] = {
        field.name: override(omit=True) for field in attrs.fields(cls) if field.name.lstrip("_") == "raw"
    }
    return make_dict_unstructure_fn(cls, converter, **raw)


def _is_tuple_of_attrs(cls: Any) -> bool:
    return get_origin(cls) is tuple and get_args(cls)[1:] == (Ellipsis,) and attrs.has(get_args(cls)[0])


def _tuple_fn(cls: Any, converter: Converter) -> Callable[[Any, Any], tuple[Any, ...]]:
    item = get_args(cls)[0]
    structure_item = converter.get_structure_hook(item)
    structure_complete = _complete_fn(item, structure_item, converter)

    def hook(values: Any, _: Any) -> tuple[Any, ...]:
        if type(values) is not list:
            return ()
        try:
            return tuple([structure_complete(value, item) for value in values])
        # The detailed converter raises ExceptionGroup.
        except (*STRUCTURE_ERRORS, ExceptionGroup):
            return tuple(found for value in values if (found := one(value)) is not None)

    def one(value: Any) -> Any:
        try:
            return structure_item(value, item) if isinstance(value, dict) else None
        except (*STRUCTURE_ERRORS, ExceptionGroup):
            return None

    return hook


def _complete_fn(cls: Any, structure_fn: Any, converter: Converter) -> Hook:
    """Return a hook for objects that have every field, which takes 25 % less time: a song has hundreds of words."""
    if not hasattr(structure_fn, "overrides"):  # not generated from the fields
        return cast("Hook", structure_fn)
    fields = [field.evolve(default=attrs.NOTHING) for field in attrs.fields(cls)]
    return make_dict_structure_fn_from_attrs(fields, cls, converter, **structure_fn.overrides)


HOOKS: Final[Mapping[Any, Hook]] = {
    str | None: text,
    float | None: number,
    int | None: whole,
    datetime | None: moment,
    bool | None: lambda value, _: value if isinstance(value, bool) else None,
    str: _required(text, "text"),
    float: _required(number, "a number"),
    int: _required(whole, "a whole number"),
}


def _make(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed, use_alias=True)
    for cls, hook in HOOKS.items():
        converter.register_structure_hook(cls, hook)
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook_factory(attrs.has, _structure_fn)
    converter.register_unstructure_hook_factory(attrs.has, _unstructure_fn)
    converter.register_structure_hook_factory(_is_tuple_of_attrs, _tuple_fn)
    return converter


_quick: Final = _make(detailed=False)
_detailed: Final = _make(detailed=True)
