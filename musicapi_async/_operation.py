"""Requests as values: one class is everything there is to know about an operation.

``@operation(POST, "/sonic/create", task_type="create_music")`` makes a frozen, keyword-only, checked value of a class
whose base tells what comes back: ``Request[Credits]`` answers at once, ``TaskRequest[Songs]`` starts a task.
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar, dataclass_transform, get_args, get_origin

import attrs

from musicapi_async._fields import clip_field, flag, number_field, text_field, wire_names
from musicapi_async._transport.wire import read_result
from musicapi_async.errors import InvalidRequestError

__all__ = ["GET", "POST", "Request", "TaskRequest", "operation", "operations", "shared_fields"]

R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., object])
RequestClass = TypeVar("RequestClass", bound="type[Request[Any]]")

Method = Literal["GET", "POST"]
GET: Final = "GET"
POST: Final = "POST"

_known: "list[type[Request[Any]]]" = []


class Request(Generic[R_co]):
    """One call of the service, checked when it is made and not sent yet: ``client.call(request)`` sends it.

    Raises InvalidRequestError, naming the field, the value and the limit, when a field is wrong or unknown.
    """

    __slots__ = ()

    method: ClassVar[Method]
    path: ClassVar[str]
    constants: ClassVar[Mapping[str, object]]
    """What the class sends besides its fields, such as ``task_type``."""
    result: ClassVar[type]
    """The class of what comes back."""

    @classmethod
    def operation_name(cls) -> str:
        """Return the operation's name, such as ``sonic.describe``."""
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)
        return f"{cls.__module__.rpartition('.')[2]}.{words.lstrip('_')}"

    def to_wire(self) -> dict[str, object]:
        """Return the JSON object that is sent: the contract's names, without what is not set."""
        values = ((wire, getattr(self, name)) for name, wire in wire_names(type(self)).items())
        return {**self.constants, **{wire: value for wire, value in values if value is not None}}

    @classmethod
    def from_wire(cls, body: Mapping[str, object]) -> "Request[R_co]":
        """Make the request from the JSON object it is sent as; other keys are ignored.

        Raises InvalidRequestError when the object does not make a valid request.
        """
        names = {wire: name for name, wire in wire_names(cls).items()}
        return cls(**{names[wire]: value for wire, value in body.items() if wire in names and value is not None})

    def __repr__(self) -> str:
        """Show what is set, without secrets."""
        fields: tuple[attrs.Attribute[Any], ...] = vars(type(self))["__attrs_attrs__"]
        shown = [field for field in fields if field.repr and getattr(self, field.name) != field.default]
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in shown)
        return f"{self.operation_name()}({values})"

    @classmethod
    def read(cls, body: object) -> R_co:
        """Structure the reply's JSON into this operation's result; raises ValueError, TypeError or KeyError."""
        found: R_co = read_result(body, cls.result)
        return found

    @classmethod
    def document(cls, function: F, returns: object) -> F:
        """Give a function this request's parameters and docstring, so that help() and inspect see them."""
        signature = inspect.signature(cls)
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = [own, *signature.parameters.values()]
        function.__doc__ = cls.__doc__
        function.__annotations__ = {p.name: p.annotation for p in parameters[1:]} | {"return": returns}
        vars(function)["__signature__"] = signature.replace(parameters=parameters, return_annotation=returns)
        vars(function)["request_class"] = cls
        return function


class TaskRequest(Request[R_co]):
    """A paid request that starts a task: ``client.submit(request)`` sends it, once."""

    __slots__ = ()

    promised: ClassVar[int] = 2
    """How many clips the operation promises; fewer means that the task is not finished yet."""


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(clip_field, flag, number_field, text_field)
)
def shared_fields(cls: RequestClass) -> RequestClass:
    """Declare fields that several operations have in common; the class itself is no operation."""
    return attrs.frozen(kw_only=True, repr=False)(cls)


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(clip_field, flag, number_field, text_field)
)
def operation(method: Method, path: str, **constants: object) -> Callable[[RequestClass], RequestClass]:
    """Declare a class as the operation at this path; ``constants`` are sent with every request of it."""

    def declare(cls: RequestClass) -> RequestClass:
        made = attrs.frozen(kw_only=True, repr=False, field_transformer=_required_first)(cls)
        made.method, made.path, made.constants = method, path, constants
        made.result = _result_of(made)
        made.__init__ = _checked(made)  # type: ignore[method-assign]  # the same signature, with our own errors
        _known.append(made)
        return made

    return declare


def operations() -> "tuple[type[Request[Any]], ...]":
    """Return the request class of every operation."""
    return tuple(_known)


def _required_first(_: type, fields: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    return sorted(fields, key=lambda field: field.default is not attrs.NOTHING)


def _result_of(cls: "type[Request[Any]]") -> type:
    """Return the R of the nearest ``Request[R]`` a class was declared with."""
    bases = (base for parent in cls.__mro__ for base in vars(parent).get("__orig_bases__", ()))
    found: type = next(get_args(base)[0] for base in bases if issubclass(get_origin(base), Request))
    return found


def _checked(cls: "type[Request[Any]]") -> Callable[..., None]:
    """Wrap the constructor so that an unknown or a missing keyword is our own error, with a hint."""
    build: Callable[..., None] = cls.__init__
    names = wire_names(cls)
    required = {
        name for name, parameter in inspect.signature(cls).parameters.items() if parameter.default is parameter.empty
    }

    @functools.wraps(build)
    def init(self: Request[Any], **given: object) -> None:
        if unknown := given.keys() - names.keys():
            raise _unknown_field(cls.operation_name(), min(unknown), given[min(unknown)], names)
        if missing := required - given.keys():
            name = min(missing)
            raise InvalidRequestError(f"{cls.operation_name()} needs {name}", name, None, "required")
        build(self, **given)

    return init


def _unknown_field(operation_name: str, name: str, value: object, names: Mapping[str, str]) -> InvalidRequestError:
    ours = {wire: field for field, wire in names.items()}
    close = ours.get(name) or next(iter(difflib.get_close_matches(name, names, 1)), None)
    hint = f"did you mean {close}?" if close else f"it takes {', '.join(names)}"
    return InvalidRequestError(f"{operation_name} has no field {name}: {hint}", name, value, tuple(names))
