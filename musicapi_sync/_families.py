"""The families' methods, blocking, made from the same request classes.

The lists are those of ``musicapi_async.families``; a test holds them against each other.
"""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, Protocol, Self, TypeVar, cast, overload

import attrs

from musicapi_async import Request, Songs, TaskRequest, account, lyrics, riffusion, sonic
from musicapi_sync._tasks import Task

__all__ = ["Account", "Lyrics", "Riffusion", "Sonic"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Client(Protocol):
    """What a family needs of its client."""

    def submit(self, request: TaskRequest[R], /) -> Task[R]:
        """Start a task."""
        ...

    def call(self, request: Request[R], /) -> R:
        """Ask for an answer."""
        ...

    def resume(self, family: str, task_id: str, /) -> Task[Songs]:
        """Take up a task."""
        ...


@attrs.frozen
class Family:
    """A group of operations, bound to a client."""

    _client: Client

    def __init_subclass__(cls) -> None:
        """Name each method after the attribute it stands under."""
        for name, value in vars(cls).items():
            if hasattr(value, "request_class"):
                value.__name__, value.__qualname__, value.__module__ = name, f"{cls.__name__}.{name}", cls.__module__


class TaskFamily(Family):
    """A family whose operations are tasks."""

    def task(self, task_id: str) -> Task[Songs]:
        """Take a task up again from its id, from any process at any time; nothing is sent yet."""
        return self._client.resume(type(self).__name__.lower(), task_id)


class Method(Protocol[P, R_co]):
    """A family's method: called on a family it takes the request's own parameters."""

    def __call__(self, family: Family, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Make the request and send it."""
        ...

    @overload
    def __get__(self, instance: None, owner: type[Family], /) -> Self: ...
    @overload
    def __get__(self, instance: Family, owner: type[Family] | None = None, /) -> Callable[P, R_co]: ...


def submits(request_class: Callable[P, TaskRequest[R]]) -> Method[P, Task[R]]:
    """Make the method that starts this operation's task."""

    def method(self: Family, **fields: Any) -> Task[R]:
        return self._client.submit(build(**fields))

    build = cast("type[TaskRequest[R]]", request_class)
    return cast("Method[P, Task[R]]", build.document(method, Task[build.result]))  # type: ignore[name-defined]


def calls(request_class: Callable[P, Request[R]]) -> Method[P, R]:
    """Make the method that asks for this operation's answer."""

    def method(self: Family, **fields: Any) -> R:
        return self._client.call(build(**fields))

    build = cast("type[Request[R]]", request_class)
    return cast("Method[P, R]", build.document(method, build.result))


class Sonic(TaskFamily):
    """Songs from lyrics or a description, and what can be done with them."""

    create: Final = submits(sonic.Create)
    describe: Final = submits(sonic.Describe)
    extend: Final = submits(sonic.Extend)


class Riffusion(TaskFamily):
    """Songs with the time of every word; deprecated by the vendor."""

    create: Final = submits(riffusion.Create)
    describe: Final = submits(riffusion.Describe)


class Lyrics(Family):
    """Drafts of words for a song."""

    make: Final = calls(lyrics.Make)


class Account(Family):
    """The account's balance."""

    credits: Final = calls(account.GetCredits)
