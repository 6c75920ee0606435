"""``bulk.run``, blocking: a run of the async package on its client's loop, its requests taken by the caller."""

import asyncio
import contextlib
import functools
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar

import musicapi_async
import musicapi_async.bulk
from musicapi_async import TaskRequest
from musicapi_async.bulk import BadLine, Outcome, Planned, State
from musicapi_async.bulk.defaults import NAMES
from musicapi_async.bulk.planning import blocking_batches_of
from musicapi_async.bulk.records import UNFINISHED
from musicapi_async.bulk.run_arguments import check_arguments
from musicapi_async.bulk.working import Work
from musicapi_async.errors import ClientClosedError, JournalError
from musicapi_async.media.caption_formats import CaptionFormat
from musicapi_sync._client import MusicAPI
from musicapi_sync._notices import note
from musicapi_sync._portal import INTERRUPT_GRACE
from musicapi_sync._tasks import check_process
from musicapi_sync.bulk.journal import Journal

__all__ = ["Requests", "Run", "run", "work"]

T = TypeVar("T")

UNSURE: Final[tuple[State, ...]] = ("sending", "uncertain")

Requests = Iterable[TaskRequest[Any] | Planned | BadLine]


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
    """Make the songs of many requests, and yield the outcome of each as it ends: ``for outcome in bulk.run(...)``.

    Arguments and errors are those of ``musicapi_async.bulk.run``. ``requests`` are taken in the caller's thread, all of
    them before the first is sent: they may come from a generator that calls the same client.

    ```python
    from musicapi_sync import MusicAPI, bulk, sonic

    requests = [sonic.Describe(description=f"rain in {month}") for month in ("March", "May", "June")]
    with MusicAPI() as client, bulk.open("songs/journal.db") as journal:
        for outcome in bulk.run(client, journal, requests, out="songs/"):
            print(outcome.record.key, outcome.record.state, outcome.error or outcome.record.files)
    ```

    Raises InvalidRequestError for a wrong argument, ClientClosedError on a closed client; the run raises what a run of
    ``musicapi_async.bulk`` does.
    """
    is_client, is_journal = isinstance(client, MusicAPI), isinstance(journal, Journal)
    check_arguments(is_client=is_client, client=client, is_journal=is_journal, journal=journal, requests=requests)

    async def start(
        client: musicapi_async.MusicAPI, _: object
    ) -> tuple[musicapi_async.MusicAPI, musicapi_async.bulk.Run]:
        return client, musicapi_async.bulk.run(
            client,
            journal._journal,
            out=out,
            in_flight=in_flight,
            attempts=attempts,
            max_credits=max_credits,
            create_rate=create_rate,
            timeout=timeout,
            outage=outage,
            names=names,
            tags=tags,
            lyrics=lyrics,
            same_account=same_account,
        )

    return Run(client, journal, requests, *client._view.call(start))


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
) -> "Run":
    """Make the songs that a journal has planned, and yield the outcome of each: ``for outcome in bulk.work(...)``.

    Arguments and errors are those of ``musicapi_async.bulk.work``.

    ```python
    from musicapi_sync import MusicAPI, bulk

    with MusicAPI() as client, bulk.open("songs/journal.db") as journal:
        for outcome in bulk.work(client, journal, out="songs/"):
            print(outcome.record.key, outcome.record.state)
    ```

    Raises InvalidRequestError for a wrong argument, ClientClosedError on a closed client; the worker raises what one of
    ``musicapi_async.bulk`` does.
    """
    is_client, is_journal = isinstance(client, MusicAPI), isinstance(journal, Journal)
    check_arguments(is_client=is_client, client=client, is_journal=is_journal, journal=journal, requests=None)

    async def start(client: musicapi_async.MusicAPI, _: object) -> tuple[musicapi_async.MusicAPI, Work]:
        found = musicapi_async.bulk.work(
            client,
            journal._journal,
            out=out,
            stay=stay,
            outage=outage,
            tags=tags,
            lyrics=lyrics,
            same_account=same_account,
        )
        return client, found

    return Run(client, journal, None, *client._view.call(start))


