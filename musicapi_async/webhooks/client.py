"""Receiving of a client's events: verified, matched with its submissions and tasks, and never twice."""

from typing import TYPE_CHECKING

from musicapi_async._arguments import wrong_argument
from musicapi_async._request import TaskRequest
from musicapi_async._tasks.state import ReportedEvent
from musicapi_async._tasks.task import Task, check_timeout
from musicapi_async._tasks.unfinished import fresh
from musicapi_async._transport.cancellation import complete
from musicapi_async._webhook_inbox import InboxEvent
from musicapi_async._webhook_urls import reference_of
from musicapi_async.errors import ClientClosedError, InvalidRequestError, NotFoundError, UncertainSubmissionError
from musicapi_async.webhooks.events import Event, SignedEvent, structure_event
from musicapi_async.webhooks.receiver import ASGIApp, Receiver
from musicapi_async.webhooks.responses import ResponseStatus
from musicapi_async.webhooks.verification import Headers, signed_event

if TYPE_CHECKING:
    from aiohttp import web

    from musicapi_async._engine import Engine

__all__ = ["ClientWebhooks"]


class ClientWebhooks:
    """The events of one client's tasks: ``client.webhooks``.

    Give one of its adapters the path of ``webhook_url``, or call ``receive`` in a view of your own.
    """

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        # Without an inbox nothing is awaited; writing to one is shielded.
        self._receiver = Receiver(self._respond, is_shielded=True)

    @property
    def asgi(self) -> ASGIApp:
        """An ASGI 3 application: ``app.add_route(path, client.webhooks.asgi, methods=["POST"])``.

        For Starlette, FastAPI and others. It accepts any path, and may be mounted; then give the service an address
        below that of the mount, since frameworks redirect the mount's own address.
        """
        return self._receiver.asgi

    async def aiohttp(self, request: "web.Request") -> "web.Response":
        """Respond to a request of ``aiohttp.web``: ``app.router.add_post(path, client.webhooks.aiohttp)``.

        The response is 200 when the event was verified and kept, 401 when it was not verified, 405 for another method
        than POST, 413 for a body above 1 MiB, and 503 when the event could not be kept.
        """
        return await self._receiver.aiohttp(request)

    async def _respond(self, body: bytes, headers: Headers, url: str) -> ResponseStatus:
        await self._keep(self._verified(body, headers, url), url)
        return ResponseStatus.KEPT

    async def receive(self, body: bytes, headers: Headers, url: str) -> Event:
        """Verify an event, and wake the waits of its task.

        - ``body``: the request's body, byte for byte as it arrived.
        - ``headers``: the request's headers (any mapping, names in any case, or pairs).
        - ``url``: the URL that was requested, with its query; scheme and host may be missing.

        A finished task with every expected clip needs no poll; anything else that the event reports is checked by one
        poll at once. An event that came before does nothing. ``event.matched`` is False for a task or submission that
        this client does not have: forward it to the process that has.

        Raises WebhookVerificationError, after which the event must not be believed; InvalidRequestError for a client
        without a ``webhook_secret``; ClientClosedError when the client was closed; OSError when ``webhook_inbox``
        cannot keep it: respond with a 503, and the service sends it again.
        """
        signed = self._verified(body, headers, url)
        return structure_event(signed, matched=await self._keep(signed, url))

    def _verified(self, body: bytes, headers: Headers, url: str) -> SignedEvent:
        secret = self._engine.settings.webhook_secret
        if secret is None:
            message = "a client without webhook_secret cannot verify events: pass MusicAPI(webhook_secret=...)"
            raise InvalidRequestError(message, "webhook_secret", None, "ASCII text")
        if not isinstance(url, str):
            raise wrong_argument("url", url, "the text of the URL that was requested")
        return signed_event(body, headers, secret)

    async def _keep(self, signed: SignedEvent, url: str) -> bool:
        """Wake the waits of an event, after it is on disk where there is an inbox; return whether it is matched."""
        self._engine.shared.connections.check()
        reference, inbox = reference_of(url), self._engine.shared.inbox
        reported = ReportedEvent(signed.type, signed.task_id, signed.body, signed.content)
        if inbox is None:
            return self._engine.events.receive(signed.id, reported, reference)
        kept = InboxEvent(signed.id, signed.type, signed.task_id, reference, signed.content)
        return await complete(inbox.put(kept, reported))

    async def recover(self, error: UncertainSubmissionError, timeout: float | None = 600.0) -> Task[object]:
        """Return the task of an uncertain submission as soon as its event has come, also one that came before.

        ``timeout`` is the time to wait for the event, in seconds; None for no limit. One poll then checks that the
        service knows the task under this client's key.

        Type checkers do not know the operation of an exception: the task is typed as one of ``object``. Where the
        operation is known, ``client.resume(sonic.Describe, task.id)`` is the same task with its type.

        Raises the error itself, with a note, when no event comes, the client is closed, or the service does not know
        the task: its outcome is still unknown. Raises the errors of ``Task.poll`` when that could not be checked: the
        event is remembered, so try again. Raises InvalidRequestError for an error without a ``reference``: its
        submission was sent without ``webhook_url``.
        """
        if not isinstance(error, UncertainSubmissionError):
            raise wrong_argument("error", error, "an UncertainSubmissionError")
        check_timeout(timeout)
        request = error.request
        if error.reference is None or not isinstance(request, TaskRequest):
            message = "error has no reference: its submission was sent without this client's webhook_url"
            raise InvalidRequestError(message, "error", None, "an error of a submission with webhook_url")
        if (inbox := self._engine.shared.inbox) is not None:
            inbox.start()
        try:
            task_id = await self._engine.calls.track(self._engine.events.task_id_of(error.reference, timeout))
        except ClientClosedError:
            raise _with_note(error, "the client was closed before an event of it came") from None
        if task_id is None:
            raise _with_note(error, f"no event of it came within {timeout:g} s")
        task: Task[object] = self._engine.resume(type(request), task_id)
        try:
            await task.poll()
        except NotFoundError:
            raise _with_note(error, f"its event names task {task_id}, which the service does not know") from None
        return task


def _with_note(error: UncertainSubmissionError, note: str) -> UncertainSubmissionError:
    copy = fresh(error)
    copy.add_note(note)
    return copy
