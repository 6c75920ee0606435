"""The fake server: routes, keys, faults and files. Its state is in ``state.py``."""

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from musicapi_async._request import Request, TaskRequest
from musicapi_async._transport.cancellation import complete
from musicapi_async.requests import sonic
from musicapi_async.results import UploadedClip
from musicapi_async.sandbox import audio
from musicapi_async.sandbox.checks import RefusedError, paths, poll_paths, request_of
from musicapi_async.sandbox.faults import Fault, Faults
from musicapi_async.sandbox.polls import poll_response
from musicapi_async.sandbox.responses import accepted, is_async_export, response_body
from musicapi_async.sandbox.state import Account, Ending, SandboxTask, ServerState, clip_in
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
    - ``host``, ``port``: the address to listen on; by default loopback and a free port.

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
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._state = ServerState(seconds=seconds, credits=credits, keys=keys, seed=seed, failure_rate=failure_rate)
        self._faults = Faults()
        self._host = host
        self._port = port
        self._ahead = 0.0
        self._runner: web.AppRunner | None = None
        self._folder: Path | None = None
        self._making = asyncio.Lock()
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

    def account(self, key: str) -> Account:
        """Return the account of a key, to read or change its balance. Raises KeyError for a key that is not valid."""
        found = self._state.account(key)
        if found is None:
            raise KeyError(key)
        return found

    def add_fault(self, route: str, *faults: Fault) -> None:
        """Queue faults for a route, such as ``POST /sonic/create`` or ``GET /sonic/task/{task_id}``."""
        self._faults.add(route, *faults)

    def end_next(self, *endings: Ending) -> None:
        """Set how the next tasks end; later ones end with songs."""
        self._state.endings.extend(endings)

    def advance(self, seconds: float) -> None:
        """Advance the clock of the tasks by this many seconds."""
        self._ahead += seconds

    async def start(self) -> None:
        """Start to listen. Raises OSError when the address cannot be used."""
        self._folder = Path(tempfile.mkdtemp(prefix="musicapi-sandbox-"))
        app = web.Application(middlewares=[self._apply_fault, self._check_key])
        handlers = {"/get-credits": self._credits, "/sonic/batch": self._batch}
        for method, path in sorted(paths()):
            app.router.add_route(method, API + path, self._post if method == "POST" else handlers[path])
        for path in poll_paths():
            app.router.add_get(f"{API}{path}/{{task_id}}", self._poll)
        app.router.add_get("/files/stream/{name}", self._file)
        app.router.add_get("/files/{name}", self._file)
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
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

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

    @property
    def _now(self) -> float:
        return time.monotonic() + self._ahead

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
        self._state.refund_failed(self._now)
        return await handler(request)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(API)
        try:
            body = read_json(await request.read())
            if path == BATCH:
                return self._submit_batch(body, request[ACCOUNT])
            made = request_of(path, body)
            self._check_clip(made)
        except RefusedError as refused:
            return _refusal(refused.status, str(refused))
        except (ValueError, RecursionError, ConnectionError):
            # Also for a client that disconnected while sending.
            return _refusal(400, "The request body should be JSON.")
        return self._serve(made, request[ACCOUNT])

    def _serve(self, made: Request[Any], account: Account) -> web.StreamResponse:
        is_paid = made.is_async_export and self._state.is_repeated(account, made)
        if not is_paid and not account.charge(self._state.price(made)):
            # Only this operation responds with a 402.
            return _refusal(402 if isinstance(made, sonic.CreateVoice) else 403, NO_CREDITS)
        if isinstance(made, TaskRequest):
            return web.json_response(accepted(self._state.accept(made, account, self._now), self._state))
        is_prepared = not made.is_async_export or self._state.prepare(account, made, self._now)
        if is_async_export(made) and not is_prepared:
            return web.json_response({"type": "not_ready", "error": "still preparing, please retry."}, status=202)
        return web.json_response(response_body(made, self._state, self._file_url))

    def _check_clip(self, made: Request[Any]) -> None:
        """Refuse a clip of the wrong origin, and an unknown one where the service does."""
        clip = clip_in(made)
        clip_id = clip.clip_id if isinstance(clip, UploadedClip) else clip
        if clip_id is None:
            return
        is_known, is_uploaded = self._state.knows_clip(clip_id), clip_id in self._state.uploaded
        if not is_known and not made.path.endswith("/create"):
            raise RefusedError("clip not found.", 404)
        if is_uploaded and isinstance(made, sonic.AlignLyrics):
            raise RefusedError("clip not found or has no lyrics", 404)
        only_uploaded = isinstance(made, (sonic.AddVocals, sonic.AddInstrumental))
        takes_uploaded = isinstance(clip, UploadedClip) or only_uploaded
        if is_known and (made.upload_task_type or only_uploaded) and is_uploaded != takes_uploaded:
            raise RefusedError("The 'task_type' field is invalid for this clip.")

    def _submit_batch(self, body: object, account: Account) -> web.StreamResponse:
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
            raise RefusedError("The 'items' field should hold 1 to 10 items.")
        tasks: list[dict[str, object]] = []
        for index, item in enumerate(items):
            try:
                made = request_of("/sonic/create", item)
                self._check_clip(made)
            except RefusedError as refused:
                tasks.append({"index": index, "error": str(refused)})
                continue
            if isinstance(made, TaskRequest) and account.charge(self._state.price(made)):
                tasks.append({"index": index, "task_id": self._state.accept(made, account, self._now).task_id})
            else:
                tasks.append({"index": index, "error": NO_CREDITS})
        batch_id = self._state.new_id()
        submitted = sum("task_id" in task for task in tasks)
        response = {"message": "success", "batch_id": batch_id, "submitted": submitted, "tasks": tasks}
        self._state.batches[batch_id] = account, response
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
        status, body = poll_response(task, task.share(self._now), self._file_url)
        return web.json_response(body, status=status)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        clip_id, _, suffix = name.partition(".")
        make = audio.MAKERS.get(suffix)
        if not self._state.knows_clip(clip_id) or make is None or self._folder is None:
            return _refusal(404, "file not found.")
        path = self._folder / name
        async with self._making:
            if not path.exists():
                await asyncio.to_thread(lambda: path.write_bytes(make(clip_id)))
        found = path.stat()
        tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        expected = request.headers.get("If-Range", tag)
        # FileResponse serves ranges, with an ETag built like this one; but it supports If-Range with dates only.
        if expected.endswith('"') and expected != tag:
            content = await asyncio.to_thread(path.read_bytes)
            return web.Response(body=content, headers={"ETag": tag, "Accept-Ranges": "bytes"})
        return web.FileResponse(path)


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
