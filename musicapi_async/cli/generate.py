"""``musicapi generate``: submit one paid task, wait for it and save its songs."""

import asyncio
import inspect
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from musicapi_async import MusicAPI, Songs, Task, TaskRequest, operations
from musicapi_async._engine import engine_of
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.files import make_folder
from musicapi_async.cli.running import wait_shielded
from musicapi_async.cli.sandbox import open_client
from musicapi_async.cli.screen import Screen
from musicapi_async.cli.task import TaskJob, complete_job, naming_task, resume_command
from musicapi_async.errors import UncertainSubmissionError

__all__ = ["GenerateOptions", "families", "generate", "make_request"]

RESPONSE_GRACE: Final = 10.0
"""Seconds that Ctrl-C waits for the response to a submission in flight: it contains the task's id."""


@attrs.frozen(kw_only=True)
class GenerateOptions:
    """The request, the output folder, the timeout in seconds, and whether to use the embedded sandbox."""

    request: TaskRequest[Songs]
    out: Path
    timeout: float
    embedded: bool


def families() -> list[str]:
    """Return the families whose tasks result in songs."""
    return sorted({operation.family for operation in operations() if operation.result is Songs})


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
        source = "lyrics" if verb == "create" else "an idea"
        raise UsageError(f"--family is {family!r}; for songs from {source} use one of: {', '.join(sorted(by_family))}")
    # A family without tags has sound in their place.
    parameters = inspect.signature(operation).parameters
    arguments = {"sound" if name == "tags" and "sound" in parameters else name: value for name, value in fields.items()}
    request: TaskRequest[Any] = operation(**arguments)
    return request


async def generate(options: GenerateOptions, screen: Screen) -> None:
    """Submit the request, wait for its songs and save their files."""
    async with open_client(embedded=options.embedded) as client:
        await asyncio.to_thread(make_folder, options.out)
        task = await _submit(client, options.request, screen)
        request = options.request.to_wire()
        job = TaskJob(task=task, out=options.out, timeout=options.timeout, request=request, embedded=options.embedded)
        with naming_task(job):
            _announce(job, screen)
            await complete_job(client, job, screen)


async def _submit(client: MusicAPI, request: TaskRequest[Songs], screen: Screen) -> Task[Songs]:
    """Submit; when stopped while the request is in flight, wait briefly for its response, which contains the id."""
    uncertain: list[UncertainSubmissionError] = []
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


def _announce(job: TaskJob, screen: Screen) -> None:
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
                "resume": resume_command(task, job.out),
            }
        )
    except OSError as error:
        screen.warn(f"the task's id could not be written to {job.out}: {error.strerror}")
