"""``bulk.work``: the requests that are planned in a journal are worked off, by any number of workers at once."""

import os
from collections.abc import Sequence
from typing import Any, Self

from musicapi_async._arguments import wrong_argument
from musicapi_async._client import MusicAPI
from musicapi_async.bulk.collecting import Outcome
from musicapi_async.bulk.journal import Journal, is_shared
from musicapi_async.bulk.plan_options import recall_options
from musicapi_async.bulk.run import Run, check_arguments, run
from musicapi_async.errors import JournalError
from musicapi_async.media.saving import CaptionFormat

__all__ = ["Work", "work"]


def work(
    client: MusicAPI,
    journal: Journal,
    *,
    out: str | os.PathLike[str] | None = None,
    outage: float = 900.0,
    tags: bool = False,
    lyrics: Sequence[CaptionFormat] = (),
    stay: bool = False,
) -> "Work":
    """Work off the requests that are planned in a journal; yield the outcome of each that this worker has made.

    On a journal in a database any number of workers do so at once, on any number of machines: each request is sent by
    one of them. A worker that stops is noticed within 15 seconds: the others collect the tasks it has started; what it
    was sending is uncertain. The limits of the plan hold over all workers together, and a change of them is followed
    within seconds. A worker ends when nothing is left for any of them; with ``stay`` it waits for another plan.

    On a journal in a file it is ``bulk.run`` without requests, with the options of the plan.

    ``out``, ``outage``, ``tags`` and ``lyrics`` are those of ``bulk.run``.

    ```python
    from musicapi_async import MusicAPI, bulk

    async with MusicAPI() as client, bulk.open("postgresql://songs@db/songs") as journal:
        async for outcome in bulk.work(client, journal, out="songs/"):
            print(outcome.record.key, outcome.record.state)
    ```

    Raises InvalidRequestError for a wrong argument; the iteration raises what ``bulk.run`` does.
    """
    is_client, is_journal = isinstance(client, MusicAPI), hasattr(journal, "recall")
    check_arguments(is_client=is_client, client=client, is_journal=is_journal, journal=journal, requests=None)
    if stay and not is_shared(journal):
        raise wrong_argument("stay", stay, "False for a journal in a file", "nothing can be planned in it meanwhile")
    options = {"out": out, "outage": outage, "tags": tags, "lyrics": lyrics, "stay": stay}
    return Work(client, journal, options)


class Work:
    """An async iterator of the outcomes of one worker; ``aclose()`` stops it, and so does closing its journal."""

    def __init__(self, client: MusicAPI, journal: Journal, options: dict[str, Any]) -> None:
        self._client = client
        self._journal = journal
        self._options = options
        self._run: Run | None = None
        self._stopped_by: BaseException | None = None

    def __aiter__(self) -> Self:
        """Return itself: it is iterated once."""
        return self

    async def __anext__(self) -> Outcome:
        """Return the next outcome; raises the error that stopped the submissions after the last one."""
        if self._run is None:
            plan = await recall_options(self._journal)
            given = plan.given()
            # The client has a rate of its own, and the lines of a file have been read.
            options = {name: given[name] for name in given.keys() - {"create_rate", "operation"}}
            self._run = self._run or run(self._client, self._journal, **options, **self._options)
            if self._stopped_by is not None:
                self._run.stop(self._stopped_by)
        return await anext(self._run)

    async def recover(self) -> None:
        """Accept the uncertain records whose events were kept, as ``Run.recover`` does."""
        if self._run is not None:
            await self._run.recover()

    def stop(self, error: BaseException) -> None:
        """Submit nothing more, and complete the tasks in flight; then the iteration raises the error."""
        self._stopped_by = self._stopped_by or error
        if self._run is not None:
            self._run.stop(error)

    async def aclose(self) -> None:
        """Stop at once: nothing more is submitted or waited for; other workers collect the tasks in flight."""
        self.stop(JournalError(self._journal.name, "the work on it was closed; another worker goes on with it"))
        if self._run is not None:
            await self._run.aclose()
