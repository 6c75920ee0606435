"""What a run has to do, row by row."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from musicapi_async.bulk.states import PAGE, UNSETTLED, Row, State, Store, rows_in

__all__ = ["ToDo"]


class ToDo:
    """Gives out a store's rows: those that are paid for and not brought home first, then what is planned.

    Between them come those that an earlier run had refunded and did not come to try again.
    """

    def __init__(self, store: Store, attempts: int, on_stop: Callable[[], None]) -> None:
        self._store = store
        self._on_stop = on_stop
        self._attempts = attempts
        self._rows = self._all()
        self._again: deque[Row] = deque()
        self._taken_up: set[int] = set()
        """Numbers of the rows that an earlier run left."""
        self._picking = asyncio.Lock()
        self.stopped_by: BaseException | None = None
        """Why nothing more is paid for."""
        self.is_closed = False
        """True when nothing more is resumed either."""

    @property
    def is_stopped(self) -> bool:
        """True when nothing more is to be paid for."""
        return self.stopped_by is not None

    def stop(self, error: BaseException, *, is_for_all: bool = False) -> None:
        """Have nothing more paid for, because of this error; nothing resumed either if it ``is_for_all``."""
        self.stopped_by = self.stopped_by or error
        self.is_closed |= is_for_all
        self._on_stop()

    async def next(self) -> Row | None:
        """Return the next row, or None when there is none now."""
        async with self._picking:
            while not self.is_closed and (
                row := self._again.popleft() if self._again else await anext(self._rows, None)
            ):
                if row.state != "planned" or not self.is_stopped:
                    return row
        return None

    def again(self, row: Row) -> None:
        """Have a row given out once more."""
        self._again.append(row)

    async def aclose(self) -> None:
        """Give out nothing more."""
        self.is_closed = True
        await self._rows.aclose()

    async def _all(self) -> AsyncGenerator[Row, None]:
        for state in UNSETTLED:
            async for row in self._left_by_others(state):
                yield row
        # Refunded alone: other failures are sent again only when their user says so.
        async for row in self._left_by_others("refunded", is_wanted=True):
            if row.attempts < self._attempts and not self.is_stopped:
                moved = await self._store.move(row, "planned")
                if moved.state == "planned":  # uncertain in a journal that has lost entries
                    yield moved
        await self._store.start()
        while not self.is_stopped and (taken := await self._store.take(PAGE)):
            for row in taken:
                # It may be one that is tried again.
                if row.number not in self._taken_up:
                    yield row

    async def _left_by_others(self, state: State, *, is_wanted: bool = False) -> AsyncGenerator[Row, None]:
        """Go through the rows in a state that this run has not brought there itself."""
        async for row in rows_in(self._store, state, is_wanted=is_wanted):
            if row.number not in self._taken_up:
                self._taken_up.add(row.number)
                yield row
