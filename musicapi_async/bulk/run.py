"""``bulk.run``: requests are planned in a journal, then made; an interrupted run is resumed by the next one."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable
from contextlib import aclosing, closing
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from musicapi_async._arguments import is_amount, usable_path, wrong_argument
from musicapi_async._client import MusicAPI
from musicapi_async._request import TaskRequest, checked_item
from musicapi_async._tasks.task import check_timeout
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.collecting import Outcome
from musicapi_async.bulk.journal import SERVICE, Journal
from musicapi_async.bulk.records import Planned
from musicapi_async.bulk.requests_file import BadLine, Keys, checked_key, price_list
from musicapi_async.bulk.runner import Runner
from musicapi_async.bulk.saving import NAMES, FileSink, MemorySink, prepare_folder
from musicapi_async.errors import InvalidRequestError, JournalError

__all__ = [
    "Requests",
    "Run",
    "batches_of",
    "blocking_batches_of",
    "check_arguments",
    "plan_all",
    "planned_requests",
    "run",
]

Requests = Iterable[TaskRequest[Any] | Planned | BadLine] | AsyncIterable[TaskRequest[Any] | Planned | BadLine]

MAX_IN_FLIGHT: Final = 100_000
MAX_ATTEMPTS: Final = 100
BATCH_SIZE: Final = 1000
"""Requests that are planned at once."""


def run(
    client: MusicAPI,
    journal: Journal,
    requests: Requests | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    in_flight: int = 50,
    attempts: int = 3,
    max_credits: float | None = None,
    timeout: float | None = 600.0,
    outage: float = 900.0,
    names: str = NAMES,
) -> "Run":
    """Make the songs of many requests; yield the outcome of each as it ends: ``async for outcome in bulk.run(...)``.

    - ``requests``: all requests of the plan, including those that earlier runs have made, which are not made again.
      Without it the run resumes the last plan.
    - ``out``: a folder to which the audio, cover and a ``.json`` of each clip are written, named by ``names``. Without
      it no file is written, and a record is ``saved`` when its task has finished.
    - ``in_flight``: the number of tasks that are waited for at once.
    - ``timeout``: seconds to wait for each task (None: without limit); time in which polls get no response does not
      count. After that the task is overdue: its slot is freed, its finished clips are saved, and it is polled again
      before the run ends and by later runs, for one day in total.
    - ``outage``: seconds for which the run pauses and keeps trying while no connection can be made.
    - ``attempts``: the number of times a request is sent when its task fails and its credits were clearly refunded. A
      task that failed in any other way is not sent again, except by ``retry_failed``.
    - ``max_credits``: the credits that may be spent on this journal, across all runs; a request that may have been paid
      for counts as paid. The limit holds as long as no request costs more than the price known when it is sent.

    ```python
    from musicapi_async import MusicAPI, bulk, sonic

    requests = [sonic.Describe(description=f"rain in {month}") for month in ("March", "May", "June")]
    async with MusicAPI() as client, bulk.open("songs/journal.db") as journal:
        async for outcome in bulk.run(client, journal, requests, out="songs/"):
            print(outcome.record.key, outcome.record.state, outcome.error or outcome.record.files)
    ```

    Raises InvalidRequestError for a wrong argument. The run raises, once the outcomes of all started requests have been
    yielded, the error that stopped the submissions:
    AuthenticationError, InsufficientCreditsError, BudgetExceededError, RetiredError, JournalError and the like,
    ConnectionFailedError after an outage, BulkStoppedError when as many tasks as ``in_flight`` in a row were not
    finished in time, or tasks cannot be found. The next run resumes where it stopped.
    """
    is_client, is_journal = isinstance(client, MusicAPI), hasattr(journal, "recall")
    check_arguments(is_client=is_client, client=client, is_journal=is_journal, journal=journal, requests=requests)
    check_timeout(timeout)
    _check_outage(outage)
    folder = None if out is None else usable_path("out", out, 'name a folder: "songs/"')
    if not isinstance(names, str):
        raise wrong_argument("names", names, "text, such as {index:05d}-{clip_id}.{ext}")
    runner = Runner(
        client,
        journal,
        MemorySink() if folder is None else FileSink(client, folder, names),
        Budget(max_credits, journal, lambda: _balance(client), price_list()),
        in_flight=_checked_count("in_flight", in_flight, MAX_IN_FLIGHT),
        attempts=_checked_count("attempts", attempts, MAX_ATTEMPTS),
        timeout=timeout,
        outage=outage,
    )
    return Run(client, journal, requests, runner, folder)


class Run:
    """An async iterator of outcomes; ``aclose()`` stops it, and so does closing its journal or its client."""

    def __init__(
        self, client: MusicAPI, journal: Journal, requests: Requests | None, runner: Runner, folder: Path | None
    ) -> None:
        self._base_url = client.settings.base_url
        self._journal = journal
        self._requests = requests
        self._runner = runner
        self._folder = folder
        self._has_begun = False
        self._advancing = asyncio.Lock()

    def __aiter__(self) -> Self:
        """Return itself: a run is iterated once."""
        return self

    async def __anext__(self) -> Outcome:
        """Plan the requests, if they are not planned yet, then return the next outcome.

        Raises the errors of ``plan``, and those described at ``bulk.run`` after the last outcome.
        """
        # Several asyncio tasks may iterate a run together: the first one plans the requests.
        async with self._advancing:
            if not self._has_begun:
                await self._plan()
            return await anext(self._runner)

    async def plan(self) -> tuple[int, int]:
        """Plan the requests, as the first outcome does otherwise; return their number, and how many are new.

        Raises JournalError when the journal is of another service, InvalidRequestError for an item that is no request.
        """
        async with self._advancing:
            return await self._plan()

    async def _plan(self) -> tuple[int, int]:
        self._has_begun = True
        try:
            await self._make_ready()
            return (0, 0) if self._requests is None else await plan_all(self._journal, self._requests)
        except Exception as error:
            self._runner.stop(error)
            raise
        except BaseException:
            # An incomplete plan is discarded: another call must not resume the previous one.
            self._runner.stop(JournalError(self._journal.name, "the run on it was ended while it was planned"))
            raise

    async def _make_ready(self) -> None:
        """Check that the journal is for this service, and create the folder; the facade calls it before planning."""
        await check_service(self._journal, self._base_url)
        if self._folder is not None:
            await asyncio.to_thread(prepare_folder, self._folder)

    def stop(self, error: BaseException) -> None:
        """Submit nothing more, and complete the tasks in flight; then the iteration raises the error."""
        self._runner.stop(error)

    async def aclose(self) -> None:
        """Stop at once: nothing more is submitted or waited for; submissions in flight get their response."""
        await self._runner.aclose()


def check_arguments(*, is_client: bool, client: object, is_journal: bool, journal: object, requests: object) -> None:
    """Raise InvalidRequestError for a client, a journal or requests of a wrong type."""
    if not is_client:
        raise wrong_argument("client", client, "a MusicAPI of the same package")
    if not is_journal:
        raise wrong_argument("journal", journal, "a Journal of the same package", "bulk.open(path) returns one")
    if requests is not None and not isinstance(requests, (Iterable, AsyncIterable)):
        advice = "pass a list: [request]" if isinstance(requests, TaskRequest) else ""
        raise wrong_argument("requests", requests, "an iterable of requests", advice)


async def plan_all(journal: Journal, requests: Requests) -> tuple[int, int]:
    """Plan all requests in place of the previous plan; return their number, and how many are new.

    A request of the previous plan that is not among them is not sent, unless it was paid for. Raises
    InvalidRequestError for an item that is no request; the previous plan stays in that case.
    """
    plan, count, new = await journal.new_plan(), 0, 0
    async with aclosing(batches_of(requests)) as batches:
        async for batch in batches:
            new += await journal.plan(batch, plan)
            count += len(batch)
    await journal.activate_plan(plan)
    return count, new


async def batches_of(requests: Requests) -> AsyncGenerator[list[Planned], None]:
    """Yield requests with their keys, a batch at a time."""
    batch: list[object] = []
    with closing(Keys()) as keys:
        async for request in requests if isinstance(requests, AsyncIterable) else _one_by_one(requests):
            batch.append(request)
            if len(batch) == BATCH_SIZE:
                yield await asyncio.to_thread(planned_requests, batch, keys)
                batch = []
        if batch:
            yield await asyncio.to_thread(planned_requests, batch, keys)


def blocking_batches_of(requests: Iterable[object]) -> Generator[list[Planned], None, None]:
    """Yield requests with their keys as ``batches_of`` does, in the caller's thread."""
    rest = iter(requests)
    with closing(Keys()) as keys:
        while batch := list(islice(rest, BATCH_SIZE)):
            yield planned_requests(batch, keys)


