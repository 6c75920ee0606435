"""``bulk.run``: requests in, songs in a folder, through a store that survives whatever ends the process."""

import asyncio
import os
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from musicapi_async._arguments import is_amount, usable_path, wrong_argument
from musicapi_async._client import MusicAPI
from musicapi_async._tasks.task import check_timeout
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.collecting import Outcome
from musicapi_async.bulk.planning import Requests, check_arguments, plan_all
from musicapi_async.bulk.requests_file import price_list, request_of
from musicapi_async.bulk.runner import Runner
from musicapi_async.bulk.saving import NAMES, HandOver, Saver, make_ready
from musicapi_async.bulk.states import Store
from musicapi_async.errors import InvalidRequestError, JournalError

__all__ = ["SERVICE", "Run", "run"]

MOST_IN_FLIGHT: Final = 100_000
MOST_ATTEMPTS: Final = 100
SERVICE: Final = "service"


def run(
    client: MusicAPI,
    journal: Store,
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
    """Make the songs of many requests, and yield an outcome of each as it ends: ``async for outcome in bulk.run(...)``.

    - ``requests`` is what is wanted, all of it, also what an earlier run has made: that is not made again. Without it
      the run goes on with what was planned last.
    - ``out`` is a folder: audio, cover and a ``.json`` of each clip are written there, as ``names`` says. Without it a
      row is over when its outcome is made.
    - ``in_flight`` tasks are waited for at once, each for at most ``timeout`` seconds (None: without limit); time in
      which polls were not answered does not count. After that the task is overdue: its place is given up, the clips
      that are finished are saved, and it is polled again before the run ends and by later runs, for a day in all.
    - ``outage`` is the time in seconds for which the run is paused, and tries again, while no connection can be made.
    - ``attempts`` a request gets, when its task fails and its credits were plainly refunded. A task that failed in any
      other way is not sent again, unless ``retry_failed`` says so.
    - ``max_credits`` may be spent on this journal, all runs together; what may have been paid for counts as paid for.
      The limit holds as long as no request costs more than the price that is known when it is sent.

    Raises, when all that was started has been delivered, what stopped the submissions: AuthenticationError,
    InsufficientCreditsError, BudgetExceededError, RetiredError, JournalError and the like, ConnectionFailedError after
    an outage, BulkStoppedError when as many tasks as ``in_flight`` in a row were not finished in time, or tasks cannot
    be found. The next run resumes where it stopped.
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
        request_of,
        HandOver() if folder is None else Saver(client, folder, names),
        Budget(max_credits, journal, lambda: _balance(client), price_list()),
        in_flight=_checked("in_flight", in_flight, MOST_IN_FLIGHT),
        attempts=_checked("attempts", attempts, MOST_ATTEMPTS),
        timeout=timeout,
        outage=outage,
    )
    return Run(client, journal, requests, runner, folder)


class Run:
    """An async iterator of outcomes; ``aclose()`` stops it, and so does closing its journal or its client."""

    def __init__(
        self, client: MusicAPI, journal: Store, requests: Requests | None, runner: Runner, folder: Path | None
    ) -> None:
        self._base_url = client.settings.base_url
        self._journal = journal
        self._requests = requests
        self._runner = runner
        self._folder = folder
        self._has_begun = False
        self._asking = asyncio.Lock()

    def __aiter__(self) -> Self:
        """Return itself: a run is gone through once."""
        return self

    async def __anext__(self) -> Outcome:
        """Plan what is not planned yet, then return the next outcome."""
        # Several may go through a run together: the first plans, and each learns of the end.
        async with self._asking:
            if not self._has_begun:
                await self._plan()
            return await anext(self._runner)

    async def plan(self) -> tuple[int, int]:
        """Plan the requests, as the first step does otherwise; return how many there are, and how many of them new.

        Raises JournalError when the journal is of another service, InvalidRequestError for what is no request.
        """
        async with self._asking:
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
            # Half a plan is none: whoever asks again must not get the one before.
            self._runner.stop(JournalError(self._journal.name, "the run on it was ended while it was planned"))
            raise

    async def _make_ready(self) -> None:
        """Check that the journal is for this service, and make the folder; also before the facade plans."""
        await check_service(self._journal, self._base_url)
        if self._folder is not None:
            await asyncio.to_thread(make_ready, self._folder)

    def stop(self, error: BaseException) -> None:
        """Create nothing more, and bring home what is in flight; then the error is raised."""
        self._runner.stop(error)

    async def aclose(self) -> None:
        """Stop at once: nothing more is created, nothing waited for; what is in the air gets its answer."""
        await self._runner.aclose()


async def check_service(journal: Store, base_url: str) -> None:
    """Raise JournalError when the journal's songs were made elsewhere: a trial's are not the service's."""
    service = urlsplit(base_url).netloc.rpartition("@")[2]
    known = await journal.recall(SERVICE)
    if known is None:
        await journal.remember(SERVICE, service)
    elif known != service:
        raise JournalError(journal.name, f"its songs are from {known}, not from {service}: use another journal")


async def _balance(client: MusicAPI) -> float:
    return (await client.account.credits()).total


def _check_outage(outage: object) -> None:
    if not is_amount(outage):
        message = f"outage is {outage!r}; it must be a number of seconds, at least 0"
        raise InvalidRequestError(message, "outage", outage, ">= 0")


def _checked(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        message = f"{name} is {value!r}; it must be a whole number from 1 to {most}"
        raise InvalidRequestError(message, name, value, f"1 to {most}")
    return value
