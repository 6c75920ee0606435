"""``musicapi task``, and what every paid task needs: waiting, fetching, and never being lost."""

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Final

import attrs
from rich.filesize import decimal

from musicapi_async import Clip, MusicAPI, Songs, Task, errors
from musicapi_async.cli.collect import Collected, collect
from musicapi_async.cli.ending import in_order
from musicapi_async.cli.exits import LeftAliveError
from musicapi_async.cli.files import Receipt, make_folder
from musicapi_async.cli.progress import minutes, name_of
from musicapi_async.cli.screen import Screen
from musicapi_async.requests._family import TaskFamily

__all__ = ["Errand", "left_alive", "look", "resume_command", "run_errand", "take_up"]

NOTHING_THERE: Final = (errors.NotFoundError, errors.RetiredError, errors.InvalidRequestError)
"""Errors on an id somebody typed, after which the same command would get no further."""


@attrs.frozen(kw_only=True)
class Errand:
    """A paid task and what to do with it: wait at most ``timeout`` seconds, write its files to ``out`` (if any).

    ``request`` is what was asked for, as sent, where that is known; ``embedded`` is true for the embedded sandbox's.
    """

    task: Task[Songs]
    out: Path | None
    timeout: float
    request: Mapping[str, object] | None = None
    embedded: bool = False

    @property
    def receipt(self) -> Receipt | None:
        """Where the task is kept on disk until it is over; None where it would be of no use."""
        return None if self.out is None or self.embedded else Receipt(self.out, self.task.id)


def resume_command(task: Task[Songs], out: Path | None) -> str:
    """Return the command that takes a task up again."""
    download = [] if out is None else ["--download", str(out)]
    return shlex.join(["musicapi", "task", task.id, "--family", task.family, "--wait", *download])


@contextmanager
def left_alive(errand: Errand, *hopeless: type[Exception]) -> Iterator[None]:
    """Add to whatever ends the waiting or fetching how the task is taken up again.

    Not to a failed task, nor to ``hopeless`` errors.
    """
    try:
        yield
    except errors.TaskFailedError:
        if errand.receipt is not None:
            errand.receipt.remove()
        raise
    except hopeless:
        raise
    except (Exception, asyncio.CancelledError) as error:
        resume = None if errand.embedded else resume_command(errand.task, errand.out)
        raise LeftAliveError(errand.task.family, errand.task.id, resume) from error


async def take_up(task_id: str, family: str, out: Path | None, timeout: float, screen: Screen) -> None:
    """Take a task up from its id: wait for its songs, and write their files where a folder is given."""
    async with in_order(MusicAPI()) as client:
        if out is not None:
            await asyncio.to_thread(make_folder, out)
        task = _task_of(client, family, task_id)
        kept = {} if out is None else Receipt(out, task.id).read()
        request = kept.get("request")
        errand = Errand(task=task, out=out, timeout=timeout, request=request if isinstance(request, Mapping) else None)
        screen.tell({"task_id": task.id, "family": task.family})
        # Its receipt stays all the same: another host or key may know the task.
        with left_alive(errand, *NOTHING_THERE):
            await run_errand(client, errand, screen)


async def look(task_id: str, family: str, screen: Screen) -> None:
    """Look at a task once and show it; raises its error when it has failed."""
    async with in_order(MusicAPI()) as client:
        state = await _task_of(client, family, task_id).poll()
    clips = [clip.to_dict() for clip in state.clips]
    screen.tell({"task_id": state.task_id, "family": family, "status": state.status, "clips": clips})
    screen.say(f"{family} task {state.task_id}: {state.status}")
    screen.rows([_clip_row(clip) for clip in state.clips])
    if state.error is not None:
        raise state.error


def _task_of(client: MusicAPI, family: str, task_id: str) -> Task[Songs]:
    found: TaskFamily = getattr(client, family)
    return found.task(task_id)


async def run_errand(client: MusicAPI, errand: Errand, screen: Screen) -> None:
    """Wait for the task's songs, write and show their files.

    Raises the error of a clip whose audio could not be written when all others are.
    """
    songs = await _wait(errand, screen)
    for clip in songs.failed:
        screen.warn(f"{name_of(clip)} failed: {clip.error or 'the service gave no reason'}")
    screen.tell({"failed": [clip.to_dict() for clip in songs.failed]})
    if errand.out is None:
        screen.tell({"clips": [clip.to_dict() for clip in songs]})
        screen.progress.stop()
        screen.rows([_clip_row(clip) for clip in (*songs, *songs.failed)])
        return
    task = errand.task
    known = {"task_id": task.id, "family": task.family, "request": errand.request}
    collected = await collect(client, songs, errand.out, known, screen)
    screen.progress.stop()
    _show(collected, songs, errand.out, screen)
    broken = next((item.error for item in collected if item.error is not None), None)
    if broken is not None:
        raise broken
    if errand.receipt is not None:
        errand.receipt.remove()


async def _wait(errand: Errand, screen: Screen) -> Songs:
    """Wait with the core's own deadline, and show every look meanwhile."""
    screen.progress.accepted()
    watching = asyncio.create_task(_watch(errand.task, screen))
    try:
        return await errand.task.wait(errand.timeout)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(task: Task[Songs], screen: Screen) -> None:
    async with aclosing(task.updates()) as states:
        async for state in states:
            screen.progress.show(state)


def _show(collected: list[Collected], songs: Songs, out: Path, screen: Screen) -> None:
    screen.tell({"clips": [item.to_json() for item in collected]})
    rows = [
        (
            kind.ljust(5),
            minutes(item.clip.duration) if kind == "audio" and item.clip.duration else "",
            _size(path),
            str(path),
        )
        for item in collected
        for kind, path in item.files.items()
    ]
    screen.rows(rows)
    complete = sum(item.error is None for item in collected)
    promised = len(songs) + len(songs.failed)
    count = f"{complete} of {promised} clips" if complete < promised else f"{complete} clip{'s'[: complete != 1]}"
    screen.say(f"{count} in {out.resolve()}")


def _size(path: Path) -> str:
    return decimal(path.stat().st_size)


def _clip_row(clip: Clip) -> tuple[str, ...]:
    address = clip.audio_url or clip.stream_url or clip.error or ""
    return (clip.state or "unknown", minutes(clip.duration) if clip.duration else "", name_of(clip), address)