def planned_requests(requests: Iterable[object], keys: Keys) -> list[Planned]:
    """Return requests with their keys; raises InvalidRequestError for an item that is no request, or a wrong key."""
    return [_planned(request, keys) for request in requests]


async def _one_by_one(requests: Iterable[object]) -> AsyncIterator[object]:
    for request in requests:
        yield request


def _planned(request: object, keys: Keys) -> Planned:
    if isinstance(request, Planned):
        checked_key(request.key)
        return request
    if isinstance(request, BadLine):
        message = f"line {request.number}: {request.reason}"
        raise InvalidRequestError(message, request.field or "requests", request.number, "one request per line")
    return keys.planned(checked_item(request))


async def check_service(journal: Journal, base_url: str) -> None:
    """Raise JournalError when the journal belongs to another service, such as a sandbox."""
    service = urlsplit(base_url).netloc.rpartition("@")[2]
    recorded = await journal.recall(SERVICE)
    if recorded is None:
        await journal.remember(SERVICE, service)
    elif recorded != service:
        raise JournalError(journal.name, f"its songs are from {recorded}, not from {service}: use another journal")


async def _balance(client: MusicAPI) -> float:
    return (await client.account.credits()).total


def _check_outage(outage: object) -> None:
    if not is_amount(outage):
        message = f"outage is {outage!r}; it must be a number of seconds, at least 0"
        raise InvalidRequestError(message, "outage", outage, ">= 0")


def _checked_count(name: str, value: Any, maximum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= maximum:
        message = f"{name} is {value!r}; it must be a whole number from 1 to {maximum}"
        raise InvalidRequestError(message, name, value, f"1 to {maximum}")
    return value
