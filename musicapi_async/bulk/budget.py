"""A run's limit of credits: what was spent, what the next song costs, and when to stop."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from musicapi_async.bulk.states import Store
from musicapi_async.errors import BudgetExceededError, InvalidRequestError, MusicAPIError, UncertainSubmissionError

__all__ = ["Budget"]

logger: Final = logging.getLogger("musicapi")

READ_EVERY: Final = 25
"""Songs that are paid for between two looks at the balance."""
DEAREST: Final = 100.0
"""What an operation is thought to cost of which nothing is known."""
PRICES: Final = "prices"


class Budget:
    """Lets a paid request through as long as its price fits below the limit, which is for a journal, all its runs.

    What was spent is counted by price, and by what the balance fell in this run: the larger one counts. The first
    request of an operation goes alone, with a look at the balance before and after it: that is its price from then on.
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
        self._balance = balance
        self._guesses = guesses
        self._prices: dict[str, float] = {}
        self._charged: dict[str, int] = {}
        self._beyond = 0.0
        """What the balance fell more than the prices say."""
        self._before_run = 0.0
        self._at_first = 0.0
        self._last_read = 0.0
        self._unread = 0
        self._probe: str | None = None
        """The operation whose first request was let through alone."""
        self._in_the_air: list[str] = []
        self._door = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def spent(self) -> float:
        """The credits that were spent on this journal."""
        return self._by_price() + self._beyond

    async def open(self) -> None:
        """Recall what was spent and learnt before; without a limit nothing is asked for.

        Raises what asking for the balance raises: without it no limit can be kept.
        """
        if math.isinf(self._limit):
            return
        self._prices = dict(await self._store.recall(PRICES) or {})
        self._charged = dict(await self._store.charged())
        self._before_run = self._by_price()
        self._at_first = self._last_read = await self._balance()

    @asynccontextmanager
    async def room(self, operation: str) -> AsyncIterator[None]:
        """Let one request through; raises BudgetExceededError when its price does not fit."""
        if math.isinf(self._limit):
            yield
            return
        async with self._door:
            await self._wait_for_turn(operation)
        self._in_the_air.append(operation)
        is_charged = True
        try:
            yield
        except MusicAPIError as error:
            is_charged = isinstance(error, UncertainSubmissionError)
            raise
        finally:
            self._in_the_air.remove(operation)
            if is_charged:
                self._charged[operation] = self._charged.get(operation, 0) + 1
                self._unread += 1
            elif self._probe == operation:
                self._probe = None
            self._changed.set()

    def refund(self, operation: str) -> None:
        """Count the credits of a task that failed as given back."""
        if operation in self._charged:
            self._charged[operation] -= 1

    async def _wait_for_turn(self, operation: str) -> None:
        while self._in_the_air and (self._probe is not None or operation not in self._prices):
            self._changed.clear()
            await self._changed.wait()
        if self._probe is not None or self._unread >= READ_EVERY:
            await self._read()
        price = self._price(operation)
        spent = self.spent + sum(map(self._price, self._in_the_air))
        if spent + price > self._limit:
            raise BudgetExceededError(self._limit, spent, price)
        if operation not in self._prices:
            self._probe = operation

    async def _read(self) -> None:
        """Look at the balance, learn the price of a request that went alone, and what prices do not tell."""
        before, probe = self._last_read, self._probe
        self._last_read = await self._balance()
        self._unread = 0
        if probe is not None:
            fell = before - self._last_read
            # Topped up or refunded meanwhile, it tells nothing.
            self._prices[probe] = fell if fell > 0 else self._price(probe)
            self._probe = None
            logger.info("%s costs %g credits", probe, self._prices[probe])
            await self._store.remember(PRICES, self._prices)
        by_balance = self._before_run + self._at_first - self._last_read
        self._beyond = max(0.0, by_balance - self._by_price())

    def _price(self, operation: str) -> float:
        guess = self._guesses.get(operation)
        return self._prices.get(operation, DEAREST if guess is None else guess)

    def _by_price(self) -> float:
        return sum(count * self._price(operation) for operation, count in self._charged.items())
