"""The settings as parameters of the clients, written once for both packages."""

import functools
import inspect
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar, cast

from musicapi_async._secrets import Secret, hidden, with_secrets
from musicapi_async._settings import AcceptedHook, PollHook, Settings, UncertainHook
from musicapi_async._webhook_inbox import FileInbox

if TYPE_CHECKING:
    from aiohttp import TraceConfig
    from aiohttp.abc import AbstractResolver

__all__ = ["given_settings", "options_of", "settings_of", "taking"]

OTHER_KEYS: Final = frozenset({"key", "token", "apikey"})
"""What other clients call the API key."""
CLOSE: Final = 0.75
"""How similar two names are, from 0 to 1, of which one may be a misspelling of the other."""

C = TypeVar("C")
P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


def settings_of(
    api_key: str | Secret | None = None,
    *,
    base_url: str | None = None,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    read_timeout: float | None = None,
    total_timeout: float | None = None,
    max_attempts: int | None = None,
    max_requests: int | None = None,
    create_rate: float | None = None,
    poll_cost: float | None = None,
    poll_interval: float | None = None,
    max_response_size: int | None = None,
    max_file_size: int | None = None,
    proxy: str | Secret | None = None,
    trust_env: bool | None = None,
    ssl_context: ssl.SSLContext | None = None,
    resolver: Callable[[], "AbstractResolver"] | None = None,
    headers: Mapping[str, str | Secret] | None = None,
    trace_configs: Sequence["TraceConfig"] | None = None,
    allow_private_addresses: bool | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | Secret | None = None,
    webhook_inbox: FileInbox | None = None,
    on_accepted: AcceptedHook | None = None,
    on_poll: PollHook | None = None,
    on_uncertain: UncertainHook | None = None,
) -> Settings:
    """Return the settings of a client; None takes the environment's value, or the default.

    Raises InvalidRequestError when a setting is wrong or no key is given.
    """
    return Settings.load(**locals())


def options_of(
    *,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    read_timeout: float | None = None,
    total_timeout: float | None = None,
    max_attempts: int | None = None,
    poll_interval: float | None = None,
    max_response_size: int | None = None,
    max_file_size: int | None = None,
    headers: Mapping[str, str | Secret] | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | Secret | None = None,
    on_accepted: AcceptedHook | None = None,
    on_poll: PollHook | None = None,
    on_uncertain: UncertainHook | None = None,
) -> dict[str, Any]:
    """Return the settings that a view of a client changes; None changes nothing."""
    return {name: value for name, value in locals().items() if value is not None}


def _hint(given: Mapping[str, object], known: Mapping[str, object]) -> str:
    """Return what a misspelt setting may have meant, or who has it; empty where nothing is close."""
    unknown = (name for name in given if name not in known)
    name = next(unknown, "")
    if name in inspect.signature(settings_of).parameters:
        return ": all views of a client share it, so give it to a new client"
    import difflib  # noqa: PLC0415 - for errors alone

    close = "api_key" if name in OTHER_KEYS else next(iter(difflib.get_close_matches(name, known, 1, CLOSE)), None)
    return f"; did you mean {close}?" if close else ""


def _arguments_of(function: Callable[P, object]) -> Callable[P, dict[str, Any]]:
    """Return a function with the same parameters, which returns the arguments that are not None."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def arguments(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        return {name: value for name, value in bound.arguments.items() if value is not None}

    return arguments


given_settings = _arguments_of(settings_of)
"""The settings of a client that are given, unchecked: for a client with defaults of its own."""


def taking(
    read: Callable[P, V],
) -> Callable[[Callable[[C, V], R]], Callable[Concatenate[C, P], R]]:
    """Give a method the parameters of ``read``, whose result it gets: for type checkers, ``help()`` and ``inspect``.

    Secrets are hidden before anything can fail: a traceback may show local variables.
    """
    parameters = inspect.signature(read).parameters

    def decorate(method: Callable[[C, V], R]) -> Callable[Concatenate[C, P], R]:
        own = inspect.signature(method)
        self_parameter = next(iter(own.parameters.values()))
        signature = own.replace(parameters=[self_parameter, *parameters.values()])

        def call(self: C, /, *args: Any, **kwargs: Any) -> R:
            args, kwargs = tuple(map(hidden, args)), with_secrets(kwargs)
            try:
                signature.bind(self, *args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{method.__qualname__}() {error}{_hint(kwargs, parameters)}") from None
            return method(self, cast("Callable[..., V]", read)(*args, **kwargs))

        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(call, name, getattr(method, name))
        call.__annotations__ = {**read.__annotations__, "return": own.return_annotation}
        call.__signature__ = signature  # type: ignore[attr-defined]  # what inspect looks for
        return cast("Callable[Concatenate[C, P], R]", call)

    return decorate
