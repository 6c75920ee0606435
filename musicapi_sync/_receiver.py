"""Receiving of webhook requests by web servers: a WSGI application."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from musicapi_async._logger import logger
from musicapi_async.errors import WebhookVerificationError
from musicapi_async.webhooks import Headers
from musicapi_async.webhooks.responses import BoundedBody, ResponseStatus, declared_length, not_kept

__all__ = ["Receive", "Receiver"]

Receive: TypeAlias = Callable[[bytes, Headers, str], ResponseStatus]
"""Verifies and keeps an event: takes the body, the headers, and the path with the query; returns when it is kept."""
CHUNK: Final = 64 * 1024


class Receiver:
    """Responds to webhook requests by what ``receive`` returns or raises.

    ``receive`` raises WebhookVerificationError for an event that is not verified (401); any other error means that the
    event was not kept (503). No error reaches the sender.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def respond(self, body: bytes, headers: Headers, url: str) -> ResponseStatus:
        """Return the response to a POST, in any framework; ``url`` may lack its scheme and host."""
        try:
            return self._receive(body, headers, url)
        except WebhookVerificationError as error:
            logger.info("refused: %s", error)
            return ResponseStatus.NOT_VERIFIED
        except Exception as error:  # noqa: BLE001 - whatever it was, the service should send the event again
            return not_kept(error)

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request as a WSGI application, which accepts any path."""
        status = self._respond(environ)
        headers = [*status.headers.items(), ("Content-Length", "0")]
        start_response(f"{status.value} {HTTPStatus(status).phrase}", headers)
        return ()

    def _respond(self, environ: WSGIEnvironment) -> ResponseStatus:
        if environ["REQUEST_METHOD"] != "POST":
            return ResponseStatus.NOT_A_POST
        try:
            body = _read_body(environ)
        except Exception as error:  # noqa: BLE001 - the server's: the sender left
            return not_kept(error)
        return ResponseStatus.TOO_LARGE if body.is_too_large else self.respond(body.content, environ, _url_of(environ))


def _read_body(environ: WSGIEnvironment) -> BoundedBody:
    """Read a body to its end; of one that is too large, a bounded part."""
    length = declared_length(environ.get("CONTENT_LENGTH"))
    body = BoundedBody(length)
    # Without a length only some servers end the input.
    left = length if length is not None else float("inf") if environ.get("wsgi.input_terminated") else 0
    stream: Any = environ["wsgi.input"]
    while left > 0 and body.takes_more and (chunk := stream.read(int(min(left, CHUNK)))):
        body.add(chunk)
        left -= len(chunk)
    return body


def _url_of(environ: WSGIEnvironment) -> str:
    """Return the path, percent-encoded again, and the query of a request."""
    path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path
