"""What is written down of a row that is being paid for, before and after each of its bytes may have left."""

import asyncio

from musicapi_async.bulk.states import Facts, Row, State, Store

__all__ = ["Guard"]


class Guard:
    """Writes down that a row is being sent, before it is."""

    def __init__(self, store: Store, row: Row, charge: float) -> None:
        self.row = row
        self._charge = charge
        self._store = store
        self._moving: asyncio.Task[Row] | None = None

    async def leave(self) -> None:
        """Note that the row may leave from now on."""
        await self._see_through("sending")

    async def stay(self) -> None:
        """Note that it did not, and waits."""
        await self._see_through("planned")

    async def move(self, state: State, reason: str) -> Row:
        """Note how the sending ended, where it was begun."""
        await self._land()
        if self.row.state == "planned" and state in {"planned", "uncertain"}:
            return self.row
        self.row = await self._store.move(self.row, state, Facts(reason=reason))
        return self.row

    async def give_up(self, end: BaseException) -> None:
        """Note what is known of a row whose sending was cut off: before its first byte left, or nobody knows when."""
        if self._moving is not None:
            await self.move("planned", "")
        elif self.row.state == "sending":
            await self.move("uncertain", f"it was cut off: {type(end).__name__}")

    async def _see_through(self, state: State) -> None:
        """Move the row; cancelled meanwhile, it still is known where it is."""
        changes = Facts(charge=self._charge if state == "sending" else None)
        moving: asyncio.Task[Row] = asyncio.ensure_future(self._store.move(self.row, state, changes))
        self._moving = moving
        try:
            self.row = await asyncio.shield(moving)
        except Exception:
            self._moving = None
            raise
        self._moving = None

    async def _land(self) -> None:
        """Know where a row is whose move was cut off: it was made all the same."""
        moving, self._moving = self._moving, None
        if moving is not None:
            self.row = await moving
