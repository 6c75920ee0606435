"""A family's methods, made from its request classes.

``submits`` and ``calls`` return plain functions (so that help(), inspect and autospec work by themselves), typed as
protocols whose parameters come from the request class's own constructor.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Protocol, Self, TypeVar, cast, overload

import attrs

from musicapi_async._request import Request, TaskRequest
from musicapi_async._secrets import with_secrets
from musicapi_async._tasks.submission import Submission
from musicapi_async._tasks.task import Task
from musicapi_async.results import Songs

__all__ = ["Family", "TaskFamily", "calls", "complete_family", "family_property", "submits"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

if TYPE_CHECKING:
    from builtins import property as family_property
else:

    class family_property(property):  # noqa: N801 - a decorator
        """A property that returns a family; its documentation lists the operations: ``help(MusicAPI.sonic)``."""

        @property
        def __doc__(self) -> str | None:
            # Only now: a family is loaded when it is used.
            return inspect.getdoc(type(self.fget(None)))

        @__doc__.setter  # noqa: A003 - not the builtin
        def __doc__(self, _: object) -> None:
            """Ignore the docstring of the getter."""


def complete_family(cls: type) -> None:
    """Name the methods of a family after their attributes, and list them in the docstring of the class."""
    listed = []
    for name, value in vars(cls).items():
        if hasattr(value, "request_class"):
            value.__name__, value.__qualname__, value.__module__ = name, f"{cls.__name__}.{name}", cls.__module__
            listed.append(f"- ``{name}``: {(value.__doc__ or '').partition(chr(10))[0]}")
    if listed:
        cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__ or ""), "", *listed])


class Client(Protocol):
    """The part of a client that a family uses."""

    def submit(self, request: TaskRequest[R], /) -> Submission[R]:
        """Start a task."""
        ...

    async def call(self, request: Request[R], /) -> R:
        """Send a request, and return its result."""
        ...

    def resume(self, operation: type[TaskRequest[R]], task_id: str, /) -> Task[R]:
        """Resume a task."""
        ...


@attrs.frozen
class Family:
    """A group of operations, bound to a client."""

    _client: Client

    def __init_subclass__(cls) -> None:
        """Name the operations and methods after their attributes, and list the methods in the docstring."""
        for name, value in vars(cls).items():
            if hasattr(value, "request_class"):
                value.request_class.operation_name = f"{value.request_class.family}.{name}"
        complete_family(cls)


class TaskFamily(Family):
    """A family whose operations are tasks; ``songs`` is the operation that ``task()`` resumes."""

    songs: ClassVar[type[TaskRequest[Songs]]]

    def task(self, task_id: str) -> Task[Songs]:
        """Resume a task of songs from its id, from any process at any time; nothing is sent yet.

        For a task with another result, pass its request class: ``client.resume(sonic.BasicStems, task_id)``.

        Raises InvalidRequestError for an id that cannot be one.
        """
        return self._client.resume(self.songs, task_id)


class Method(Protocol[P, R_co]):
    """A family's method: called on a family it takes the request's own parameters."""

    def __call__(self, family: Family, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Make the request; it is sent when what is returned is awaited."""
        ...

    @overload
    def __get__(self, instance: None, owner: type[Family], /) -> Self: ...
    @overload
    def __get__(self, instance: Family, owner: type[Family] | None = None, /) -> Callable[P, R_co]: ...


def submits(request_class: Callable[P, TaskRequest[R]]) -> Method[P, Submission[R]]:
    """Return the method that starts this operation's task."""

    def method(self: Family, /, *unnamed: object, **fields: Any) -> Submission[R]:
        fields = with_secrets(fields)  # before anything can fail: a traceback may show local variables
        return self._client.submit(build(*unnamed, **fields))

    build = cast("type[TaskRequest[R]]", request_class)
    returns = Submission[build.result]  # type: ignore[name-defined]
    return cast("Method[P, Submission[R]]", build.document(method, returns))


def calls(request_class: Callable[P, Request[R]]) -> Method[P, Coroutine[object, None, R]]:
    """Return the method that calls this operation."""

    async def method(self: Family, /, *unnamed: object, **fields: Any) -> R:
        fields = with_secrets(fields)  # before anything can fail: a traceback may show local variables
        return await self._client.call(build(*unnamed, **fields))

    build = cast("type[Request[R]]", request_class)
    return cast("Method[P, Coroutine[object, None, R]]", build.document(method, build.result))
