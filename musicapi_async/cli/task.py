"""``musicapi task``, and the second half of ``musicapi generate``: wait for a paid task and save its songs."""

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Final

import attrs
from rich.filesize import decimal

from musicapi_async import Clip, MusicAPI, Songs, Task, errors
from musicapi_async.cli.exits import PendingTaskError
from musicapi_async.cli.files import SavedClip, TaskFile, make_folder, save_clips
from musicapi_async.cli.progress import minutes, name_of
from musicapi_async.cli.running import closing_shielded
from musicapi_async.cli.screen import Screen
from musicapi_async.requests._family import TaskFamily

__all__ = ["TaskJob", "complete_job", "naming_task", "resume_command", "resume_task", "show_task"]

NOT_RESUMABLE: Final = (errors.NotFoundError, errors.RetiredError, errors.InvalidRequestError)
"""Errors after which the same command with the same id would fail again."""


@attrs.frozen(kw_only=True)
class TaskJob:
    """A paid task and what to do with it: wait at most ``timeout`` seconds, save its files to ``out`` (if any).

    ``request`` is the JSON that was sent, where it is known; ``embedded`` is true for a task of the embedded sandbox.
    """

    task: Task[Songs]
    out: Path | None
    timeout: float
    request: Mapping[str, object] | None = None
    embedded: bool = False

    @property
    def file(self) -> TaskFile | None:
        """The task's file in the output folder; None without a folder, and for the embedded sandbox."""
        return None if self.out is None or self.embedded else TaskFile(self.out, self.task.id)


def resume_command(task: Task[Songs], out: Path | None) -> str:
    """Return the command that resumes a task."""
    download = [] if out is None else ["--download", str(out)]
    return shlex.join(["musicapi", "task", task.id, "--family", task.family, "--wait", *download])


@contextmanager
def naming_task(job: TaskJob, *not_resumable: type[Exception]) -> Iterator[None]:
    """Wrap an error or cancellation in PendingTaskError, which names the task and the command that resumes it.

    A failed task's error and those of the ``not_resumable`` classes pass unchanged.
    """
    try:
        yield
    except errors.TaskFailedError:
        if job.file is not None:
            job.file.remove()
        raise
    except not_resumable:
        raise
    except (Exception, asyncio.CancelledError) as error:
        resume = None if job.embedded else resume_command(job.task, job.out)
        raise PendingTaskError(job.task.family, job.task.id, resume) from error


async def resume_task(task_id: str, family: str, out: Path | None, timeout: float, screen: Screen) -> None:
    """Resume a task from its id: wait for its songs, and save their files if a folder is given."""
    async with closing_shielded(MusicAPI()) as client:
        if out is not None:
            await asyncio.to_thread(make_folder, out)
        task = _task_of(client, family, task_id)
        record = {} if out is None else TaskFile(out, task.id).read()
        request = record.get("request")
        job = TaskJob(task=task, out=out, timeout=timeout, request=request if isinstance(request, Mapping) else None)
        screen.emit({"task_id": task.id, "family": task.family})
        # The task's file is kept even if the task is not found: another host or key may know it.
        with naming_task(job, *NOT_RESUMABLE):
            await complete_job(client, job, screen)


async def show_task(task_id: str, family: str, screen: Screen) -> None:
    """Poll a task once and show its state; raises the task's error when it has failed."""
    async with closing_shielded(MusicAPI()) as client:
        state = await _task_of(client, family, task_id).poll()
    clips = [clip.to_dict() for clip in state.clips]
    screen.emit({"task_id": state.task_id, "family": family, "status": state.status, "clips": clips})
    screen.print(f"{family} task {state.task_id}: {state.status}")
    screen.table([_clip_row(clip) for clip in state.clips])
    if state.error is not None:
        raise state.error


def _task_of(client: MusicAPI, family: str, task_id: str) -> Task[Songs]:
    tasks: TaskFamily = getattr(client, family)
    return tasks.task(task_id)


async def complete_job(client: MusicAPI, job: TaskJob, screen: Screen) -> None:
    """Wait for the task's songs, save their files and list them.

    Raises the error of the first clip whose audio could not be saved, after all others are.
    """
    songs = await _wait(job, screen)
    for clip in songs.failed:
        screen.warn(f"{name_of(clip)} failed: {clip.error or 'the service gave no reason'}")
    screen.emit({"failed": [clip.to_dict() for clip in songs.failed]})
    if job.out is None:
        screen.emit({"clips": [clip.to_dict() for clip in songs]})
        screen.progress.stop()
        screen.table([_clip_row(clip) for clip in (*songs, *songs.failed)])
        return
    task_fields = {"task_id": job.task.id, "family": job.task.family, "request": job.request}
    saved = await save_clips(client, songs, job.out, task_fields, screen)
    screen.progress.stop()
    _show_saved(saved, songs, job.out, screen)
    error = next((item.error for item in saved if item.error is not None), None)
    if error is not None:
        raise error
    if job.file is not None:
        job.file.remove()


async def _wait(job: TaskJob, screen: Screen) -> Songs:
    """Wait with the client's own deadline, and show the state of every poll meanwhile."""
    screen.progress.accepted()
    following = asyncio.create_task(_follow(job.task, screen))
    try:
        return await job.task.wait(job.timeout)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(task: Task[Songs], screen: Screen) -> None:
    async with aclosing(task.updates()) as states:
        async for state in states:
            screen.progress.show(state)


def _show_saved(saved: list[SavedClip], songs: Songs, out: Path, screen: Screen) -> None:
    screen.emit({"clips": [item.to_json() for item in saved]})
    rows = [
        (
            file_type.ljust(5),
            minutes(item.clip.duration) if file_type == "audio" and item.clip.duration else "",
            decimal(path.stat().st_size),
            str(path),
        )
        for item in saved
        for file_type, path in item.files.items()
    ]
    screen.table(rows)
    complete = sum(item.error is None for item in saved)
    expected = len(songs) + len(songs.failed)
    count = f"{complete} of {expected} clips" if complete < expected else f"{complete} clip{'s'[: complete != 1]}"
    screen.print(f"{count} saved in {out.resolve()}")


def _clip_row(clip: Clip) -> tuple[str, ...]:
    address = clip.audio_url or clip.stream_url or clip.error or ""
    return (clip.state or "unknown", minutes(clip.duration) if clip.duration else "", name_of(clip), address)
