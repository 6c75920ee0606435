"""The fake server: routes, keys and faults. Its state is in ``state.py``."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from musicapi_async._request import Request, TaskRequest
from musicapi_async._transport.cancellation import complete
from musicapi_async.requests import sonic
from musicapi_async.sandbox.checks import RefusedError, check_clip, paths, poll_paths, request_of
from musicapi_async.sandbox.clock import Clock
from musicapi_async.sandbox.delivery import Delivery, EventSender
from musicapi_async.sandbox.faults import EventFault, EventFaults, Fault, Faults
from musicapi_async.sandbox.files import CUT_AFTER, Files
from musicapi_async.sandbox.polls import poll_response
from musicapi_async.sandbox.responses import accepted, is_async_export, response_body
from musicapi_async.sandbox.state import Account, Ending, SandboxTask, ServerState
from musicapi_async.wire.json import read_json

__all__ = ["Sandbox"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API: Final = "/api/v1"
BATCH: Final = "/sonic/batch"
MAX_ITEMS: Final = 10
POLL_ALIASES: Final = {"/suno/clip": "/sonic/task"}
"""Legacy poll paths of other paths."""
NO_CREDITS: Final = "The remaining credits are not enough. You can buy more one-time credit packs or subscribe."
ACCOUNT: Final = web.RequestKey("account", Account)


class Sandbox:
    """A fake server on this machine: ``async with Sandbox() as sandbox`` serves it at ``sandbox.base_url``.

    - ``seconds``: approximate time that a song takes. ``seed``: seed of all random values. ``failure_rate``: share of
      tasks that fail, from 0 to 1.
    - ``credits``: initial balance of an account. ``keys``: the valid keys; without them any key is valid.
    - ``event_faults``: share of the events that have a fault, from 0 to 1, for each fault.
    - ``host``, ``port``: the address to listen on; by default loopback and a free port.

    A request with a ``webhook_url`` of this machine gets events, signed with its ``webhook_secret`` or, without one,
    with a secret that only the sandbox knows. An event that is not acknowledged with a 2xx is sent up to eight times,
    at intervals that begin with a twentieth of ``seconds`` and double. Nothing is sent to other machines.

    ```python
    from musicapi_async import MusicAPI
    from musicapi_async.sandbox import Sandbox

    async with Sandbox(seconds=0.5) as sandbox, MusicAPI("any-key", base_url=sandbox.base_url) as client:
        task = await client.sonic.describe(description="lofi rain")
        sandbox.advance(60)
        songs = await task.wait()
        print(songs[0].title, sandbox.account("any-key"))
    ```
    """

    def __init__(
        self,
        *,
        seconds: float = 3.0,
        credits: float = 1000.0,
        keys: tuple[str, ...] | None = None,
        seed: int = 0,
        failure_rate: float = 0.0,
        event_faults: Mapping[EventFault, float] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._state = ServerState(seconds=seconds, credits=credits, keys=keys, seed=seed, failure_rate=failure_rate)
        self._faults = Faults()
        self._event_faults = EventFaults(event_faults or {}, seed)
        self._clock = Clock()
        self._events = EventSender(self._clock, self._event_faults, seconds, seed)
        self._files = Files(self._state, self._clock)
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self.prices: dict[str, float] = self._state.prices
        """Prices of operations, such as ``sonic.create``, that differ from the price list."""
        self.requests: Counter[str] = Counter()
        """The number of requests to each route, including faults."""

    def __repr__(self) -> str:
        """Show the address and the number of accepted tasks."""
        place = "not listening" if self._runner is None else self.base_url
        return f"<Sandbox {place}: {len(self._state.tasks)} tasks accepted>"

    @property
    def base_url(self) -> str:
        """The ``base_url`` for a client."""
        return f"{self._origin}{API}"

    @property
    def accepted(self) -> tuple[SandboxTask, ...]:
        """The tasks that were accepted and charged, in order."""
        return tuple(self._state.tasks.values())

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The attempts to deliver events, in the order of their ends."""
        return tuple(self._events.deliveries)

    def account(self, key: str) -> Account:
        """Return the account of a key, to read or change its balance. Raises KeyError for a key that is not valid."""
        found = self._state.account(key)
        if found is None:
            raise KeyError(key)
        return found

    def add_fault(self, route: str, *faults: Fault) -> None:
        """Queue faults for a route, such as ``POST /sonic/create`` or ``GET /sonic/task/{task_id}``."""
        self._faults.add(route, *faults)

    def add_event_fault(self, event_type: str, *faults: EventFault) -> None:
        """Queue faults for a type of event, such as ``song.completed``: each of the next tasks takes one."""
        self._event_faults.add(event_type, *faults)

    def end_next(self, *endings: Ending) -> None:
        """Set how the next tasks end; later ones end with songs."""
        self._state.endings.extend(endings)

    def advance(self, seconds: float) -> None:
        """Advance the clock of the tasks and their events by this many seconds."""
        self._clock.advance(seconds)

    async def start(self) -> None:
        """Start to listen. Raises OSError when the address cannot be used."""
        self._files.open()
        app = web.Application(middlewares=[self._apply_fault, self._check_key])
        handlers = {"/get-credits": self._credits, "/sonic/batch": self._batch}
        for method, path in sorted(paths()):
            app.router.add_route(method, API + path, self._post if method == "POST" else handlers[path])
        for path in poll_paths():
            app.router.add_get(f"{API}{path}/{{task_id}}", self._poll)
        app.router.add_get("/files/stream/{name}", self._files.stream, allow_head=False)
        app.router.add_get("/files/{name}", self._files.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
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

    async def __aenter__(self) -> Self:
        """Start it. Raises OSError when the address cannot be used."""
        await self.start()
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        await self.aclose()

    @property
    def _origin(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def _file_url(self, name: str) -> str:
        return f"{self._origin}/files/{name}"

    @web.middleware
    async def _apply_fault(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else request.path
        route = f"{request.method} {path.removeprefix(API)}"
        self.requests[route] += 1
        fault = self._faults.take(route)
        if fault is None:
            return await handler(request)
        await asyncio.sleep(fault.delay)
        if fault.cut_after is not None:
            request[CUT_AFTER] = fault.cut_after
        if fault.status is None and not fault.drop:
            return await handler(request)
        if fault.accepted:
            await handler(request)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        if isinstance(fault.body, bytes):
            return web.Response(status=fault.status or 200, body=fault.body, headers=fault.headers)
        return web.json_response(fault.body, status=fault.status or 200, headers=fault.headers)

    @web.middleware
    async def _check_key(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(API):
            return await handler(request)
        header = request.headers.get("Authorization")
        if header is None:
            return _refusal(401, "Authorization header is missing.")
        scheme, _, key = header.partition(" ")
        if scheme != "Bearer" or not key or " " in key:
            return _refusal(401, "Invalid authorization format.")
        account = self._state.account(key)
        if account is None:
            return _refusal(401, "Invalid API key.")
        request[ACCOUNT] = account
        self._state.refund_failed(self._clock.now())
        return await handler(request)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(API)
        try:
            body = read_json(await request.read())
            if path == BATCH:
                return await self._submit_batch(body, request[ACCOUNT])
            made = request_of(path, body)
            check_clip(made, self._state)
        except RefusedError as refused:
            return _refusal(refused.status, str(refused))
        except (ValueError, RecursionError, ConnectionError):
            # Also for a client that disconnected while sending.
            return _refusal(400, "The request body should be JSON.")
        return await self._serve(made, request[ACCOUNT])

    async def _serve(self, made: Request[Any], account: Account) -> web.StreamResponse:
        is_paid = made.is_async_export and self._state.is_repeated(account, made)
        if not is_paid and not account.charge(self._state.price(made)):
            # Only this operation responds with a 402.
            return _refusal(402 if isinstance(made, sonic.CreateVoice) else 403, NO_CREDITS)
        if isinstance(made, TaskRequest):
            task = self._accept(made, account)
            await self._events.before_response(task)
            return web.json_response(accepted(task, self._state))
        is_prepared = not made.is_async_export or self._state.prepare(account, made, self._clock.now())
        if is_async_export(made) and not is_prepared:
            return web.json_response({"type": "not_ready", "error": "still preparing, please retry."}, status=202)
        return web.json_response(response_body(made, self._state, self._file_url))

    def _accept(self, made: TaskRequest[Any], account: Account) -> SandboxTask:
        task = self._state.accept(made, account, self._clock.now())
        self._events.watch(task, self._file_url)
        return task

    async def _submit_batch(self, body: object, account: Account) -> web.StreamResponse:
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
            raise RefusedError("The 'items' field should hold 1 to 10 items.")
        tasks: list[dict[str, object]] = []
        started: list[SandboxTask] = []
        for index, item in enumerate(items):
            try:
                made = request_of("/sonic/create", item)
                check_clip(made, self._state)
            except RefusedError as refused:
                tasks.append({"index": index, "error": str(refused)})
                continue
            if isinstance(made, TaskRequest) and account.charge(self._state.price(made)):
                started.append(self._accept(made, account))
                tasks.append({"index": index, "task_id": started[-1].task_id})
            else:
                tasks.append({"index": index, "error": NO_CREDITS})
        batch_id = self._state.new_id()
        response = {"message": "success", "batch_id": batch_id, "submitted": len(started), "tasks": tasks}
        self._state.batches[batch_id] = account, response
        for task in started:
            await self._events.before_response(task)
        return web.json_response(response)

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        account, response = self._state.batches.get(request.query.get("batch_id", ""), (None, {}))
        if account is not request[ACCOUNT]:
            return _refusal(404, "batch not found.")
        return web.json_response(response)

    async def _credits(self, request: web.Request) -> web.StreamResponse:
        account = request[ACCOUNT]
        return web.json_response({"credits": account.credits, "extra_credits": account.extra_credits})

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        task = self._state.tasks.get(request.match_info["task_id"])
        path = request.path.removeprefix(API).rpartition("/")[0]
        if task is None or task.poll_path != POLL_ALIASES.get(path, path) or task.account is not request[ACCOUNT]:
            return _refusal(400, "task not found.")
        status, body = poll_response(task, task.share(self._clock.now()), self._file_url)
        return web.json_response(body, status=status)


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
