"""Conversion of requests to JSON objects and back, by cattrs. No I/O.

The ``FieldSpec`` of a field determines its JSON. Structuring is strict: a request class checks its fields when it is
constructed.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import attrs
from cattrs import Converter
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from musicapi_async.errors import InvalidRequestError
from musicapi_async.wire.values import unchanged

__all__ = [
    "FieldSpec",
    "dig",
    "field_names",
    "field_spec",
    "fields_of",
    "missing_field",
    "structure_request",
    "unstructure_given",
    "unstructuring",
    "wire_names",
]

T = TypeVar("T")

SPEC: Final = "spec"
TASK_TYPE: Final = "task_type"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class FieldSpec:
    """The JSON name of a field, and its conversion to JSON."""

    name: str | None = None
    """Its name in the JSON object, with dots for nested objects; None for the name of the field."""
    serialize: Callable[[Any], Any] = identity
    """The function from the field's value to JSON."""
    sent_default: object = None
    """The value that is sent where the field is None: a default that may change with a release."""
    upload_class: type | None = None
    """The class of a value that is known to be an upload, where the service has another task type for uploads."""

    def metadata(self) -> dict[str, object]:
        """Return the ``metadata`` of the attrs field."""
        return {SPEC: self}


def fields_of(request_class: type) -> "tuple[attrs.Attribute[Any], ...]":
    """Return the fields of a request class."""
    found: tuple[attrs.Attribute[Any], ...] = attrs.fields(request_class)
    return found


def field_spec(field: "attrs.Attribute[Any]") -> FieldSpec:
    """Return the FieldSpec of a field."""
    found = field.metadata[SPEC]
    assert isinstance(found, FieldSpec)  # noqa: S101 - for the type checker: every field of a request is declared so
    return found


def _wire_names(request_class: type) -> Mapping[str, str]:
    return {field.name: field_spec(field).name or field.name for field in fields_of(request_class)}


def _field_names(request_class: type) -> Mapping[str, str]:
    return {key: name for name, key in wire_names(request_class).items()}


wire_names: Final[Callable[[type], Mapping[str, str]]] = functools.cache(_wire_names)
"""Map each field of a request class to its name in the JSON object."""
field_names: Final[Callable[[type], Mapping[str, str]]] = functools.cache(_field_names)
"""Map each name in the JSON object of a request class to its field."""


def unstructure_given(request: object) -> dict[str, object]:
    """Return the fields that are set as they are sent, names with their dots, and the ``task_type`` of an upload."""
    cls: Any = type(request)
    return _given_fn(cls)(request)


def structure_request(body: Mapping[str, object], cls: type[T]) -> T:
    """Return the request of a JSON object; unknown keys are ignored.

    Raises InvalidRequestError when the object does not make a valid request.
    """
    request: T = _converter.structure(body, cls)
    return request


def missing_field(request_class: Any, name: str) -> InvalidRequestError:
    """Make the error of a required field that was not given."""
    return InvalidRequestError(f"{request_class.operation_name} needs {name}", name, None, "required")


def dig(body: Mapping[str, object], name: str) -> object:
    """Return the value under a name with dots for nested objects; None when it is missing."""
    if "." not in name:  # as nearly all of them
        return body.get(name)
    found: object = body
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _put(body: dict[str, Any], name: str, value: object) -> None:
    """Set a value under a name with dots for nested objects."""
    *parts, last = name.split(".")
    for part in parts:
        body = body.setdefault(part, {})
    body[last] = value


def _is_request(cls: Any) -> bool:
    return attrs.has(cls) and hasattr(cls, "constants")


@functools.cache
def _given_fn(cls: Any) -> Callable[[Any], dict[str, object]]:
    names = wire_names(cls)
    overrides: dict[str, Any] = {
        field.name: override(
            rename=names[field.name],
            unstruct_hook=field_spec(field).serialize,
            omit_if_default=field.default is None,
        )
        for field in fields_of(cls)
    }
    generated = make_dict_unstructure_fn(cls, _converter, **overrides)
    uploads = _upload_classes(cls)

    def hook(request: Any) -> dict[str, object]:
        given = generated(request)
        for name, upload_class in uploads.items():
            if isinstance(getattr(request, name), upload_class):
                given[TASK_TYPE] = cls.upload_task_type
        return given

    return hook if uploads else generated


def _unstructure_fn(cls: Any) -> Callable[[Any], dict[str, object]]:
    given, after = _given_fn(cls), getattr(cls, "after_unstructure", None)
    names = wire_names(cls)
    defaults = {names[field.name]: field_spec(field).sent_default for field in fields_of(cls)}
    always = {**cls.constants, **{name: value for name, value in defaults.items() if value is not None}}
    nested = [name for name in dict.fromkeys((*always, *names.values())) if "." in name]

    def hook(request: Any) -> dict[str, object]:
        body = always | given(request)
        for name in nested:
            if name in body:
                _put(body, name, body.pop(name))
        if after is not None:
            after(request, body)
        return body

    return hook


def _structure_fn(cls: Any) -> Callable[[Any, Any], Any]:
    names = wire_names(cls)
    overrides: dict[str, Any] = {name: override(rename=key, struct_hook=unchanged) for name, key in names.items()}
    generated = make_dict_structure_fn(cls, _converter, **overrides)
    required = {names[field.name]: field.name for field in fields_of(cls) if field.default is attrs.NOTHING}
    # Clients send empty texts for unset fields.
    unset = {names[field.name]: (None, "") if field.default is None else (None,) for field in fields_of(cls)}
    uploads = {names[name]: upload_class for name, upload_class in _upload_classes(cls).items()}

    def hook(body: Mapping[str, object], _: Any) -> Any:
        body = cls.before_structure(body)
        given = {key: value for key, nothing in unset.items() if (value := dig(body, key)) not in nothing}
        if absent := required.keys() - given.keys():
            raise missing_field(cls, min(required[key] for key in absent))
        if uploads and body.get(TASK_TYPE) == cls.upload_task_type:
            for key, upload_class in uploads.items():
                given[key] = upload_class(given[key]) if isinstance(given[key], str) else given[key]
        return generated(given, cls)

    return hook


def _upload_classes(cls: Any) -> dict[str, type]:
    """Map the fields in which a class distinguishes uploads from other clips to the class of an upload."""
    found = {field.name: field_spec(field).upload_class for field in fields_of(cls) if cls.upload_task_type}
    return {name: upload_class for name, upload_class in found.items() if upload_class is not None}


_converter: Final = Converter(detailed_validation=False)
_converter.register_unstructure_hook_factory(_is_request, _unstructure_fn)
_converter.register_structure_hook_factory(_is_request, _structure_fn)
unstructuring: Final[Callable[[type], Callable[[Any], dict[str, object]]]] = functools.cache(
    _converter.get_unstructure_hook
)
"""Return the function from a request of this class to the JSON object that is sent.

The object has the constants and the fields under the service's names, without None values.
"""
