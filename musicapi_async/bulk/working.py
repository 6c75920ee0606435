"""``bulk.work``: a worker, one of any number, which makes the songs that a journal has planned."""

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from typing import Final, Self

from musicapi_async._client import MusicAPI
from musicapi_async.bulk.collecting import Outcome
from musicapi_async.bulk.journal import Journal, is_shared
from musicapi_async.bulk.plan_options import recall_options
from musicapi_async.bulk.run_arguments import checked_output
from musicapi_async.bulk.running import Run, run
from musicapi_async.errors import InvalidRequestError
from musicapi_async.media.caption_formats import CaptionFormat

__all__ = ["Work", "work"]

NO_STAY: Final = (
    "stay is True; a journal in a file is used by one process at a time, so that no other can plan requests for this "
    "worker: leave it out"
)


def work(
    client: MusicAPI,
    journal: Journal,
    *,
    out: str | os.PathLike[str] | None = None,
    stay: bool = False,
    outage: float = 900.0,
    tags: bool = False,
    lyrics: Sequence[CaptionFormat] = (),
    same_account: bool = False,
) -> "Work":
    """Make the songs that a journal has planned; yield the outcome of each: ``async for outcome in bulk.work(...)``.

    It is ``bulk.run`` without new requests: limits on tasks in flight, credits and the submission rate, the attempts,
    the timeout and the names of files are the options that the plan keeps in the journal (``bulk.PlanOptions``). The
    other arguments are those of ``bulk.run``.

    On a journal in a database any number of workers do so at once, on any number of machines: each request is sent by
    one of them, and the limits hold over all of them together; limits that are planned anew are followed within
    seconds. When a worker stops without a word, the others collect its tasks within 30 seconds, and what it was sending
    is uncertain. A worker ends when nothing is left for any of them; with ``stay`` it waits for another plan. Credits
    are counted by the prices that are known; the balance is not compared.

    ```python
    from musicapi_async import MusicAPI, bulk

    async with MusicAPI() as client, bulk.open("songs/journal.db") as journal:
        async for outcome in bulk.work(client, journal, out="songs/"):
            print(outcome.record.key, outcome.record.state)
    ```

    Raises InvalidRequestError for a wrong argument, also for ``stay`` with a journal in a file: no other process can
    plan requests for it meanwhile. The worker raises what a run does.
    """
    if stay and not is_shared(journal):
        raise InvalidRequestError(NO_STAY, "stay", stay, "False, for a journal in a file")
    checked_output(client, journal, None, out=out, outage=outage, tags=tags, lyrics=lyrics)
    start = partial(run, client, journal, out=out, outage=outage, tags=tags, lyrics=lyrics, same_account=same_account)
    return Work(journal, start, stay=stay)


class Work:
    """An async iterator of outcomes, as a ``Run`` is one; the options of the plan are read when it begins."""

    def __init__(self, journal: Journal, start: "partial[Run]", *, stay: bool) -> None:
        self._stay = stay
        self._journal = journal
        self._start = start
        self._run: Run | None = None
        self._stopped_by: BaseException | None = None
        self._opening = asyncio.Lock()

    def __aiter__(self) -> Self:
        """Return itself: it is iterated once."""
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome; raises what a ``Run`` does."""
        return await anext(await self._opened())

    async def recover(self) -> None:
        """Accept the uncertain records whose events were kept since the last run, as ``Run.recover`` does."""
        await (await self._opened()).recover()

    def stop(self, error: BaseException) -> None:
        """Submit nothing more, and complete the tasks in flight; then the iteration raises the error."""
        self._stopped_by = self._stopped_by or error
        if self._run is not None:
            self._run.stop(error)

    async def aclose(self) -> None:
        """Stop at once: nothing more is submitted or waited for; submissions in flight get their response."""
        if self._run is not None:
            await self._run.aclose()

    async def _make_ready(self) -> None:
        await (await self._opened())._make_ready()  # noqa: SLF001 - for the facade

    async def _opened(self) -> Run:
        async with self._opening:
            if self._run is None:
                options = (await recall_options(self._journal)).given()
                # It is of the lines that are planned.
                options.pop("operation", None)
                self._run = self._start(**options)
                if self._stay:
                    self._run._stay()  # noqa: SLF001 - for this one
                if self._stopped_by is not None:
                    self._run.stop(self._stopped_by)
            return self._run
