"""The base classes of requests. Operations are declared with ``_operation.operation``. No I/O."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final, Generic, Literal, Self, TypeVar

import attrs

from musicapi_async._arguments import described
from musicapi_async.errors import InvalidRequestError
from musicapi_async.wire.requests import (
    field_spec,
    fields_of,
    structure_request,
    unstructure_given,
    unstructure_request,
    wire_names,
)

__all__ = ["GET", "POST", "STARTS_TASK", "Method", "Request", "TaskRequest", "checked_item", "model_of"]

STARTS_TASK: Final = "a request that starts a task, such as sonic.Create(...)"
"""The wanted argument, in the words of an error."""

R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., object])

Method = Literal["GET", "POST"]
GET: Final = "GET"
POST: Final = "POST"


class Request(Generic[R_co]):
    """One call of the service, checked when it is made and not sent yet: ``client.call(request)`` sends it.

    Raises InvalidRequestError, naming the field, the value and the limit, when a field is wrong or unknown.
    """

    __slots__ = ()

    method: ClassVar[Method]
    path: ClassVar[str]
    constants: ClassVar[Mapping[str, object]]
    """Sent with every request besides its fields, such as ``task_type``; dots lead into objects."""
    upload_task_type: ClassVar[str] = ""
    """The ``task_type`` for a clip that was uploaded, where the service wants another one."""
    result: ClassVar[type]
    """The class of the result."""
    credits: ClassVar[float | None]
    """Its price on the service's pages, ``as_of`` a date: for people to read, never for a decision."""
    as_of: ClassVar[str]
    source: ClassVar[str]
    """The page that documents this operation."""
    method_name: ClassVar[str] = "?"
    """The name of its method, set by the family that has it."""
    replacement: ClassVar[str] = ""
    """The operation to use where the service has retired this one."""
    is_async_export: ClassVar[bool] = False
    """True where the service responds with 202 while it prepares a file, and further requests for it are free."""
    min_timeout: ClassVar[float] = 0.0
    """The smallest time limit of this call, in seconds: some take longer than others."""

    @classmethod
    def operation_name(cls) -> str:
        """Return the operation's name: that of its method, such as ``sonic.describe``."""
        return f"{cls.family()}.{cls.method_name}"

    @classmethod
    def family(cls) -> str:
        """Return the name of the family it belongs to, such as ``sonic``."""
        _, _, rest = cls.__module__.partition(".requests.")
        return rest.partition(".")[0]

    def to_wire(self) -> dict[str, object]:
        """Return the JSON object that is sent: the service's names, without what is not set."""
        return unstructure_request(self)

    @classmethod
    def from_wire(cls, body: Mapping[str, object]) -> Self:
        """Make the request from the JSON object it is sent as; other keys are ignored.

        Raises InvalidRequestError when the object does not make a valid request.
        """
        return structure_request(body, cls)

    def after_unstructure(self, body: dict[str, object]) -> None:
        """Add to the JSON object what follows from several fields together; for subclasses that have such."""

    @classmethod
    def before_structure(cls, body: Mapping[str, object]) -> Mapping[str, object]:
        """Return the JSON object as its fields alone would make it: the reverse of ``after_unstructure``."""
        return body

    def given(self, names: Collection[str] | None = None) -> dict[str, object]:
        """Return the fields that are set, or those of these names, under their wire names and as they are sent.

        What the class adds is left out, the ``task_type`` for an uploaded clip excepted. Names keep their dots.
        """
        given = unstructure_given(self)
        if names is None:
            return given
        left_out = {key for name, key in wire_names(type(self)).items() if name not in names}
        return {key: value for key, value in given.items() if key not in left_out}

    def replace(self, **changes: object) -> Self:
        """Return the same request with some fields changed, checked anew."""
        return type(self)(**{**{name: getattr(self, name) for name in wire_names(type(self))}, **changes})

    def __eq__(self, other: object) -> bool:
        """Compare by class and by the values that are sent."""
        # Not attrs' own: to generate one for each class would double the time that an import takes.
        if not isinstance(other, Request) or type(self) is not type(other):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        """Hash by class and by the values that are sent."""
        return hash((type(self), self._values()))

    def _values(self) -> tuple[object, ...]:
        return tuple(_sent(self, field) for field in fields_of(type(self)))

    def __repr__(self) -> str:
        """Show the fields that are set, without secrets."""
        fields = fields_of(type(self))
        shown = [field for field in fields if field.repr and getattr(self, field.name) != field.default]
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in shown)
        return f"{self.operation_name()}({values})"

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

    expected_clips: ClassVar[int] = 2
    """How many clips the operation makes; with fewer the task is not finished yet."""
    polled_at: ClassVar[str] = ""
    """The path under which its tasks are polled, where it is not that of its family."""
    id_in_data: ClassVar[bool] = False
    """True where the response's ``data`` is the task's id itself."""

    @classmethod
    def poll_path(cls) -> str:
        """Return the path under which its tasks are polled."""
        return cls.polled_at or f"/{cls.family()}/task"


def checked_item(request: object) -> TaskRequest[Any]:
    """Return one of several requests; raises InvalidRequestError unless it starts a task."""
    if not isinstance(request, TaskRequest):
        message = f"one of requests is {described(request)}; it must be {STARTS_TASK}"
        raise InvalidRequestError(message, "requests", type(request).__name__, STARTS_TASK)
    return request


def model_of(request: Request[Any]) -> str | None:
    """Return the model a request asks for: the one given, else its operation's default; None where there is neither."""
    field = next((field for field in fields_of(type(request)) if field.name == "model"), None)
    found = None if field is None else _sent(request, field)
    return found if isinstance(found, str) else None


def _sent(request: Request[Any], field: "attrs.Attribute[Any]") -> object:
    """Return a field's value, or the default that is sent for it."""
    value = getattr(request, field.name)
    return field_spec(field).sent_default if value is None else value
