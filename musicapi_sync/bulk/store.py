"""The journal of the async package that a blocking one holds: it may be called from any event loop."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, cast

from musicapi_async.bulk import Journal, SQLiteJournal

__all__ = ["Store", "callable_from_any_loop"]


class Store(Journal, Protocol):
    """An async journal that is opened and closed by ``async with``."""

    async def __aenter__(self) -> Self:
        """Open it."""
        ...

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        ...


def callable_from_any_loop(journal: Store) -> Store:
    """Return a journal whose methods may be called from any event loop.

    One in a file works on a thread of its own already. The connections of one in a database belong to the loop that
    made them: its methods are run on a loop of its own, wherever they are called.
    """
    return journal if isinstance(journal, SQLiteJournal) else cast("Store", _OnItsLoop(journal))


class _OnLoop:
    """Object whose coroutines run on the loop of a journal, wherever they are called."""

    def __init__(self, target: Any, loop: Callable[[], asyncio.AbstractEventLoop | None]) -> None:
        self._target = target
        self._loop_now = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **options: Any) -> Any:
            loop = self._loop_now()
            if loop is None:  # it is closed, and says so
                return await found(*arguments, **options)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(found(*arguments, **options), loop))

        return call


class _OnItsLoop(_OnLoop):
    """Journal with an event loop of its own, in a thread that lives while the journal is open."""

    def __init__(self, journal: Store) -> None:
        super().__init__(journal, lambda: self._loop)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.inbox: Any = _OnLoop(journal.inbox, lambda: self._loop)

    async def join(self, on_change: Callable[[], object] | None = None) -> None:
        """Register as a worker; ``on_change`` is called on the loop of the caller."""
        loop = asyncio.get_running_loop()

        def notify() -> None:
            if on_change is not None:
                with suppress(RuntimeError):  # the caller's loop has ended
                    loop.call_soon_threadsafe(on_change)

        await self.__getattr__("join")(notify)

    def limit(self, **limits: Any) -> None:
        """Set the limits of the plan on the journal's loop, which wakes those that wait for a place."""
        self._soon(partial(self._target.limit, **limits))

    def hurry(self) -> None:
        """Have the journal wait for a lost database no longer than a few seconds from now."""
        self._soon(self._target.hurry)

    def _soon(self, work: Callable[[], object]) -> None:
        if (loop := self._loop) is not None:
            loop.call_soon_threadsafe(work)

    async def __aenter__(self) -> Self:
        """Start the loop, and open the journal on it."""
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(loop,), name="musicapi-journal", daemon=True)
        self._thread.start()
        try:
            await self.__getattr__("__aenter__")()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the journal on its loop, and end the loop."""
        try:
            await self.__getattr__("__aexit__")(error_type, error, traceback)
        finally:
            self._end()

    def _end(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
