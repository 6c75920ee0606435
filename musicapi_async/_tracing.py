"""OpenTelemetry spans, where the program has set up tracing; elsewhere each costs one check. No I/O.

A program with a tracer provider has imported OpenTelemetry already: so it is never imported here first, and there is
nothing to switch on. No text of the user's is in a span: no lyrics, no message of an error, no query of a URL.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit

from musicapi_async._logger import logger

__all__ = ["Attributes", "http_attributes", "span"]

Attributes: TypeAlias = Mapping[str, str | int | bool | None]
"""Attributes of a span; those that are None are not known (yet), and left out."""

OPENTELEMETRY: Final = "opentelemetry.trace"


class _Nothing:
    """A context that does nothing. Static methods: a bound one would be kept by each of thousands of waits."""

    @staticmethod
    def __enter__() -> None:
        """Do nothing."""

    @staticmethod
    def __exit__(*_: object) -> None:
        """Do nothing."""


NOTHING: Final = cast("AbstractContextManager[None]", _Nothing())


def span(
    name: str, describe: Callable[[], Attributes], *, is_request: bool = False, waiting: Iterable[Context] = ()
) -> AbstractContextManager[object]:
    """Return a span around a block, ended with its exception; without tracing, a context that does nothing.

    The attribute ``musicapi.operation`` becomes a part of its name, as in ``submit sonic.create``.
    ``describe`` is called when the span starts and when it ends. ``is_request`` is True for a request to another host.
    ``waiting`` are the contexts of others that wait for the block as well, whose spans are linked.
    """
    if OPENTELEMETRY not in sys.modules:
        return NOTHING
    try:
        from musicapi_async._spans import start  # noqa: PLC0415 - imports OpenTelemetry, which is imported already

        return start(name, describe, is_request=is_request, waiting=waiting) or NOTHING
    except Exception as failure:  # noqa: BLE001 - tracing never ends what it traces, which may be a payment
        logger.warning("tracing failed (%r): the operation continues without its span", failure)
        return NOTHING


def http_attributes(method: str, url: str, status: int | None, attempts: int) -> dict[str, str | int | bool | None]:
    """Return the attributes of a request; of the URL without its user, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return {
        "http.request.method": method,
        "http.response.status_code": status,
        "server.address": parts.hostname,
        "server.port": parts.port or {"https": 443, "http": 80}.get(parts.scheme),
        "url.full": f"{parts.scheme}://{host}{parts.path}",
        "musicapi.attempts": attempts or None,
    }
