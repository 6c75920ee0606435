"""The settings of a client: from keywords, then the environment, then defaults."""

import functools
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

import attrs

from musicapi_async._secrets import Secret, hidden, with_secrets
from musicapi_async._setting_checks import (
    as_headers,
    check_base_url,
    check_context,
    check_count,
    check_flag,
    check_headers,
    check_hook,
    check_inbox,
    check_key,
    check_positive,
    check_proxy,
    check_resolver,
    check_traces,
    check_webhook_secret,
    check_webhook_url,
    clean_key,
    clean_url,
    shown_or_none,
)
from musicapi_async._webhook_inbox import FileInbox
from musicapi_async.errors import InvalidRequestError, UncertainSubmissionError

if TYPE_CHECKING:
    from aiohttp import TraceConfig
    from aiohttp.abc import AbstractResolver

    from musicapi_async._tasks.accepted import AcceptedTask
    from musicapi_async._tasks.state import TaskState

__all__ = ["AcceptedHook", "PollHook", "Settings", "UncertainHook"]

AcceptedHook: TypeAlias = Callable[["AcceptedTask"], object]
PollHook: TypeAlias = Callable[["TaskState[Any]"], object]
UncertainHook: TypeAlias = Callable[[UncertainSubmissionError], object]
VARIABLES: Final = {
    "api_key": "MUSICAPI_KEY",
    "base_url": "MUSICAPI_BASE_URL",
    "poll_interval": "MUSICAPI_POLL_INTERVAL",
    "webhook_url": "MUSICAPI_WEBHOOK_URL",
    "webhook_secret": "MUSICAPI_WEBHOOK_SECRET",
}
DEFAULT_BASE_URL: Final = "https://api.musicapi.ai/api/v1"


S = TypeVar("S")


def _tuple_of(traces: Sequence["TraceConfig"]) -> tuple["TraceConfig", ...]:
    return tuple(traces) if isinstance(traces, Sequence) else (traces,)


def _hiding(cls: type[S]) -> type[S]:
    """Return the class with a constructor that hides secrets before it can fail with their text in a local variable."""
    build: Callable[..., None] = cls.__init__

    @functools.wraps(build)
    def init(self: object, **given: Any) -> None:
        given = with_secrets(given)
        build(self, **given)

    cls.__init__ = init  # type: ignore[method-assign]  # the same signature
    return cls


