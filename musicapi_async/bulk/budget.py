"""The limit of credits of a journal: paid requests are admitted below it, by the account in ``spending.py``."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from musicapi_async._arguments import is_amount
from musicapi_async._bounds import shown
from musicapi_async._logger import logger
from musicapi_async.bulk.journal import OTHER_CHARGES, Journal, is_shared
from musicapi_async.bulk.records import Planned
from musicapi_async.bulk.spending import Spending, pricing_key
from musicapi_async.errors import BudgetExceededError, InvalidRequestError, MusicAPIError, UncertainSubmissionError

__all__ = ["Budget"]

SPENDING: Final = "spending"
"""Name under which the journal keeps the account of its credits."""
FORMER_PRICES: Final = "prices"
FORMER_SPENT: Final = "spent"
"""Names under which journals of earlier versions keep learned prices and the credits spent."""


class Budget:
    """Admits paid requests while their charge stays within the limit, which is for one journal and all its runs.

    The limit holds as long as no request costs more than the price that is known when it is sent. See ``Spending``.
    """

    def __init__(
        self,
        limit: float | None,
        journal: Journal,
        balance: Callable[[], Awaitable[float]],
        price_list: Mapping[str, float | None],
    ) -> None:
        if limit is not None and not is_amount(limit):
            message = f"max_credits is {shown(limit)}; it must be a number of credits, at least 0, or None for no limit"
            raise InvalidRequestError(message, "max_credits", limit, ">= 0, or None")
        self._limit = math.inf if limit is None else limit
        self._journal = journal
        self._request_balance = balance
        self._price_list = price_list
        self._spending = Spending(price_list)
        self._in_flight = 0
        self._other_charges = 0.0
        """Credits that requests without a record have, or may have, cost, in all runs."""
        self._admitting = asyncio.Lock()
        self._recording = asyncio.Lock()
        self._responded = asyncio.Event()

    @property
    def is_limited(self) -> bool:
        """True when there is a limit to keep."""
        return not math.isinf(self._limit)

    async def open(self) -> None:
        """Load the spending and the prices of earlier runs; the balance is not requested yet."""
        spending, recalled = self._spending, await self._journal.recall(SPENDING)
        if recalled is None:
            spending.prices = dict(await self._journal.recall(FORMER_PRICES) or {})
            former = await self._journal.recall(FORMER_SPENT)
            spending.fallen = float(former["credits"]) if former else 0.0
        else:
            spending.prices = dict(recalled["prices"])
        # Attempts of an earlier version, and records that a restored journal made uncertain, have no charge yet.
        await self._journal.charge_unpriced({name: spending.price(name) for name in self._price_list})
        self._other_charges = float(await self._journal.recall(OTHER_CHARGES) or 0.0)
        spending.charged = await self._journal.total_charged() + self._other_charges
        if recalled is not None:
            spending.restore(recalled, time.time())

    async def admit(self, record: Planned) -> float:
        """Wait until a request may be sent, and return its charge; ``paying`` must follow at once.

        Raises BudgetExceededError when its charge exceeds the limit, and the errors of requesting the balance.
        """
        key, spending = pricing_key(record), self._spending
        if not self.is_limited:
            self._in_flight += 1
            return spending.price(key)
        async with self._admitting:
            if spending.needs_reading(key, self._limit) or not spending.fits(key, self._limit):
                while self._in_flight:
                    self._responded.clear()
                    await self._responded.wait()
                if spending.is_stale:
                    await self._refresh_balance()
            if not spending.fits(key, self._limit):
                raise BudgetExceededError(self._limit, spending.spent, spending.price(key))
            self._in_flight += 1
            return spending.admit(key)

    @asynccontextmanager
    async def paying(self, record: Planned, charge: float) -> AsyncIterator[None]:
        """Keep an admitted request's charge, unless it was certainly not accepted."""
        try:
            yield
        except MusicAPIError as error:
            if self.is_limited and not _may_be_charged(error):
                self._spending.withdraw(pricing_key(record), charge)
            else:
                self._spending.note_uncertain(charge)
            raise
        except BaseException:
            self._spending.note_uncertain(charge)
            raise
        finally:
            self._in_flight -= 1
            self._responded.set()

    @asynccontextmanager
    async def paying_for(self, operation: str) -> AsyncIterator[None]:
        """Admit a paid request that has no record of its own, and keep its charge, unless it was not accepted.

        The charge is in the journal before the request is sent. Raises the errors of ``admit``.
        """
        request = Planned(key="", operation=operation, request={})
        charge = await self.admit(request)
        async with self.paying(request, charge):
            await self._record_charge(charge)
            try:
                yield
            except MusicAPIError as error:
                if not _may_be_charged(error):
                    await self._record_charge(-charge)
                raise

    async def _record_charge(self, credits: float) -> None:
        if is_shared(self._journal):
            await self._journal.charge_besides(credits)
            return
        async with self._recording:
            self._other_charges = max(0.0, self._other_charges + credits)
            await self._journal.remember(OTHER_CHARGES, self._other_charges)

    def refund(self, credits: float) -> None:
        """Note that so many credits of a failed task were refunded."""
        self._spending.refund(credits)

    async def _refresh_balance(self) -> None:
        """Read the balance while no request is in flight."""
        balance, before = await self._request_balance(), dict(self._spending.prices)
        self._spending.read(balance)
        for key, price in self._spending.prices.items():
            if before.get(key) != price:
                logger.info("%s costs %g credit%s", key, price, "" if price == 1 else "s")
        await self._journal.remember(SPENDING, self._spending.to_json(time.time()))


def _may_be_charged(error: MusicAPIError) -> bool:
    """Return whether a request that ended with this error may have been accepted."""
    return bool(isinstance(error, UncertainSubmissionError) or error.task_ids or error.result_ids)
