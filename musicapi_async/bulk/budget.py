"""Admission of paid requests under a journal's limit of credits."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from musicapi_async._arguments import is_amount
from musicapi_async.bulk.spending import Spending, pricing_key
from musicapi_async.bulk.states import Row, Store
from musicapi_async.errors import BudgetExceededError, InvalidRequestError, MusicAPIError, UncertainSubmissionError

__all__ = ["Budget"]

logger: Final = logging.getLogger("musicapi")

SPENDING: Final = "spending"
"""Name under which the journal keeps what was observed of the balance."""
FORMER_PRICES: Final = "prices"
FORMER_SPENT: Final = "spent"
"""Names under which journals of earlier versions keep learned prices and what was spent."""


class Budget:
    """Admits a paid request while its charge fits below the limit, which is for a journal, all its runs together.

    The limit holds as long as no request costs more than the price that is known when it is sent. See ``Spending``.
    """

    def __init__(
        self,
        limit: float | None,
        store: Store,
        balance: Callable[[], Awaitable[float]],
        price_list: Mapping[str, float | None],
    ) -> None:
        if limit is not None and not is_amount(limit):
            message = f"max_credits is {limit!r}; it must be a number of credits, at least 0, or None for no limit"
            raise InvalidRequestError(message, "max_credits", limit, ">= 0, or None")
        self._limit = math.inf if limit is None else limit
        self._store = store
        self._request_balance = balance
        self._price_list = price_list
        self._spending = Spending(price_list)
        self._in_flight = 0
        self._admitting = asyncio.Lock()
        self._landed = asyncio.Event()

    @property
    def is_limited(self) -> bool:
        """True when there is a limit to keep."""
        return not math.isinf(self._limit)

    async def open(self) -> None:
        """Recall what was spent and learned before; the balance is not requested yet."""
        spending, known = self._spending, await self._store.recall(SPENDING)
        if known is None:
            spending.prices = dict(await self._store.recall(FORMER_PRICES) or {})
            former = await self._store.recall(FORMER_SPENT)
            spending.fallen = float(former["credits"]) if former else 0.0
        else:
            spending.prices = dict(known["prices"])
        # Attempts of an earlier version, and what a restored journal made uncertain, have no charge of their own.
        await self._store.charge_unpriced({name: spending.price(name) for name in self._price_list})
        spending.charged = await self._store.total_charged()
        if known is not None:
            spending.restore(known, time.time())

    async def admit(self, row: Row) -> float:
        """Wait until a request may be sent, and return its charge; ``paying`` must follow at once.

        Raises BudgetExceededError when its charge does not fit, and what requesting the balance raises.
        """
        key, spending = pricing_key(row), self._spending
        if not self.is_limited:
            self._in_flight += 1
            return spending.price(key)
        async with self._admitting:
            if spending.needs_reading(key, self._limit) or not spending.fits(key, self._limit):
                while self._in_flight:
                    self._landed.clear()
                    await self._landed.wait()
                if spending.is_stale:
                    await self._read()
            if not spending.fits(key, self._limit):
                raise BudgetExceededError(self._limit, spending.spent, spending.price(key))
            self._in_flight += 1
            return spending.admit(key)

    @asynccontextmanager
    async def paying(self, row: Row, charge: float) -> AsyncIterator[None]:
        """Keep an admitted request's charge, unless it was certainly not accepted."""
        try:
            yield
        except MusicAPIError as error:
            may_be_charged = isinstance(error, UncertainSubmissionError) or error.task_ids or error.result_ids
            if self.is_limited and not may_be_charged:
                self._spending.withdraw(pricing_key(row), charge)
            else:
                self._spending.doubt(charge)
            raise
        except BaseException:
            self._spending.doubt(charge)
            raise
        finally:
            self._in_flight -= 1
            self._landed.set()

    def refund(self, credits: float) -> None:
        """Note that so many credits of a failed task were refunded."""
        self._spending.refund(credits)

    async def _read(self) -> None:
        """Read the balance while no request is in flight."""
        balance, before = await self._request_balance(), dict(self._spending.prices)
        self._spending.read(balance)
        for key, price in self._spending.prices.items():
            if before.get(key) != price:
                logger.info("%s costs %g credits", key, price)
        await self._store.remember(SPENDING, self._spending.to_json(time.time()))
