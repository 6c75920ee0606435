"""``bulk.run``: each request of a journal is submitted once, its task waited for and its result saved; resumable."""

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Final, Self

from musicapi_async._arguments import wrong_argument
from musicapi_async._client import MusicAPI
from musicapi_async._engine_access import engine_of
from musicapi_async._logger import logger
from musicapi_async._tasks.task import check_timeout
from musicapi_async._transport.cancellation import complete
from musicapi_async.bulk.account import check_account
from musicapi_async.bulk.budget import Budget
from musicapi_async.bulk.collecting import Collector, Outcome
from musicapi_async.bulk.defaults import NAMES
from musicapi_async.bulk.journal import OUT, OUTPUT, PAGE_SIZE, Journal, RecordTakenError, is_shared
from musicapi_async.bulk.output import Output
from musicapi_async.bulk.plan_options import (
    MAX_ATTEMPTS,
    MAX_IN_FLIGHT,
    PlanOptions,
    checked_count,
    checked_rate,
    remember_options,
)
from musicapi_async.bulk.planning import Requests, plan_all
from musicapi_async.bulk.rate import SubmissionRate
from musicapi_async.bulk.records import Record
from musicapi_async.bulk.recovery import EventRecovery
from musicapi_async.bulk.requests_file import price_list
from musicapi_async.bulk.run_arguments import checked_output
from musicapi_async.bulk.saving import FileSink
from musicapi_async.bulk.sharing import SharedQueue
from musicapi_async.bulk.submitting import MAX_SUBMISSIONS, NotAcceptedError, Submitter
from musicapi_async.bulk.waiting import Outage, TaskWaiter
from musicapi_async.bulk.work_queue import WorkQueue
from musicapi_async.errors import JournalError
from musicapi_async.media.caption_formats import CaptionFormat
from musicapi_async.requests.sonic import AlignLyrics

__all__ = ["Run", "run"]

ESTIMATES: Final = "learnt"
"""Name under which the journal keeps the estimates of task durations."""


def run(
    client: MusicAPI,
    journal: Journal,
    requests: Requests | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    in_flight: int = 50,
    attempts: int = 3,
    max_credits: float | None = None,
    create_rate: float | None = None,
    timeout: float | None = 600.0,
    outage: float = 900.0,
    names: str = NAMES,
    tags: bool = False,
    lyrics: Sequence[CaptionFormat] = (),
    same_account: bool = False,
) -> "Run":
    """Make the songs of many requests; yield the outcome of each as it ends: ``async for outcome in bulk.run(...)``.

    - ``requests``: all requests of the plan, including those that earlier runs have made, which are not made again.
      Without it the run resumes the last plan.
    - ``out``: a folder to which the audio, cover and a ``.json`` of each clip are written, named by ``names``; or an
      address such as ``s3://bucket/songs``, as text, which needs the extra ``storage`` (see ``docs/storage.md``).
      Without it no file is written, and a record is ``saved`` when its task has finished.
    - ``in_flight``: the number of tasks that are waited for at once.
    - ``timeout``: seconds to wait for each task (None: without limit); time in which polls get no response does not
      count. After that the task is overdue: its slot is freed, its finished clips are saved, and it is polled again
      before the run ends and by later runs, for one day in total.
    - ``outage``: seconds for which the run pauses and keeps trying while no connection can be made.
    - ``attempts``: the number of times a request is sent when its task fails and its credits were clearly refunded. A
      task that failed in any other way is not sent again, except by ``retry_failed``.
    - ``max_credits``: the credits that may be spent on this journal, across all runs; a request that may have been paid
      for counts as paid. The limit holds as long as no request costs more than the price known when it is sent.
    - ``tags``: write what each clip is into its audio, as ``media.tag`` does; needs ``out`` and the extra ``media``.
    - ``lyrics``: formats of captions to write beside the audio (``lrc``, ``srt``, ``vtt``, ``ass``); needs ``out``. The
      times of the words of each clip of ``sonic`` with lyrics are fetched for them, for 1 credit a clip, within
      ``max_credits``; further requests for the same clip are free. A song whose times cannot be had is saved without
      them: ``musicapi lyrics --fetch`` gets them later. Songs that earlier runs have saved stay as they are: ``musicapi
      tag`` tags them.
    - ``same_account``: the journal's songs were made with another key of the same account, such as one that was
      changed. Without it, a run with a key that the journal has not been used with is refused. The journal keeps a
      salted fingerprint of each key, from which the key cannot be found.

    With a ``webhook_url`` an uncertain request keeps its slot until its event comes, for ``timeout`` seconds and at
    most 600: when the event comes and one poll knows the task, the request is accepted. Events that come later, or
    between two runs, do the same (``bulk.receive``). An event of an attempt that was sent again meanwhile has its song
    saved too, and is logged: it was paid for twice.

    ```python
    from musicapi_async import MusicAPI, bulk, sonic

    requests = [sonic.Describe(description=f"rain in {month}") for month in ("March", "May", "June")]
    async with MusicAPI() as client, bulk.open("songs/journal.db") as journal:
        async for outcome in bulk.run(client, journal, requests, out="songs/"):
            print(outcome.record.key, outcome.record.state, outcome.error or outcome.record.files)
    ```

    Raises InvalidRequestError for a wrong argument, MissingExtraError when the package that ``out`` or ``tags`` needs
    is not installed. The run raises DownloadError before anything is sent when no file can be saved, and once the
    outcomes of all started requests have been yielded, the error that stopped the submissions:
    AuthenticationError, InsufficientCreditsError, BudgetExceededError, RetiredError, JournalError and the like,
    ConnectionFailedError after an outage, BulkStoppedError when as many tasks as ``in_flight`` in a row were not
    finished in time, or tasks cannot be found. The next run resumes where it stopped.
    """
    output, save_options = checked_output(client, journal, requests, out=out, outage=outage, tags=tags, lyrics=lyrics)
    check_timeout(timeout)
    checked_rate("create_rate", create_rate)
    if not isinstance(names, str):
        raise wrong_argument("names", names, "text, such as {index:05d}-{clip_id}.{ext}")
    prices = price_list() | {AlignLyrics.operation_name: AlignLyrics.credits}
    # A shared journal keeps the limit over all its workers, by the prices that are known.
    budget = Budget(None if is_shared(journal) else max_credits, journal, lambda: _balance(client), prices)
    return Run(
        client,
        journal,
        requests,
        None if output is None else FileSink(client, output, names, save_options, budget),
        budget,
        output=output,
        in_flight=checked_count("in_flight", in_flight, MAX_IN_FLIGHT),
        attempts=checked_count("attempts", attempts, MAX_ATTEMPTS),
        create_rate=create_rate,
        timeout=timeout,
        outage=outage,
        max_credits=max_credits,
        same_account=same_account,
    )


