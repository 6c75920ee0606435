"""Receiving of webhook requests by web servers: an aiohttp.web handler and an ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from musicapi_async._logger import logger
from musicapi_async._transport.cancellation import complete
from musicapi_async.errors import WebhookVerificationError
from musicapi_async.webhooks.responses import BoundedBody, ResponseStatus, declared_length, not_kept
from musicapi_async.webhooks.verification import Headers

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["ASGIApp", "Receive", "Receiver"]

Receive: TypeAlias = Callable[[bytes, Headers, str], Awaitable[ResponseStatus]]
"""Verifies and keeps an event: takes the body, the headers, and the path with the query; returns when it is kept."""
Message: TypeAlias = MutableMapping[str, Any]

DISCARD_TIMEOUT: Final = 5.0
"""Seconds in which the rest of a body that is too large is read."""


class Receiver:
    """Responds to webhook requests by what ``receive`` returns or raises.

    ``receive`` raises WebhookVerificationError for an event that is not verified (401); any other error means that the
    event was not kept (503). Once it has begun it runs to its end, also when the sender leaves or the server cancels
    the request, which ends only then: nothing is left to a task that a server drops when it shuts down. No error
    reaches the sender. ``is_shielded`` is True for a ``receive`` that sees to that itself.
    """

    def __init__(self, receive: Receive, *, is_shielded: bool = False) -> None:
        self._receive = receive
        self._is_shielded = is_shielded
        self.asgi: ASGIApp = ASGIApp(self)
        """An ASGI 3 application, which accepts any path: ``app.add_route(path, receiver.asgi, methods=["POST"])``.

        It may also be mounted; but Starlette and FastAPI redirect the address of a mount itself to the one with a last
        slash, and the service does not follow: with ``app.mount("/hooks", ...)`` use a path below, such as
        ``/hooks/musicapi``.
        """

    def respond(self, body: bytes, headers: Headers, url: str) -> Awaitable[ResponseStatus]:
        """Return the response to a POST, in any framework, to be awaited; ``url`` may lack its scheme and host."""
        responding = self._respond(body, headers, url)
        # A task for each event would cost as much as its verification.
        return responding if self._is_shielded else complete(responding)

    async def _respond(self, body: bytes, headers: Headers, url: str) -> ResponseStatus:
        try:
            return await self._receive(body, headers, url)
        except WebhookVerificationError as error:
            logger.info("refused: %s", error)
            return ResponseStatus.NOT_VERIFIED
        except Exception as error:  # noqa: BLE001 - whatever it was, the service should send the event again
            return not_kept(error)

    async def aiohttp(self, request: "web.Request") -> "web.Response":
        """Respond to a request of ``aiohttp.web``: ``app.router.add_post(path, receiver.aiohttp)``."""
        from aiohttp import web  # noqa: PLC0415 - it takes longer to import than everything else here

        status = await self._respond_aiohttp(request)
        response = web.Response(status=int(status), headers=status.headers or None)
        if not request.content.at_eof():  # the rest of the body would be taken for the next request
            response.force_close()
        return response

    async def _respond_aiohttp(self, request: "web.Request") -> ResponseStatus:
        if request.method != "POST":
            return ResponseStatus.NOT_A_POST
        try:
            body = await self._read_aiohttp(request)
        except Exception as error:  # noqa: BLE001 - the sender left, or a body that cannot be unpacked
            return not_kept(error)
        if body.is_too_large:
            return ResponseStatus.TOO_LARGE
        return await self.respond(body.content, request.headers, request.raw_path)

    async def _read_aiohttp(self, request: "web.Request") -> BoundedBody:
        body, content = BoundedBody(request.content_length), request.content
        if content.at_eof():  # empty, or read by a middleware: the request keeps it
            body.add(await request.read())
            return body

        async def read() -> bool:
            body.add(await content.readany())
            return not content.at_eof()

        await _read_whole(body, read)
        return body


class ASGIApp:
    """The ASGI 3 application of a ``Receiver``: an object, since frameworks take a function for an endpoint."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Respond to a request; take part in the lifespan of a server that has no other application."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})
        elif scope["type"] == "http" and (status := await self._respond(scope, receive)) is not None:
            headers = [(name.lower().encode(), value.encode()) for name, value in status.headers.items()]
            headers.append((b"content-length", b"0"))
            with suppress(OSError):  # the sender has left
                await send({"type": "http.response.start", "status": int(status), "headers": headers})
                await send({"type": "http.response.body", "body": b""})

    async def _respond(self, scope: Message, receive: Callable[[], Awaitable[Message]]) -> ResponseStatus | None:
        """Return the response to a request; None when its sender left before the end of its body."""
        if scope["method"] != "POST":
            return ResponseStatus.NOT_A_POST
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        body, has_left = BoundedBody(declared_length(dict(headers).get(b"content-length"))), False

        async def read() -> bool:
            nonlocal has_left
            message = await receive()
            has_left = message["type"] != "http.request"
            body.add(message.get("body", b""))
            return not has_left and bool(message.get("more_body", False))

        try:
            await _read_whole(body, read)
        except Exception as error:  # noqa: BLE001 - a middleware's
            return not_kept(error)
        if body.is_too_large:
            return ResponseStatus.TOO_LARGE
        return None if has_left else await self._receiver.respond(body.content, headers, _url_of(scope))


async def _read_whole(body: BoundedBody, read: Callable[[], Awaitable[bool]]) -> None:
    """Read a body to its end; of one that is too large, a bounded part within a bounded time."""
    while not body.is_too_large:
        if not await read():
            return
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_TIMEOUT):
            while body.takes_more and await read():
                pass


async def _live(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Confirm the start and the end of a server."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _url_of(scope: Message) -> str:
    """Return the path and the query of a request, as they were sent where the server says."""
    path = scope.get("raw_path") or scope["path"].encode()
    address = path.partition(b"?")[0] + (b"?" + scope["query_string"] if scope.get("query_string") else b"")
    return str(address, "latin-1")
