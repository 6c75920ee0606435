"""The calls in progress of a client: closing it waits for their responses, or cancels them."""

import asyncio
from collections.abc import Callable, Container, Coroutine
from typing import Any, TypeVar

from musicapi_async.errors import ClientClosedError

__all__ = ["ActiveCalls"]

T = TypeVar("T")


class ActiveCalls:
    """The calls in progress, by the asyncio tasks that await them."""

    def __init__(self) -> None:
        self._callers: dict[asyncio.Task[Any], int] = {}
        """How often each task had been cancelled before its call."""
        self._is_closing = False

    async def track(
        self, calling: Coroutine[Any, Any, T], closed_error: Callable[[], ClientClosedError] = ClientClosedError
    ) -> T:
        """Await a call, and register it so that closing can end it.

        Raises ``closed_error`` when the client is closed, also during the call.
        """
        if self._is_closing:
            calling.close()
            raise closed_error()
        caller = asyncio.current_task()
        assert caller is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        before = self._callers[caller] = caller.cancelling()
        try:
            return await calling
        except asyncio.CancelledError:
            # It was cancelled by the closing, or by its caller, perhaps at the same moment.
            if caller in self._callers or caller.uncancel() > before:
                raise
            raise closed_error() from None
        finally:
            self._callers.pop(caller, None)

    def refuse(self) -> None:
        """Refuse further calls: the client is closing."""
        self._is_closing = True

    def end(self, in_flight: Container[asyncio.Task[Any]]) -> None:
        """Cancel the calls that wait for a retry, for a slot, or for the response to a read.

        A submission ``in_flight`` is not cancelled: it becomes uncertain when its socket is closed.
        """
        for caller, before in tuple(self._callers.items()):
            if caller not in in_flight and caller.cancelling() == before:
                del self._callers[caller]
                caller.cancel()
