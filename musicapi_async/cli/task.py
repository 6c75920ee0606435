"""``musicapi generate`` and ``musicapi task``: submit a paid task or resume it, wait for its songs and save them."""

import asyncio
import inspect
import shlex
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
from rich.filesize import decimal

from musicapi_async import AlignedLyrics, Clip, MusicAPI, Songs, Task, TaskRequest, errors, operations
from musicapi_async._engine_access import engine_of
from musicapi_async.cli.choices import FAMILIES_FROM_IDEA, FAMILIES_FROM_LYRICS
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.cli.exits import PendingTaskError, describe
from musicapi_async.cli.files import TaskFile, UnsavedClip, make_folder, save_clips, saved_fields
from musicapi_async.cli.progress import minutes, name_of
from musicapi_async.cli.running import open_client, wait_shielded
from musicapi_async.cli.screen import Screen
from musicapi_async.media.saving import SavedClip, SaveOptions
from musicapi_async.requests._family import TaskFamily
from musicapi_async.requests.sonic import AlignLyrics

__all__ = ["generate", "make_request", "resume_task", "show_task"]

RESPONSE_GRACE: Final = 10.0
"""Seconds that Ctrl-C waits for the response to a submission in flight: it contains the task's id."""
NOT_RESUMABLE: Final = (errors.NotFoundError, errors.RetiredError, errors.InvalidRequestError)
"""Errors after which the same command with the same id would fail again."""


def make_request(family: str, fields: Mapping[str, object]) -> TaskRequest[Songs]:
    """Make the family's request: ``create`` if lyrics are given, else ``describe``.

    Raises InvalidRequestError when a field is wrong, UsageError when the family has no such operation.
    """
    verb = "create" if "lyrics" in fields else "describe"
    by_family = {
        operation.family: operation for operation in operations() if operation.operation_name.endswith(f".{verb}")
    }
    operation = by_family.get(family)
    if operation is None or not issubclass(operation, TaskRequest):
        source, families = ("lyrics", FAMILIES_FROM_LYRICS) if verb == "create" else ("an idea", FAMILIES_FROM_IDEA)
        raise UsageError(f"--family is {family!r}; for songs from {source} use one of: {', '.join(families)}")
    # A family without tags has sound in their place.
    parameters = inspect.signature(operation).parameters
    arguments = {"sound" if name == "tags" and "sound" in parameters else name: value for name, value in fields.items()}
    request: TaskRequest[Any] = operation(**arguments)
    return request


async def generate(
    request: TaskRequest[Songs], out: Path, options: SaveOptions, timeout: float, screen: Screen, *, embedded: bool
) -> None:
    """Submit the request, wait at most ``timeout`` seconds for its songs and save their files.

    With ``embedded`` it is sent to an embedded sandbox.
    """
    async with open_client(embedded=embedded) as client, _reminding(screen):
        await asyncio.to_thread(make_folder, out)
        task = await _submit(client, request, screen)
        job = _Job(task=task, out=out, options=options, timeout=timeout, request=request.to_wire(), embedded=embedded)
        with _naming_task(job):
            _announce(job, screen)
            await _complete(client, job, screen)


async def resume_task(
    task_id: str, family: str, out: Path | None, options: SaveOptions, timeout: float, screen: Screen
) -> None:
    """Resume a task from its id: wait for its songs, and save their files if a folder is given."""
    async with open_client() as client, _reminding(screen):
        if out is not None:
            await asyncio.to_thread(make_folder, out)
        task = _task_of(client, family, task_id)
        record = {} if out is None else await asyncio.to_thread(TaskFile(out, task.id).read)
        request = record.get("request")
        sent = request if isinstance(request, Mapping) else None
        job = _Job(task=task, out=out, options=options, timeout=timeout, request=sent)
        screen.emit({"task_id": task.id, "family": task.family})
        # The task's file is kept even if the task is not found: another host or key may know it.
        with _naming_task(job, *NOT_RESUMABLE):
            await _complete(client, job, screen)


async def show_task(task_id: str, family: str, screen: Screen) -> None:
    """Poll a task once and show its state; raises the task's error when it has failed."""
    async with open_client() as client:
        state = await _task_of(client, family, task_id).poll()
    clips = [clip.to_dict() for clip in state.clips]
    screen.emit({"task_id": state.task_id, "family": family, "status": state.status, "clips": clips})
    screen.print(f"{family} task {state.task_id}: {state.status}")
    screen.table([_clip_row(clip) for clip in state.clips])
    if state.error is not None:
        raise state.error


@attrs.frozen(kw_only=True)
class _Job:
    """A paid task and what to do with it: wait at most ``timeout`` seconds, save its files to ``out`` (if any).

    ``request`` is the JSON that was sent, where it is known; ``embedded`` is true for a task of the embedded sandbox.
    """

    task: Task[Songs]
    out: Path | None
    options: SaveOptions
    timeout: float
    request: Mapping[str, object] | None = None
    embedded: bool = False

    @property
    def file(self) -> TaskFile | None:
        """The task's file in the output folder; None without a folder, and for the embedded sandbox."""
        return None if self.out is None or self.embedded else TaskFile(self.out, self.task.id)

    @property
    def resume_command(self) -> str | None:
        """The command that resumes the task; None for the embedded sandbox, which ends with this command."""
        if self.embedded:
            return None
        download = [] if self.out is None else ["--download", str(self.out)]
        tags = ["--tags"] if self.options.tags else []
        lyrics = ["--lyrics-as", ",".join(self.options.lyrics)] if self.options.lyrics else []
        arguments = [self.task.id, "--family", self.task.family, "--wait", *download, *tags, *lyrics]
        return shlex.join(["musicapi", "task", *arguments])


