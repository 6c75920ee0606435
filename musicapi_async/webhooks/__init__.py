"""Events that the service sends to your server: ``webhooks.verify(body, headers, secret)`` returns an ``Event``."""

from musicapi_async._webhook_inbox import FileInbox
from musicapi_async.webhooks.client import ClientWebhooks
from musicapi_async.webhooks.events import Event
from musicapi_async.webhooks.verification import Headers, verify

__all__ = ["ClientWebhooks", "Event", "FileInbox", "Headers", "verify"]
