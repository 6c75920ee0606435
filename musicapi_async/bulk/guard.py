"""Records how far the sending of a row has come, before and after each of its bytes may have left."""

from typing import Final

from musicapi_async._transport.shielding import complete
from musicapi_async.bulk.states import Facts, Row, State, Store

__all__ = ["Guard"]

NOTHING: Final = Facts()


class Guard:
    """Records that a row is being sent, before it is; its moves are completed although its caller is cancelled."""

    def __init__(self, store: Store, row: Row, charge: float) -> None:
        self.row = row
        self._charge = charge
        self._store = store
        self._task_id: str | None = None

    async def before_send(self) -> None:
        """Note that the row may leave from now on."""
        await complete(self._move("sending", Facts(charge=self._charge)))

    async def not_accepted(self) -> None:
        """Note that it did not, and waits."""
        if self.row.state != "planned":
            await complete(self._move("planned"))

    def accepted(self, task_id: str) -> None:
        """Note the id of what was accepted although the worker was cancelled."""
        self._task_id = task_id

    async def move(self, state: State, reason: str) -> Row:
        """Note how the sending ended, where it was begun."""
        if self.row.state != "planned" or state not in {"planned", "uncertain"}:
            await complete(self._move(state, Facts(reason=reason)))
        return self.row

    async def give_up(self, end: BaseException) -> None:
        """Note what is known of a row whose sending was cut off: its task, or that it is uncertain."""
        if self._task_id is not None:
            await complete(self._move("accepted", Facts(task_id=self._task_id)))
        elif self.row.state == "sending":
            reason = "; ".join(getattr(end, "__notes__", ())) or type(end).__name__
            await self.move("uncertain", f"it was cut off: {reason}")

    async def _move(self, state: State, facts: Facts = NOTHING) -> None:
        self.row = await self._store.move(self.row, state, facts)
