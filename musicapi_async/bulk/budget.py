"""A journal's limit of credits: what was spent, what the next song costs, and when to stop."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from musicapi_async.bulk.states import Store
from musicapi_async.errors import BudgetExceededError, InvalidRequestError, MusicAPIError, UncertainSubmissionError

__all__ = ["PRICES", "Budget"]

logger: Final = logging.getLogger("musicapi")

MOST_UNREAD: Final = 25
"""Songs that are paid for between two looks at the balance, at most."""
DEARER: Final = 10.0
"""A price that rises as many times between two looks at the balance still keeps within the limit."""
DEAREST: Final = 100.0
"""What an operation is thought to cost of which nothing is known."""
PRICES: Final = "prices"
SPENT: Final = "spent"


class Budget:
    """Lets a paid request through as long as its price fits below the limit, which is for a journal, all its runs.

    What was spent is what the balance fell, and the price of what was paid for since the last look at it. The first
    request of an operation goes alone, between two looks: that is its price. The nearer the limit, the more often the
    balance is looked at, at last before each request.
    """

    def __init__(
        self,
        limit: float | None,
        store: Store,
        balance: Callable[[], Awaitable[float]],
        guesses: Mapping[str, float | None],
    ) -> None:
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit >= 0):
            message = f"max_credits is {limit!r}; it must be a number of credits, at least 0, or None for no limit"
            raise InvalidRequestError(message, "max_credits", limit, ">= 0, or None")
        self._limit = math.inf if limit is None else limit
        self._store = store
        self._ask_balance = balance
        self._guesses = guesses
        self._prices: dict[str, float] = {}
        self._spent = 0.0
        """At the last look."""
        self._balance = 0.0
        self._unread: dict[str, int] = {}
        """How often each operation was paid for since the last look, refunds left out."""
        self._refunded = 0.0
        """What came back since the last look, by price."""
        self._is_clear = True
        """False when the next look tells nothing of prices: something came back, or may not have been accepted."""
        self._in_the_air: list[str] = []
        self._door = asyncio.Lock()
        self._landed = asyncio.Event()

    @property
    def is_limited(self) -> bool:
        """True when there is a limit to keep."""
        return not math.isinf(self._limit)

    async def open(self) -> None:
        """Recall what was spent and learnt before; without a limit nothing is asked for.

        Raises what asking for the balance raises: without it no limit can be kept.
        """
        if not self.is_limited:
            return
        self._prices = dict(await self._store.recall(PRICES) or {})
        known = await self._store.recall(SPENT) or {"credits": 0.0, "charged": {}}
        charged = await self._store.charged()
        self._spent = float(known["credits"])
        since = {operation: count - known["charged"].get(operation, 0) for operation, count in charged.items()}
        self._unread = {operation: count for operation, count in since.items() if count > 0}
        # What was paid for after the last look of an earlier run is in its price; from here on the balance tells.
        self._spent = await self._keep(self._estimate())
        self._balance = await self._ask_balance()

    async def admit(self, operation: str) -> None:
        """Wait until a request may go; raises BudgetExceededError when its price does not fit, and what a look raises.

        Whoever was let in goes through ``paying`` at once.
        """
        if not self.is_limited:
            return
        async with self._door:
            if not self._may_go_unseen(operation) or not self._fits(operation):
                while self._in_the_air:
                    self._landed.clear()
                    await self._landed.wait()
                if self._unread or self._refunded:
                    await self._look()
            if not self._fits(operation):
                raise BudgetExceededError(self._limit, self._estimate(), self._price(operation))
            self._in_the_air.append(operation)

    @asynccontextmanager
    async def paying(self, operation: str) -> AsyncIterator[None]:
        """Count a request that was let in as paid for, unless it certainly was not."""
        is_charged = True
        try:
            yield
        except MusicAPIError as error:
            is_charged = isinstance(error, UncertainSubmissionError)
            self._is_clear &= not is_charged
            raise
        finally:
            if self.is_limited:
                self._in_the_air.remove(operation)
                if is_charged:
                    self._unread[operation] = self._unread.get(operation, 0) + 1
                self._landed.set()

    def refund(self, operation: str) -> None:
        """Note that the credits of a task that failed came back: they count when they are seen in the balance."""
        self._refunded += self._price(operation)
        self._is_clear = False

    def _may_go_unseen(self, operation: str) -> bool:
        if operation not in self._prices:
            return False
        under_way = len(self._in_the_air) + sum(self._unread.values())
        if not under_way:
            return True
        dearest = max(self._price(operation), *map(self._price, (*self._unread, *self._in_the_air)), 1.0)
        return under_way + 1 <= min(MOST_UNREAD, (self._limit - self._estimate()) / (dearest * DEARER))

    def _fits(self, operation: str) -> bool:
        return self._estimate() + self._price(operation) <= self._limit

    async def _look(self) -> None:
        """Look at the balance while nothing is in the air: what it fell was spent."""
        before, self._balance = self._balance, await self._ask_balance()
        fell = before - self._balance
        if self._is_clear and fell > 0 and self._unread:
            await self._learn(self._unread, fell)
        # More came back than was given back: somebody has bought credits, and the prices must do.
        is_topped_up = fell < -self._refunded
        self._spent = await self._keep(self._estimate() if is_topped_up else self._spent + fell)

    async def _learn(self, paid: Mapping[str, int], fell: float) -> None:
        if len(paid) == 1:
            ((operation, count),) = paid.items()
            found = {operation: fell / count}
        else:
            # Which of them became dearer is not seen: all of them, then.
            dearer = fell / max(1.0, sum(count * self._price(operation) for operation, count in paid.items()))
            found = {operation: self._price(operation) * dearer for operation in paid} if dearer > 1 else {}
        for operation, price in found.items():
            if self._prices.get(operation) != price:
                logger.info("%s costs %g credits", operation, price)
        if found:
            self._prices |= found
            await self._store.remember(PRICES, self._prices)

    async def _keep(self, spent: float) -> float:
        self._unread, self._refunded, self._is_clear = {}, 0.0, True
        await self._store.remember(SPENT, {"credits": spent, "charged": dict(await self._store.charged())})
        return spent

    def _price(self, operation: str) -> float:
        guess = self._guesses.get(operation)
        return self._prices.get(operation, DEAREST if guess is None else guess)

    def _estimate(self) -> float:
        """Return what was spent, with what may be spent by those in the air."""
        unread = sum(count * self._price(operation) for operation, count in self._unread.items())
        return self._spent + unread + sum(map(self._price, self._in_the_air))
