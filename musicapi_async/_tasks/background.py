"""The work of a client's runs that continues between their outcomes: sources, workers, outcomes not yet returned."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Container, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Generic, NoReturn, TypeVar

import attrs

from musicapi_async._request import TaskRequest, checked_item
from musicapi_async._tasks.unfinished import MAX_TASKS, fresh, log_tasks
from musicapi_async.errors import ClientClosedError

__all__ = ["Background", "RequestSource"]

R = TypeVar("R")

RESPONSE_CHECK: Final = 0.05
"""Seconds between two checks for the response to a paid request, when a run is closed."""
WORKER_END: Final = 1.0
"""Seconds that the workers of a closing client have to return their outcomes."""


@attrs.define(repr=False, eq=False)
class Background:
    """The work in progress of a client's runs: ended with the client."""

    in_flight: Mapping[asyncio.Task[Any], object]
    """The tasks whose paid request is in flight."""
    workers: set[asyncio.Task[None]] = attrs.field(factory=set)
    sources: "set[RequestSource[Any]]" = attrs.field(factory=set)
    undelivered: dict[str, str] = attrs.field(factory=dict)
    """By id, the expressions that resume tasks whose outcome was not returned yet; dropped runs leave theirs here."""

    _is_reported: bool = False

    def add_undelivered(self, task_id: str, resumption: str) -> None:
        """Note a task whose outcome was not returned yet; of more than ``MAX_TASKS`` the oldest is forgotten."""
        if len(self.undelivered) >= MAX_TASKS:
            del self.undelivered[next(iter(self.undelivered))]
        self.undelivered[task_id] = resumption

    async def end(self, closer: asyncio.Task[Any] | None) -> None:
        """Take no more requests; let the workers return their outcomes, and cancel those that do not end.

        ``closer`` is the task that closes the client.
        """
        for source in tuple(self.sources):
            source.stop(ClientClosedError())
            await source.aclose(closer)
        if self.workers:
            _, stuck = await asyncio.wait(self.workers, timeout=WORKER_END)
            for worker in stuck:
                worker.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)

    def report(self, named: Container[str]) -> None:
        """Log, once, the finished tasks of runs whose outcome was not returned, except those in ``named``."""
        left = {} if self._is_reported else {id: how for id, how in self.undelivered.items() if id not in named}
        self._is_reported = True
        log_tasks(left, "finished, and their outcome was not returned")

    async def wait_for_response(self, sender: asyncio.Task[Any]) -> None:
        """Return when the sender has no paid request in flight."""
        while sender in self.in_flight:
            await asyncio.wait({sender}, timeout=RESPONSE_CHECK)

    async def stop(self, workers: set[asyncio.Task[None]]) -> None:
        """Cancel workers, but not while their paid request is in flight: its response contains the id of the task."""
        while workers:
            for worker in workers - self.in_flight.keys():
                worker.cancel()
            await asyncio.wait(workers, timeout=RESPONSE_CHECK)


class RequestSource(Generic[R]):
    """The remaining requests, taken one at a time; an async source is read by a separate asyncio task."""

    def __init__(
        self,
        requests: Iterable[TaskRequest[R]] | AsyncIterable[TaskRequest[R]],
        changed: asyncio.Event,
        background: Background,
    ) -> None:
        self._requests: Iterator[TaskRequest[R]] | AsyncIterable[TaskRequest[R]]
        self._requests = requests if isinstance(requests, AsyncIterable) else iter(requests)
        self._changed = changed
        self._background = background
        self._wanted = asyncio.Event()
        self._pulled: TaskRequest[R] | None = None
        self._puller: asyncio.Task[None] | None = None
        self._exhausted = False
        self._is_closed = False
        self.error: BaseException | None = None
        self._raised_at: TracebackType | None = None

    @property
    def is_pulling(self) -> bool:
        """True while the next request of an async source is awaited."""
        return not self._exhausted and self._wanted.is_set()

    def take(self) -> TaskRequest[R] | None:
        """Return the next request; None when there is none, or none yet."""
        if self._exhausted:
            return None
        if isinstance(self._requests, AsyncIterable):
            return self._take_pulled(self._requests)
        try:
            # Also because None means that there is no request.
            return checked_item(next(self._requests))
        except StopIteration:
            self._exhausted = True
        except Exception as error:  # noqa: BLE001 - raised once all started requests are returned
            self.stop(error)
        return None

    def stop(self, error: BaseException) -> None:
        """Take no more requests, because of this error."""
        self.error, self._raised_at = error, error.__traceback__
        self._exhausted = True

    def raise_error(self, error: BaseException) -> NoReturn:
        """Raise the error that ended the source; raised again, its traceback does not grow."""
        raise fresh(error).with_traceback(self._raised_at)

    async def aclose(self, closer: asyncio.Task[Any] | None) -> None:
        """Take no more requests, and end the task that reads an async source."""
        self._exhausted = self._is_closed = True
        # A source may close its own run: it continues to its next request, and ends there.
        if self._puller is not None and self._puller is not closer:
            self._puller.cancel()
            await asyncio.gather(self._puller, return_exceptions=True)

    def _take_pulled(self, requests: AsyncIterable[TaskRequest[R]]) -> TaskRequest[R] | None:
        request, self._pulled = self._pulled, None
        if request is None and not self._wanted.is_set():
            self._wanted.set()
            if self._puller is None:
                self._background.sources.add(self)
                self._puller = asyncio.get_running_loop().create_task(self._pull(requests))
        return request

    async def _pull(self, requests: AsyncIterable[TaskRequest[R]]) -> None:
        try:
            async for request in requests:
                if self._is_closed:
                    break
                self._pulled = checked_item(request)
                self._wanted.clear()
                self._changed.set()
                await self._wanted.wait()
        except (Exception, asyncio.CancelledError) as error:
            # Cancelled by us, it just ends; a source that raises a cancellation itself is not exhausted.
            if self._is_closed:
                raise
            self.stop(error)
        finally:
            self._exhausted = True
            self._background.sources.discard(self)
            self._changed.set()
            # A source is closed in the task that opened it, even if it was not exhausted.
            if isinstance(requests, AsyncGenerator):
                await requests.aclose()
