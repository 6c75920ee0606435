"""What a run has to do, row by row."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from musicapi_async.bulk.states import PAGE, UNSETTLED, Row, State, Store, rows_in

__all__ = ["ToDo"]


class ToDo:
    """Gives out a store's rows: those that are paid for and not brought home first, then what is planned.

    Between them come those that an earlier run had refunded and did not come to try again.
    """

    def __init__(self, store: Store, attempts: int) -> None:
        self._store = store
        self._attempts = attempts
        self._rows = self._all()
        self._again: deque[Row] = deque()
        self._taken_up: set[int] = set()
        """Numbers of the rows that an earlier run left."""
        self._picking = asyncio.Lock()
        self.is_stopped = False
        """True when nothing more is to be paid for."""

    async def next(self) -> Row | None:
        """Return the next row, or None when there is none now."""
        async with self._picking:
            while row := self._again.popleft() if self._again else await anext(self._rows, None):
                if row.state != "planned" or not self.is_stopped:
                    return row
        return None

    def again(self, row: Row) -> None:
        """Have a row given out once more."""
        self._again.append(row)

    async def aclose(self) -> None:
        """Give out nothing more."""
        self.is_stopped = True
        await self._rows.aclose()

    async def _all(self) -> AsyncGenerator[Row, None]:
        for state in UNSETTLED:
            async for row in self._left_by_others(state):
                yield row
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