@contextmanager
def _naming_task(job: _Job, *not_resumable: type[Exception]) -> Iterator[None]:
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
        raise PendingTaskError(job.task.family, job.task.id, job.resume_command) from error


@asynccontextmanager
async def _reminding(screen: Screen) -> AsyncIterator[None]:
    """Let the progress say every few seconds that the command is still at work."""

    async def remind() -> None:
        while True:  # noqa: ASYNC110 - it waits for time alone
            await asyncio.sleep(screen.progress.remind())

    reminding = asyncio.create_task(remind())
    try:
        yield
    finally:
        reminding.cancel()


async def _submit(client: MusicAPI, request: TaskRequest[Songs], screen: Screen) -> Task[Songs]:
    """Submit; when stopped while the request is in flight, wait briefly for its response, which contains the id."""
    uncertain: list[errors.UncertainSubmissionError] = []
    sending = asyncio.ensure_future(client.with_options(on_uncertain=uncertain.append).submit(request))
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        await _stop(client, sending, screen)
        if sending.cancelled():
            if uncertain:
                raise uncertain[0] from None
            raise
    task = sending.result()
    # The cancellation is only postponed to the next await, when the id has been printed and saved.
    if (current := asyncio.current_task()) is not None:
        current.cancel()
    return task


async def _stop(client: MusicAPI, sending: asyncio.Task[Task[Songs]], screen: Screen) -> None:
    """Cancel the submission: at once, unless its request is in flight."""
    message = f"stopping: waiting up to {RESPONSE_GRACE:g} s for the response to the paid request"
    # Shown only if there is something to wait for.
    showing = asyncio.get_running_loop().call_soon(screen.warn, message)
    # Cancelled: stopped a second time, to leave at once.
    with suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(RESPONSE_GRACE):
            await engine_of(client).wait_for_response(sending)
    showing.cancel()
    engine_of(client).abandon(sending)
    sending.cancel()
    await wait_shielded(asyncio.wait({sending}))


def _announce(job: _Job, screen: Screen) -> None:
    """Print and save the task's id before anything else happens: it has been paid for."""
    task = job.task
    screen.emit({"task_id": task.id, "family": task.family, "request": job.request})
    screen.print(f"{task.family} task {task.id} accepted{' by the embedded sandbox' if job.embedded else ''}")
    if job.file is None:
        return
    try:
        job.file.write(
            {
                "task_id": task.id,
                "family": task.family,
                "accepted_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "request": job.request,
                "resume": job.resume_command,
            }
        )
    except OSError as error:
        screen.warn(f"the task's id could not be written to {job.out}: {error.strerror}")


def _task_of(client: MusicAPI, family: str, task_id: str) -> Task[Songs]:
    tasks: TaskFamily = getattr(client, family)
    return tasks.task(task_id)


async def _complete(client: MusicAPI, job: _Job, screen: Screen) -> None:
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
    # The service finds the times of words in songs of this family alone.
    times = partial(_times_of, client, screen) if job.task.family == AlignLyrics.family else None
    saved = await save_clips(client, songs, job.out, job.options, task_fields, screen, times=times)
    screen.progress.stop()
    _show_saved(saved, songs, job.out, screen)
    error = next((item.error for item in saved if isinstance(item, UnsavedClip)), None)
    if error is not None:
        raise error
    if job.file is not None:
        job.file.remove()


async def _times_of(client: MusicAPI, screen: Screen, clip: Clip) -> AlignedLyrics | None:
    """Return the times of a clip's words, for 1 credit; None, with a warning, where they cannot be had."""
    try:
        return await client.sonic.aligned_lyrics(clip=clip)
    except errors.ClientClosedError:
        raise
    except errors.MusicAPIError as error:
        screen.warn(f"no times of the words of {name_of(clip)}: {describe(error)}")
        return None


async def _wait(job: _Job, screen: Screen) -> Songs:
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


def _show_saved(saved: list[SavedClip | UnsavedClip], songs: Songs, out: Path, screen: Screen) -> None:
    complete = [item for item in saved if isinstance(item, SavedClip)]
    screen.emit({"clips": [saved_fields(item) for item in saved]})
    rows = [
        (
            file_type.ljust(5),
            minutes(item.clip.duration) if file_type == "audio" and item.clip.duration else "",
            decimal(path.stat().st_size),
            str(path),
        )
        for item in complete
        for file_type, path in item.files.items()
    ]
    screen.table(rows)
    count, expected = len(complete), len(songs) + len(songs.failed)
    text = f"{count} of {expected} clips" if count < expected else f"{count} clip{'s'[: count != 1]}"
    screen.print(f"{text} saved in {out.resolve()}")


def _clip_row(clip: Clip) -> tuple[str, ...]:
    address = clip.audio_url or clip.stream_url or clip.error or ""
    return (clip.state or "unknown", minutes(clip.duration) if clip.duration else "", name_of(clip), address)
