"""The web application of the fake server: routes, keys and faults. Its state is in ``state.py``."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import attrs
from aiohttp import web

from musicapi_async._request import Request, TaskRequest
from musicapi_async.requests import sonic
from musicapi_async.sandbox.checks import RefusedError, check_clip, paths, poll_paths, request_of
from musicapi_async.sandbox.clock import Clock
from musicapi_async.sandbox.delivery import EventSender
from musicapi_async.sandbox.faults import Faults
from musicapi_async.sandbox.files import CUT_AFTER, Files
from musicapi_async.sandbox.polls import FileUrl, poll_response
from musicapi_async.sandbox.received import ReceivedRequest, RequestLog
from musicapi_async.sandbox.responses import accepted, is_async_export, response_body
from musicapi_async.sandbox.state import Account, SandboxTask, ServerState
from musicapi_async.wire.json import read_json

__all__ = ["API", "FILE_ROUTES", "App", "known_routes"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API: Final = "/api/v1"
FILES: Final = "/files"
FILE_ROUTES: Final = (f"GET {FILES}/{{name}}", f"GET {FILES}/stream/{{name}}")
BATCH: Final = "/sonic/batch"
MAX_ITEMS: Final = 10
POLL_ALIASES: Final = {"/suno/clip": "/sonic/task"}
"""Legacy poll paths of other paths."""
NO_CREDITS: Final = "The remaining credits are not enough. You can buy more one-time credit packs or subscribe."
ACCOUNT: Final = web.RequestKey("account", Account)


def known_routes() -> frozenset[str]:
    """Return the routes of the sandbox, such as ``POST /sonic/create`` and ``GET /sonic/task/{task_id}``."""
    calls = {f"{method} {path}" for method, path in paths()}
    return frozenset({*calls, *(f"GET {path}/{{task_id}}" for path in poll_paths()), *FILE_ROUTES})


@attrs.frozen(eq=False)
class App:
    """The handlers of the fake server's routes."""

    _state: ServerState
    _clock: Clock
    _faults: Faults
    _events: EventSender
    _files: Files
    _log: RequestLog
    _file_url: FileUrl

    def build(self) -> web.Application:
        """Return the application that serves all routes."""
        app = web.Application(middlewares=[self._apply_fault, self._check_key])
        handlers = {"/get-credits": self._credits, "/sonic/batch": self._batch}
        for method, path in sorted(paths()):
            app.router.add_route(method, API + path, self._post if method == "POST" else handlers[path])
        for path in poll_paths():
            app.router.add_get(f"{API}{path}/{{task_id}}", self._poll)
        app.router.add_get(f"{FILES}/stream/{{name}}", self._files.stream, allow_head=False)
        app.router.add_get(f"{FILES}/{{name}}", self._files.serve)
        return app

    async def _received(self, request: web.Request) -> str:
        """Note a request, and return its route."""
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else request.path
        route = f"{request.method} {path.removeprefix(API)}"
        received = ReceivedRequest(route=route, path=request.path.removeprefix(API))
        self._log.add(received)
        if request.can_read_body:
            with suppress(ConnectionError):  # a client that disconnected while sending
                received.body = await request.read()
        return route

    @web.middleware
    async def _apply_fault(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = await self._received(request)
        fault = self._faults.take(route, at_random=request.path.startswith(API))
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
            made = request_of(path, body, self._state.models)
            check_clip(made, self._state)
        except RefusedError as refused:
            return _refusal(refused.status, str(refused))
        except (ValueError, RecursionError, ConnectionError):
            # Also for a client that disconnected while sending.
            return _refusal(400, "The request body should be JSON.")
        return await self._serve(made, request[ACCOUNT])

    async def _serve(self, made: Request[Any], account: Account) -> web.StreamResponse:
        is_paid = made.is_async_export and self._state.is_repeated(account, made)
        if not is_paid and not self._state.charge(account, self._state.price(made)):
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
                made = request_of("/sonic/create", item, self._state.models)
                check_clip(made, self._state)
            except RefusedError as refused:
                tasks.append({"index": index, "error": str(refused)})
                continue
            if isinstance(made, TaskRequest) and self._state.charge(account, self._state.price(made)):
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
