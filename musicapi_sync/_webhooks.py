"""The events of a blocking client's tasks: verified, matched, and acknowledged in WSGI servers."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.webhooks import Event, Headers
from musicapi_async.webhooks.responses import ResponseStatus
from musicapi_sync._loop_thread import View
from musicapi_sync._receiver import Receiver
from musicapi_sync._tasks import Task

__all__ = ["ClientWebhooks"]


class ClientWebhooks:
    """The events of one client's tasks: ``client.webhooks``.

    Any thread may receive them; the waits they wake may be in others.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._receiver = Receiver(self._respond)

    def receive(self, body: bytes, headers: Headers, url: str) -> Event:
        """Verify an event, and wake the waits of its task.

        See ``musicapi_async.webhooks.ClientWebhooks.receive``; raises its errors.
        """
        return self._view.call(lambda client, _: client.webhooks.receive(body, headers, url))

    def recover(self, error: UncertainSubmissionError, timeout: float | None = 600.0) -> Task[object]:
        """Return the task of an uncertain submission as soon as its event has come, also one that came before.

        See ``musicapi_async.webhooks.ClientWebhooks.recover``; raises its errors.
        """
        return Task(self._view, self._view.call(lambda client, _: client.webhooks.recover(error, timeout)))

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request as a WSGI application, which accepts any path: Flask, Django, or a server of its own.

        The responses are those of ``musicapi_async.webhooks.ClientWebhooks.aiohttp``.
        """
        return self._receiver.wsgi(environ, start_response)

    def _respond(self, body: bytes, headers: Headers, url: str) -> ResponseStatus:
        self.receive(body, headers, url)
        return ResponseStatus.KEPT