async def _balance(client: MusicAPI) -> float:
    return (await client.account.credits()).total


class Run:
    """An async iterator of outcomes; ``aclose()`` stops it, and so does closing its journal or its client.

    Records that an earlier run left unfinished come first: they are paid for. An error that every request would raise
    (no credits, a wrong key, a retired operation) stops the submissions; the tasks in flight are completed, then it is
    raised.
    """

    def __init__(
        self,
        client: MusicAPI,
        journal: Journal,
        requests: Requests | None,
        sink: FileSink | None,
        budget: Budget,
        *,
        output: Output | None,
        in_flight: int,
        attempts: int,
        create_rate: float | None,
        timeout: float | None,
        outage: float,
        max_credits: float | None,
        same_account: bool,
    ) -> None:
        self._client = client
        self._is_same_account = same_account
        self._journal = journal
        self._requests = requests
        self._budget = budget
        self._output = output
        pauses = Outage(outage)
        self._options: PlanOptions | None = None
        """The options to keep with the plan; None where they are this run's alone."""
        if is_shared(journal):
            self._options = PlanOptions(
                in_flight=in_flight,
                max_credits=max_credits,
                create_rate=create_rate,
                attempts=attempts,
                timeout=timeout,
            )
            self._queue: WorkQueue = SharedQueue(journal, attempts, pauses, default=self._options, on_limit=self._grow)
            create_rate, in_flight = None, in_flight + MAX_SUBMISSIONS
        else:
            self._queue = WorkQueue(journal, attempts, pauses)
        self._in_flight = in_flight
        self._submitter = Submitter(client, journal, budget, pauses, self._queue, SubmissionRate(create_rate))
        waiter = TaskWaiter(timeout, outage)
        self._collector = Collector(
            client, journal, sink, budget, self._queue, waiter, in_flight=in_flight, attempts=attempts
        )
        self._recovery = EventRecovery(client, journal, sink, self._queue, waiter)
        self._is_planned = False
        self._has_begun = False
        self._has_checked = False
        """True when overdue tasks were polled once more, at the end."""
        self._workers: list[asyncio.Task[None]] = []
        self._active = 0
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue(in_flight)
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
            if not self._is_planned:
                await self._plan()
            if not self._has_begun:
                await self._begin()
            while self._active or not self._outcomes.empty():
                outcome = await self._outcomes.get()
                if outcome is not None:
                    return outcome
            await self._finish()
            raise self._queue.stopped_by or StopAsyncIteration

    async def plan(self) -> tuple[int, int]:
        """Plan the requests, as the first outcome does otherwise; return their number, and how many are new.

        Raises JournalError when the journal is of another service or account, InvalidRequestError for an item that is
        no request.
        """
        async with self._advancing:
            return await self._plan()

    async def _plan(self) -> tuple[int, int]:
        self._is_planned = True
        try:
            await self._make_ready()
            return (0, 0) if self._requests is None else await self._plan_requests(self._requests)
        except Exception as error:
            self.stop(error)
            raise
        except BaseException:
            # An incomplete plan is discarded: another call must not resume the previous one.
            self.stop(JournalError(self._journal.name, "the run on it was ended while it was planned"))
            raise

    async def _plan_requests(self, requests: Requests) -> tuple[int, int]:
        planned = await plan_all(self._journal, requests)
        await self._remember_options()
        return planned

    async def _remember_options(self) -> None:
        """Keep the limits of a plan in a journal that others share; the facade calls it after planning."""
        if self._options is not None:
            await remember_options(self._journal, self._options)

    async def _make_ready(self) -> None:
        """Check the journal's service and account, and prepare the output; the facade calls it before planning."""
        await check_account(self._journal, self._client.settings, same_account=self._is_same_account)
        if self._output is not None:
            await self._output.prepare()
            if await self._journal.recall(OUTPUT) != self._output.address:
                await self._journal.remember(OUTPUT, self._output.address)
            folder = None if self._output.address else str(await asyncio.to_thread(self._output.folder.resolve))
            if await self._journal.recall(OUT) != folder:
                await self._journal.remember(OUT, folder)

    async def recover(self) -> None:
        """Accept the uncertain records whose events were kept since the last run; the run collects their tasks.

        Call it before you decide on uncertain records, for example to send them again. The requests are planned first,
        as by the first outcome.
        """
        async with self._advancing:
            if not self._is_planned:
                await self._plan()
        await self._recovery.take_kept()

    def stop(self, error: BaseException) -> None:
        """Submit nothing more, and complete the tasks in flight; then the iteration raises the error."""
        self._queue.stop(error)

    def _stay(self) -> None:
        """Wait for another plan when nothing is left; for a worker."""
        self._queue.stay = True

    async def aclose(self) -> None:
        """Stop at once: nothing more is submitted or waited for; submissions in flight get their response."""
        self.stop(JournalError(self._journal.name, "the run on it was closed; another one resumes it"))
        self._queue.hurry()
        await complete(self._close())

    async def _close(self) -> None:
        await asyncio.gather(*map(self._end, self._workers))
        await self._finish()

    async def _begin(self) -> None:
        if self._queue.stopped_by is not None:
            raise self._queue.stopped_by  # closed before it began
        if self._journal.runs:
            raise JournalError(self._journal.name, "another run is using it")
        self._journal.runs.add(self)
        self._has_begun = True
        try:
            engine_of(self._client).restore_state(await self._journal.recall(ESTIMATES))
            await self._budget.open()
            await self._queue.open()
            await self._recovery.open()
        except BaseException as error:
            self._journal.runs.discard(self)
            self.stop(error)
            await self._recovery.aclose()
            await self._queue.aclose()
            raise
        self._grow(self._in_flight)

    def _grow(self, count: int) -> None:
        """Start workers until there are so many."""
        for _ in range(count - len(self._workers)):
            self._active += 1
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.append(worker)
            engine_of(self._client).end_on_close(worker)

    async def _finish(self) -> None:
        """Store the estimates of task durations for the next run, and close the connections of the output."""
        await self._recovery.aclose()
        await self._queue.aclose()
        if self._output is not None:
            await self._output.aclose()
        if self in self._journal.runs:
            self._journal.runs.discard(self)
            await self._journal.remember(ESTIMATES, engine_of(self._client).export_state())

    async def _end(self, worker: asyncio.Task[None]) -> None:
        await engine_of(self._client).wait_for_response(worker)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        try:
            is_over = False
            while not is_over:
                while (record := await self._queue.next()) is not None:
                    outcome = await self._process(record)
                    self._queue.processed()
                    if outcome is not None:
                        await self._outcomes.put(outcome)
                is_over = not await self._check_last()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and raised by the run
            logger.log(logging.ERROR, "a bulk run stops", exc_info=error)
            self.stop(error)
        finally:
            self._active -= 1
            # Wake the iterator: this may have been the last worker.
            if self._outcomes.empty():
                self._outcomes.put_nowait(None)

    async def _process(self, record: Record) -> Outcome | None:
        """Complete a record and return its outcome; None when it is sent again, was not begun, or is another's now."""
        try:
            return await (self._collector.resume(record) if record.state != "planned" else self._submit(record))
        except RecordTakenError as taken:
            logger.info("%s", taken.reason)
            return None

    async def _submit(self, record: Record) -> Outcome | None:
        try:
            try:
                accepted = await self._submitter.submit(record)
            finally:
                self._queue.submitted()
        except NotAcceptedError as refused:
            record = await self._recovery.wait_for(refused.record)
            if record.state == "accepted":
                return await self._collector.resume(record)
            return Outcome(record=record, error=refused.error)
        return None if accepted is None else await self._collector.collect(*accepted)

    async def _check_last(self) -> bool:
        """Take the last events, and poll all overdue tasks once more, when nothing else is left.

        Returns True when there may be more to do then.
        """
        if self._active > 1 or self._queue.is_closed:
            return False
        await self._recovery.finish()
        if self._has_checked or self._queue.has_retries:
            return self._queue.has_retries
        self._has_checked = True
        after = 0
        while found := await self._journal.records("accepted", after, PAGE_SIZE):
            after = found[-1].number
            checks = (self._collector.check_last(record) for record in found if record.is_overdue)
            for outcome in filter(None, await asyncio.gather(*checks)):
                await self._outcomes.put(outcome)
        return True