@_hiding
@attrs.frozen(kw_only=True)
class Settings:
    """All settings of a client. Times are in seconds, sizes in bytes.

    ```python
    from musicapi_async import MusicAPI

    async with MusicAPI(timeout=30, create_rate=0.3) as client:
        print(client.settings.timeout)
        patient = client.with_options(timeout=90)  # a view on the same connections
    ```

    Raises InvalidRequestError naming the setting that is wrong.
    """

    api_key: Secret = attrs.field(repr=False, converter=clean_key, validator=check_key)
    """A ``Secret``, sent only to the API's own host. A pasted ``Bearer`` prefix, quotes and blanks are stripped."""
    base_url: str = attrs.field(default=DEFAULT_BASE_URL, converter=clean_url, validator=check_base_url)
    """The URL of the service, or of a sandbox."""
    timeout: float = attrs.field(default=60.0, validator=check_positive)
    """Time limit of one attempt, from connecting to the last byte of the response; uploads get at least 120."""
    connect_timeout: float = attrs.field(default=10.0, validator=check_positive)
    """Time limit for establishing one connection."""
    read_timeout: float = attrs.field(default=60.0, validator=check_positive)
    """Maximum time between two bytes of a response or a file."""
    total_timeout: float = attrs.field(default=300.0, validator=check_positive)
    """Time after the first attempt in which others may begin; time spent waiting for ``create_rate`` does not count."""
    max_attempts: int = attrs.field(default=4, validator=check_count)
    """Maximum number of attempts of a request that may be retried, the first included."""
    max_requests: int = attrs.field(default=100, validator=check_count)
    """Maximum number of requests in flight at once."""
    create_rate: float | None = attrs.field(default=None, validator=attrs.validators.optional(check_positive))
    """Maximum number of paid requests per second. With None there is no limit until the service responds with 429; then
    they are sent at its documented rate, one in 3 seconds, and gradually faster while it accepts them. After a 429 all
    of them wait, with or without a rate."""
    poll_cost: float = attrs.field(default=1.0, validator=check_positive)
    """Seconds of waiting that one poll is worth: with a higher value the client polls less often. It learns how long
    tasks of an operation and model take, and polls when one is likely to have finished. With 1 it polls about as often
    as every 15 seconds, and sees the end of a task sooner than such an interval does."""
    poll_interval: float | None = attrs.field(default=None, validator=attrs.validators.optional(check_positive))
    """Fixed interval between two polls, in place of the learned schedule (None). The service advises 15 to 25; a
    sandbox with quick songs needs a small one. A view may have one of its own, for its tasks."""
    max_response_size: int = attrs.field(default=8 * 1024 * 1024, validator=check_count)
    """Maximum size of one response; a larger one is refused."""
    max_file_size: int = attrs.field(default=1024 * 1024 * 1024, validator=check_count)
    """Maximum size of one downloaded file (1 GiB). The download of a larger one is stopped, and so is one slower than
    1 KiB/s for 60 seconds."""
    proxy: Secret | None = attrs.field(default=None, repr=False, converter=hidden, validator=check_proxy)
    """URL of a proxy for all requests, such as ``http://user:password@host:3128``, kept as a ``Secret``."""
    trust_env: bool = attrs.field(default=True, validator=check_flag)
    """True to use the proxy of the environment (``HTTPS_PROXY``, ``NO_PROXY``, ...) where no ``proxy`` is given; never
    for this machine itself."""
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False, validator=check_context)
    """For a custom certificate authority or a client certificate; None for the default one."""
    resolver: "Callable[[], AbstractResolver] | None" = attrs.field(default=None, repr=False, validator=check_resolver)
    """Function that returns a resolver of host names, such as the class ``aiohttp.AsyncResolver``: called in the
    client's event loop, and closed with the client. None for the system's resolver."""
    headers: Mapping[str, Secret] = attrs.field(factory=dict, repr=False, converter=as_headers, validator=check_headers)
    """Further headers of each request to the API, such as a gateway's; never sent to the hosts of files. Their values
    are kept as ``Secret``. Not ``Authorization``, ``Host``, ``Content-*``, ``Accept*`` or those of the connection."""
    trace_configs: Sequence["TraceConfig"] = attrs.field(
        default=(), repr=False, converter=_tuple_of, validator=check_traces
    )
    """``aiohttp.TraceConfig`` objects, whose hooks are called for each request to the API. They see the headers, with
    the key. With any of them requests take the HTTP library's own path, at about 1.5 times the CPU."""
    allow_private_addresses: bool = attrs.field(default=False, validator=check_flag)
    """True to allow downloads from addresses that are not public; from the API's own host they are always allowed. A
    proxy resolves names itself: through one, only an address in the URL is checked."""
    webhook_url: str | None = attrs.field(default=None, repr=shown_or_none, validator=check_webhook_url)
    """URL of your server to which the service sends its events, of operations with a field of that name; begins with
    https:// (http:// only towards this machine). At most 974 characters: each submission appends a reference of its own
    to the query. Needs ``webhook_secret``."""
    webhook_secret: Secret | None = attrs.field(
        default=None, repr=False, converter=hidden, validator=check_webhook_secret
    )
    """A ``Secret`` with which the service signs its events: text in ASCII, sent with each submission."""
    webhook_inbox: FileInbox | None = attrs.field(default=None, validator=check_inbox)
    """A ``webhooks.FileInbox`` that the processes of one machine share: an event that reaches another process wakes the
    wait in this one. It belongs to the client, not to its views. None for a single process."""
    on_accepted: AcceptedHook | None = attrs.field(default=None, repr=False, validator=check_hook)
    """Called with an AcceptedTask for every task that a submission or a batch has started, as soon as its id is known:
    before the call returns, and also if its caller was cancelled. A plain function that runs in the client's event loop
    (with musicapi_sync, in its thread) and must be quick; an exception in it is logged, and the call continues."""
    on_poll: PollHook | None = attrs.field(default=None, repr=False, validator=check_hook)
    """Called with the TaskState of every successful poll (``task_id``, ``status``, ``clips``), before any wait gets it.
    A plain function under the rules of ``on_accepted``. It sees the context variables of the first caller that waits
    for the task. An end that a webhook event reports is no poll."""
    on_uncertain: UncertainHook | None = attrs.field(default=None, repr=False, validator=check_hook)
    """Called with the UncertainSubmissionError of every paid request that may or may not have been accepted: those that
    raise it, and those that were cancelled after they were sent. It runs in the client's event loop (with
    musicapi_sync, in its thread) and must be quick."""

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **given: object) -> Self:
        """Return settings from keywords (None means not given), then the environment, then the defaults.

        The environment is read when a client is made: ``MUSICAPI_KEY``, ``MUSICAPI_BASE_URL``,
        ``MUSICAPI_POLL_INTERVAL``, ``MUSICAPI_WEBHOOK_URL``, ``MUSICAPI_WEBHOOK_SECRET``.

        Raises InvalidRequestError naming the setting that is wrong.
        """
        given = with_secrets(given)
        found = _from_environment(environment)
        del environment  # it may contain the key, and the following lines can fail
        found.update((name, value) for name, value in given.items() if value is not None)
        if given.get("poll_interval") is None and (interval := found.get("poll_interval")):
            found["poll_interval"] = _seconds("MUSICAPI_POLL_INTERVAL", interval)
        return cls(**found)


def _from_environment(environment: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the settings in the environment; a separate function, so that no frame that can fail holds all of it."""
    variables = os.environ if environment is None else environment
    found = {name: variables.get(variable, "").strip() for name, variable in VARIABLES.items()}
    given = {name: value for name, value in found.items() if value}
    return with_secrets({**given, "api_key": found["api_key"]})


def _seconds(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidRequestError(f"{name} is {value!r}; it must be a number of seconds", name, value, "> 0") from None
