"""Receiving of the events of a journal's tasks: each is verified, and kept for the run on the journal."""

import asyncio
import os
from pathlib import Path
from typing import Final

from musicapi_async._arguments import usable_path, wrong_argument
from musicapi_async._secrets import Secret, hidden
from musicapi_async._transport.cancellation import complete
from musicapi_async._webhook_inbox import InboxEvent
from musicapi_async._webhook_urls import reference_of
from musicapi_async.bulk.defaults import JOURNAL
from musicapi_async.bulk.folder_inbox import FolderInbox
from musicapi_async.bulk.journal import Journal
from musicapi_async.bulk.opening import open as open_journal
from musicapi_async.bulk.paths import is_database
from musicapi_async.errors import InvalidRequestError, JournalError
from musicapi_async.webhooks import Event, Headers, verify

__all__ = ["keep_event", "receive"]

SECRET: Final = "MUSICAPI_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable


async def receive(
    journal: Journal | str | os.PathLike[str],
    body: bytes,
    headers: Headers,
    url: str,
    secret: str | Secret | None = None,
) -> Event:
    """Verify an event and keep it durably for the journal's run, which takes it within a second, or the next run does.

    - ``journal``: the journal's file, or its folder. No lock is needed: any process of the machine may receive. For a
      journal in a database the address, to which each event connects, or better the journal itself, opened once by
      ``bulk.open``: the worker that waits for the event is notified.
    - ``body``, ``headers``, ``url``: the request as it arrived, as for ``client.webhooks.receive``.
    - ``secret``: the ``webhook_secret`` of the run's client; None for ``MUSICAPI_WEBHOOK_SECRET``.

    The event is on the disk before this returns: respond with 2xx after that, and with 503 when it raises OSError or
    JournalError, so that the service sends the event again.

    Raises WebhookVerificationError, after which the event must not be believed; InvalidRequestError without a secret;
    JournalError where there is no journal, or its database cannot be used; OSError when the event cannot be kept.
    """
    secret = hidden(secret)  # a traceback may show local variables
    if is_database(journal):
        event, kept = verified(body, headers, url, secret)
        async with open_journal(journal) as opened:
            await complete(opened.inbox.put(kept))
        return event
    if isinstance(journal, (str, os.PathLike)):
        return await complete(asyncio.to_thread(keep_event, journal, body, headers, url, secret))
    if not hasattr(journal, "inbox"):
        raise wrong_argument("journal", journal, "a journal, its file, its folder or its address")
    event, kept = verified(body, headers, url, secret)
    await complete(journal.inbox.put(kept))
    return event


def keep_event(
    path: str | os.PathLike[str], body: bytes, headers: Headers, url: str, secret: str | Secret | None = None
) -> Event:
    """Verify an event and keep it for a journal, as ``receive`` does, in the caller's thread, which has no event loop.

    The journal is a file, its folder, or an address.
    """
    secret = hidden(secret)
    if is_database(path):
        return asyncio.run(receive(path, body, headers, url, secret))
    journal = usable_path("path", path, 'name the journal, or its folder: "songs/journal.db"')
    event, kept = verified(body, headers, url, secret)
    FolderInbox(_existing(journal)).files.put(kept)
    return event


def verified(body: bytes, headers: Headers, url: str, secret: Secret | None) -> tuple[Event, InboxEvent]:
    """Return a verified event, and the same as it is kept."""
    if not isinstance(url, str):
        raise wrong_argument("url", url, "the text of the URL that was requested")
    event = verify(body, headers, _secret_of_environment() if secret is None else secret)
    return event, InboxEvent(event.id, event.type, event.task_id, reference_of(url), bytes(body))


def _existing(journal: Path) -> Path:
    journal = journal / JOURNAL if journal.is_dir() else journal
    if not journal.is_file():
        raise JournalError(str(journal), "there is none: the event was not kept")
    return journal


def _secret_of_environment() -> Secret:
    secret = Secret(os.environ.get(SECRET, "").strip())
    if not secret:
        message = (
            f"no event can be verified without a secret: pass secret=..., or set the environment variable {SECRET}"
        )
        raise InvalidRequestError(message, "secret", None, "ASCII text")
    return secret
