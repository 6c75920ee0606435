"""The fake server as an object: what it is made with, its controls, what it has seen, and its lifetime."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar, get_args, overload

from aiohttp import web

from musicapi_async._request import Request
from musicapi_async._transport.cancellation import complete
from musicapi_async.sandbox.app import API, App
from musicapi_async.sandbox.arguments import (
    check_endings,
    check_keys,
    check_number,
    check_request_class,
    check_route,
    check_shares,
)
from musicapi_async.sandbox.checks import known_models
from musicapi_async.sandbox.clock import Clock
from musicapi_async.sandbox.delivery import Delivery, EventSender
from musicapi_async.sandbox.faults import EventFault, EventFaults, Fault, Faults
from musicapi_async.sandbox.files import Files
from musicapi_async.sandbox.received import ReceivedRequest, RequestLog
from musicapi_async.sandbox.state import Account, Ending, SandboxTask, ServerState
from musicapi_async.sandbox.thread import ServerThread

__all__ = ["SandboxServer"]

Q = TypeVar("Q", bound=Request[Any])

ENDINGS: Final = get_args(Ending)
DEFAULT_KEY: Final = "sandbox-key"
POLLS_PER_SONG: Final = 20
MIN_POLL_INTERVAL: Final = 0.01
MAX_POLL_INTERVAL: Final = 0.1
"""Seconds; a client of a test with long songs notices within these that the clock was advanced."""


class SandboxServer:
    """A fake server on this machine; ``Sandbox`` describes it."""

    def __init__(
        self,
        *,
        seconds: float = 3.0,
        credits: float = 1000.0,
        keys: Sequence[str] | None = None,
        seed: int = 0,
        endings: Mapping[Ending, float] | None = None,
        faults: Mapping[Fault, float] | None = None,
        event_faults: Mapping[EventFault, float] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        check_number("seconds", seconds)
        check_number("credits", credits)
        check_keys(keys)
        check_endings("endings", endings or {}, ENDINGS[1:])
        check_shares("endings", endings or {})
        check_shares("faults", faults or {})
        check_shares("event_faults", event_faults or {})
        self._state = ServerState(
            seconds=seconds, credits=credits, keys=keys, seed=seed, endings=endings or {}, models=known_models()
        )
        self._faults = Faults(faults or {}, seed)
        self._event_faults = EventFaults(event_faults or {}, seed)
        self._clock = Clock()
        self._events = EventSender(self._clock, self._event_faults, seconds, seed)
        self._files = Files(self._state, self._clock)
        self._log = RequestLog(self._state.models)
        self._key = keys[0] if keys else DEFAULT_KEY
        self._poll_interval = min(max(seconds / POLLS_PER_SONG, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._thread: ServerThread | None = None
        self.prices: dict[str, float] = self._state.prices
        """Prices of operations, such as ``sonic.create``, that differ from the price list."""
        self.models: dict[str, set[str]] = self._state.models
        """The models that are accepted, by family: add one that the service has and this version does not know."""

    def __repr__(self) -> str:
        """Show the address and the number of accepted tasks."""
        place = "not listening" if self._runner is None else self.base_url
        return f"<Sandbox {place}: {len(self._state.tasks)} tasks accepted>"

    @property
    def base_url(self) -> str:
        """The ``base_url`` for a client."""
        return f"{self._origin}{API}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which ``MusicAPI()`` is a client of the sandbox, also in another process."""
        return {
            "MUSICAPI_BASE_URL": self.base_url,
            "MUSICAPI_KEY": self._key,
            "MUSICAPI_POLL_INTERVAL": f"{self._poll_interval:g}",
        }

    @property
    def tasks(self) -> tuple[SandboxTask, ...]:
        """The tasks that were accepted and charged, in order."""
        return tuple(self._state.tasks.values())

    @property
    def charged(self) -> float:
        """Credits that were charged to all accounts so far, less the refunds of failed tasks."""
        return self._state.charged(self._clock.now())

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The attempts to deliver events, in the order of their ends."""
        return tuple(self._events.deliveries)

    @overload
    def requests(self, of: type[Q]) -> tuple[Q, ...]: ...
    @overload
    def requests(self, of: str | None = None) -> tuple[ReceivedRequest, ...]: ...
    def requests(self, of: type[Q] | str | None = None) -> tuple[Q, ...] | tuple[ReceivedRequest, ...]:
        """Return the requests that have arrived, in order, also those that were refused or had a fault.

        ``requests(sonic.Create)`` returns the valid ones of a request class, as values. ``requests("GET
        /sonic/task/{task_id}")`` returns those to a route, of which ``len()`` is the number, and ``requests()`` all of
        them: the last 100,000.

        Raises InvalidRequestError for a route that the sandbox does not have, and for a request class without a body.
        """
        if isinstance(of, type):
            check_request_class(of)
            return self._log.of(of)
        if of is not None:
            check_route(of)
        return self._log.at(of)

    def account(self, key: str | None = None) -> Account:
        """Return the account of a key, to read or change its balance; without a key, that of ``client()``.

        Raises KeyError for a key that is not valid.
        """
        key = self._key if key is None else key
        found = self._state.account(key)
        if found is None:
            raise KeyError(key)
        return found

    def add_fault(self, route: str, *faults: Fault) -> None:
        """Queue faults for a route, such as ``POST /sonic/create`` or ``GET /sonic/task/{task_id}``.

        Each of the next requests to it takes one. Raises InvalidRequestError for a route that the sandbox does not
        have.
        """
        check_route(route)
        self._faults.add(route, *faults)

    def add_event_fault(self, event_type: str, *faults: EventFault) -> None:
        """Queue faults for a type of event, such as ``song.completed``: each of the next tasks takes one."""
        self._event_faults.add(event_type, *faults)

    def end_next(self, *endings: Ending) -> None:
        """Set how the next tasks end; later ones end with songs, or by the shares of ``endings``.

        Raises InvalidRequestError for an ending that does not exist.
        """
        check_endings("end_next", endings, ENDINGS)
        self._state.endings.extend(endings)

    def advance(self, seconds: float) -> None:
        """Advance the clock of the tasks and their events by this many seconds; from any thread.

        Raises InvalidRequestError for a number below 0.
        """
        check_number("seconds", seconds)
        self._clock.advance(seconds)

    async def start(self) -> None:
        """Start to listen, in the running event loop. Raises OSError when the address cannot be used."""
        self._files.open()
        self._clock.start()
        app = App(self._state, self._clock, self._faults, self._events, self._files, self._log, self._file_url)
        self._runner = web.AppRunner(app.build(), access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError:
            await self.aclose()
            raise
        self._port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """Stop listening and remove the generated files."""
        await complete(self._close())

    async def _close(self) -> None:
        await self._events.aclose()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._files.aclose()
        self._clock.stop()

    async def __aenter__(self) -> Self:
        """Start it in the running event loop. Raises OSError when the address cannot be used."""
        await self.start()
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        await self.aclose()

    def __enter__(self) -> Self:
        """Start it in a thread of its own. Raises OSError when the address cannot be used."""
        thread = ServerThread(self)
        thread.start()
        self._thread = thread
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it, and end its thread."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    @property
    def _client_settings(self) -> dict[str, Any]:
        """The settings of a client, as far as they differ from the defaults."""
        return {"api_key": self._key, "base_url": self.base_url, "poll_interval": self._poll_interval}

    @property
    def _origin(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def _file_url(self, name: str) -> str:
        return f"{self._origin}/files/{name}"
