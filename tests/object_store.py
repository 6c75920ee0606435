"""An S3 server on loopback, moto's, with a server in front of it that loses, delays and refuses requests."""

import asyncio
import base64
import functools
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Self

import aiohttp
import attrs
from aiohttp import web

__all__ = ["BUCKET", "ObjectFault", "ObjectServer", "object_server", "serving_objects"]

BUCKET: Final = "songs-bucket"
REGION: Final = "us-east-1"
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
REFUSAL: Final = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'


@attrs.frozen(kw_only=True)
class ObjectFault:
    """A fault of one request for an object whose name ends with ``key``, or that lists names with ``prefix``."""

    method: str = "PUT"
    key: str = ""
    prefix: str | None = None
    delay: float = 0.0
    status: int | None = None
    """Refuse it with this status and ``code``."""
    code: str = "InternalError"
    drop: bool = False
    """Close the connection without a response."""
    stored: bool = False
    """True where the store does what is requested before the delay."""
    cut: int | None = None
    """Store only so many bytes of the object."""
    replaced_by: bytes | None = None
    """Another program writes this under the name before the request is handled."""

    def is_of(self, method: str, name: str, prefix: str | None) -> bool:
        """Return whether a request has this fault."""
        is_listed = self.prefix is None or (prefix or "").endswith(f"/{self.prefix}")
        return self.method == method and name.endswith(self.key) and is_listed


class ObjectServer:
    """The address of the store, its requests, and what is in it."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.url = ""
        self.requests: Counter[str] = Counter()
        """By method and the name of the object: ``PUT 00001-song.mp3``."""
        self.types: dict[str, str] = {}
        self.signed_by: set[str] = set()
        """The credentials of all requests, as ``key/date/region``."""
        self.faults: list[ObjectFault] = []
        self.checks_digest = False
        """True to refuse an object without the SHA-256 that it is sent with, as S3 itself does."""
        self.s3: Any = _client_of(endpoint)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._http.close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process reaches it."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION, **CREDENTIALS}

    async def names(self, prefix: str = "songs/") -> list[str]:
        """Return the names of the objects below a prefix, sorted."""
        found = await asyncio.to_thread(self.s3.list_objects_v2, Bucket=BUCKET, Prefix=prefix)
        return sorted(one["Key"].removeprefix(prefix) for one in found.get("Contents", ()))

    async def content(self, name: str, prefix: str = "songs/") -> bytes:
        """Return the content of an object."""

        def read() -> bytes:
            found = self.s3.get_object(Bucket=BUCKET, Key=prefix + name)
            self.types[name] = found["ContentType"]
            return bytes(found["Body"].read())

        return await asyncio.to_thread(read)

    async def put(self, name: str, content: bytes, prefix: str = "songs/") -> None:
        """Write an object, as another program does."""
        await asyncio.to_thread(self.s3.put_object, Bucket=BUCKET, Key=prefix + name, Body=content)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.signed_by.add(request.headers.get("Authorization", "").partition("Credential=")[2].partition(",")[0])
        name = request.path.rpartition("/")[2]
        self.requests[f"{request.method} {name}"] += 1
        fault = next((one for one in self.faults if one.is_of(request.method, name, request.query.get("prefix"))), None)
        if fault is not None:
            self.faults.remove(fault)
            await asyncio.sleep(0 if fault.stored else fault.delay)
            if fault.replaced_by is not None:
                await self.put(name, fault.replaced_by)
            if fault.status is not None:
                return self._refuse(fault.status, fault.code, "a fault")
            if fault.drop and not fault.stored:
                return self._drop(request)
            body = body if fault.cut is None else body[: fault.cut]
        expected = request.headers.get("x-amz-checksum-sha256")
        if self.checks_digest and expected not in {None, base64.b64encode(hashlib.sha256(body).digest()).decode()}:
            return self._refuse(400, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        async with self._http.request(
            request.method, self._endpoint + request.raw_path, data=body, headers=headers
        ) as r:
            content = await r.read()
            if fault is not None:
                await asyncio.sleep(fault.delay if fault.stored else 0)
                if fault.drop:
                    return self._drop(request)
            skipped = {"content-length", "transfer-encoding", "connection", "date", "server"}
            given = {name: value for name, value in r.headers.items() if name.lower() not in skipped}
            if request.method == "HEAD":
                given["Content-Length"] = r.headers.get("Content-Length", "0")
            return web.Response(status=r.status, headers=given, body=None if request.method == "HEAD" else content)

    def _drop(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def _refuse(self, status: int, code: str, message: str) -> web.Response:
        return web.Response(
            status=status, content_type="application/xml", text=REFUSAL.format(code=code, message=message)
        )


@functools.cache
def _client_of(endpoint: str) -> Any:
    import boto3  # noqa: PLC0415 - importing it takes half a second, in which no other test needs it

    keys = {name.lower(): value for name, value in CREDENTIALS.items()}
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, **keys)


@contextmanager
def serving_objects() -> Iterator[str]:
    """Serve moto's S3 in a thread, and yield its address."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - as above

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@asynccontextmanager
async def object_server(endpoint: str) -> AsyncIterator[ObjectServer]:
    """Serve an empty bucket behind the server with faults."""
    async with ObjectServer(endpoint) as server:
        await asyncio.to_thread(server.s3.create_bucket, Bucket=BUCKET)
        try:
            yield server
        finally:
            found = await asyncio.to_thread(server.s3.list_objects_v2, Bucket=BUCKET)
            for one in found.get("Contents", ()):
                await asyncio.to_thread(server.s3.delete_object, Bucket=BUCKET, Key=one["Key"])
            await asyncio.to_thread(server.s3.delete_bucket, Bucket=BUCKET)
