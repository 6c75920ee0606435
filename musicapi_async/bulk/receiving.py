"""Receiving of the events of a journal's tasks: each is verified, and kept on disk for the run on the journal."""

import asyncio
import os
from typing import Final

from musicapi_async._arguments import usable_path, wrong_argument
from musicapi_async._secrets import Secret, hidden
from musicapi_async._transport.cancellation import complete
from musicapi_async._webhook_inbox import InboxEvent
from musicapi_async._webhook_urls import reference_of
from musicapi_async.bulk.defaults import JOURNAL
from musicapi_async.bulk.journal import inbox_of
from musicapi_async.errors import InvalidRequestError, JournalError
from musicapi_async.webhooks import Event, Headers, verify

__all__ = ["keep_event", "receive"]

SECRET: Final = "MUSICAPI_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable


async def receive(
    path: str | os.PathLike[str], body: bytes, headers: Headers, url: str, secret: str | Secret | None = None
) -> Event:
    """Verify an event and keep it on disk for the journal's run, which takes it within a second, or the next run does.

    - ``path``: the journal's file, or its folder. No lock is needed: any process of the machine may receive.
    - ``body``, ``headers``, ``url``: the request as it arrived, as for ``client.webhooks.receive``.
    - ``secret``: the ``webhook_secret`` of the run's client; None for ``MUSICAPI_WEBHOOK_SECRET``.

    The event is flushed to the disk before this returns: respond with 2xx after that, and with 503 when it
    raises OSError or JournalError, so that the service sends the event again.

    Raises WebhookVerificationError, after which the event must not be believed; InvalidRequestError without a secret;
    JournalError where there is no journal; OSError when the event cannot be kept.
    """
    secret = hidden(secret)  # a traceback may show local variables
    return await complete(asyncio.to_thread(keep_event, path, body, headers, url, secret))


def keep_event(
    path: str | os.PathLike[str], body: bytes, headers: Headers, url: str, secret: str | Secret | None = None
) -> Event:
    """Verify an event and keep it on disk, as ``receive`` does, in the caller's thread."""
    secret = hidden(secret)
    journal = usable_path("path", path, 'name the journal, or its folder: "songs/journal.db"')
    if not isinstance(url, str):
        raise wrong_argument("url", url, "the text of the URL that was requested")
    event = verify(body, headers, _secret_of_environment() if secret is None else secret)
    journal = journal / JOURNAL if journal.is_dir() else journal
    if not journal.is_file():
        raise JournalError(str(journal), "there is none: the event was not kept")
    inbox_of(journal).put(InboxEvent(event.id, event.type, event.task_id, reference_of(url), bytes(body)))
    return event


def _secret_of_environment() -> Secret:
    secret = Secret(os.environ.get(SECRET, "").strip())
    if not secret:
        message = (
            f"no event can be verified without a secret: pass secret=..., or set the environment variable {SECRET}"
        )
        raise InvalidRequestError(message, "secret", None, "ASCII text")
    return secret