class Run:
    """An iterator of outcomes; ``close()`` stops it, and so does closing its journal or its client, and Ctrl-C in it.

    Leaving the loop does not: the run continues until one of these is closed.
    """

    def __init__(
        self,
        client: MusicAPI,
        journal: Journal,
        requests: Requests | None,
        started_on: musicapi_async.MusicAPI,
        run: musicapi_async.bulk.Run | Work,
    ) -> None:
        self._view = client._view
        self._journal = journal
        self._requests = requests
        self._started_on = started_on
        self._run = run
        # Reentrant: a generator that iterates over the run it feeds gets an error instead of a deadlock.
        self._planning = threading.RLock()
        self._has_begun = False
        self._counts: Mapping[State, int] = {}
        """Number of records in each state, when the run last ended."""
        self._reported: str | None = None

    def __iter__(self) -> Self:
        """Return itself: a run is iterated once."""
        return self

    def __next__(self) -> Outcome:
        """Plan the requests, if they are not planned yet, then return the next outcome.

        Raises the errors of ``musicapi_async.bulk.Run``, and StopIteration after the last outcome.
        """
        self._journal._check_process()
        with self._planning:
            self._begin()
        try:
            outcome = self._call(self._take, self._stop)
        except ClientClosedError:
            raise
        except Exception:
            self._detach()
            raise
        if outcome is None:
            self._detach()
            raise StopIteration
        return outcome

    def recover(self) -> None:
        """Accept the uncertain records whose events were kept since the last run; the run collects their tasks.

        Call it before you decide on uncertain records, for example to send them again. The requests are planned first,
        as by the first outcome.
        """
        with self._planning:
            self._begin()
        self._call(self._run.recover)

    def stop(self, error: BaseException) -> None:
        """Submit nothing more, and complete the tasks in flight; then the iteration raises the error."""
        self._run.stop(error)

    def close(self) -> None:
        """Stop at once: nothing more is submitted or waited for; submissions in flight get their response.

        Raises JournalError in a child of the process that opened the journal.
        """
        # Closing the client has ended it already.
        with contextlib.suppress(ClientClosedError):
            self._call(self._end)

    def _begin(self) -> None:
        if self._has_begun:
            return
        self._journal._runs.add(self)
        self._view.loop.add_close_callback(self._describe_pending, self._end)
        try:
            self._call(self._run._make_ready)
            if self._requests is not None:
                self._plan(self._requests)
        except BaseException:
            # The previous plan is still active, and must not be run.
            self.stop(ClientClosedError())
            self._detach()
            raise
        finally:
            self._has_begun = True

    def _plan(self, requests: Requests) -> None:
        """Plan the requests as ``musicapi_async.bulk.plan_all`` does, but take them in this thread."""
        journal = self._journal._journal
        plan = self._call(journal.new_plan)
        for batch in blocking_batches_of(requests):
            self._call(functools.partial(journal.plan, batch, plan))
        self._call(functools.partial(journal.activate_plan, plan))
        if isinstance(self._run, musicapi_async.bulk.Run):
            self._call(self._run._remember_options)

    def _call(
        self,
        function: Callable[[], Awaitable[T]],
        describe_pending: Callable[[T | None], str | None] = lambda _: None,
    ) -> T:
        self._journal._check_process()

        async def call(client: musicapi_async.MusicAPI, _: object) -> T:
            check_process(client, self._started_on)
            return await function()

        return self._view.call(call, describe_pending)

    async def _take(self) -> Outcome | None:
        return await anext(self._run, None)

    async def _end(self, timeout: float | None = None) -> None:
        """Close the run and count its records; on the loop."""
        # The run itself reports a full disk; here only the learned estimates are lost.
        with contextlib.suppress(JournalError, TimeoutError):
            async with asyncio.timeout(timeout):
                await self._run.aclose()
        with contextlib.suppress(JournalError):
            self._counts = await self._journal._journal.counts()

    def _stop(self, _: object = None) -> str | None:
        """Close the interrupted run, and return a sentence on the requests it leaves."""
        # An outcome that was not returned is in the journal.
        self.stop(ClientClosedError())
        try:
            with contextlib.suppress(ClientClosedError, RuntimeError):
                self._call(functools.partial(self._end, INTERRUPT_GRACE))
        except BaseException as second:
            note(second, f"the journal {self._journal.name} has all paid requests, and the next run resumes them")
            raise
        return self._describe_pending()

    def _describe_pending(self) -> str | None:
        """Return, once, a sentence on the records that are paid for and not saved."""
        running = sum(self._counts.get(state, 0) for state in UNFINISHED)
        unsure = sum(self._counts.get(state, 0) for state in UNSURE)
        parts = (
            [f"{running} are paid for and still running on the server: the next run resumes them"] if running else []
        )
        parts += [f"{unsure} may have been paid for (uncertain)"] if unsure else []
        sentence = f"of the requests in {self._journal.name}, {'; '.join(parts)}" if parts else None
        if sentence == self._reported:
            return None
        self._reported = sentence
        return sentence

    def _detach(self) -> None:
        """Detach the run from its journal and client."""
        self._journal._runs.discard(self)
        self._view.loop.discard_close_callback(self._describe_pending)
