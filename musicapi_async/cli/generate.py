"""``musicapi generate``: pay for a task, once, and bring its songs home."""

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
from musicapi_async.cli.ending import outlast
from musicapi_async.cli.exits import UsageError
from musicapi_async.cli.files import make_folder
from musicapi_async.cli.opening import open_client
from musicapi_async.cli.screen import Screen
from musicapi_async.cli.task import Errand, left_alive, resume_command, run_errand
from musicapi_async.errors import UncertainSubmissionError

__all__ = ["Order", "families", "generate", "request_for"]

ANSWER_GRACE: Final = 10.0
"""Seconds that Ctrl-C waits for the answer to a paid request that is under way: it brings the id."""


def families() -> list[str]:
    """Return the families whose tasks become songs."""
    return sorted({kind.family() for kind in operations() if kind.result is Songs})


@attrs.frozen(kw_only=True)
class Order:
    """What is asked for: the request, the folder for its files, seconds to wait, and whether in the sandbox."""

    request: TaskRequest[Songs]
    out: Path
    timeout: float
    embedded: bool


def request_for(family: str, given: Mapping[str, object]) -> TaskRequest[Songs]:
    """Make the family's request: from lyrics where they are given, else from a description.

    Raises InvalidRequestError when a field is wrong, UsageError when the family has no such operation.
    """
    verb = "create" if "lyrics" in given else "describe"
    name = f"{family}.{verb}"
    found = next((kind for kind in operations() if kind.operation_name() == name), None)
    if found is None or not issubclass(found, TaskRequest):
        those = " or ".join(
            sorted(kind.family() for kind in operations() if kind.operation_name().endswith(f".{verb}"))
        )
        raise UsageError(f"there is no {name}: --family takes {those}")
    # The one family that has no tags calls the same thing sound.
    names = inspect.signature(found).parameters
    fields = {"sound" if name == "tags" and "sound" in names else name: value for name, value in given.items()}
    request: TaskRequest[Any] = found(**fields)
    return request


async def generate(order: Order, screen: Screen) -> None:
    """Submit the request, wait for its songs and write their files."""
    async with open_client(embedded=order.embedded) as client:
        await asyncio.to_thread(make_folder, order.out)
        task = await _submit(client, order.request, screen)
        request = order.request.to_wire()
        errand = Errand(task=task, out=order.out, timeout=order.timeout, request=request, embedded=order.embedded)
        with left_alive(errand):
            _announce(errand, screen)
            await run_errand(client, errand, screen)


async def _submit(client: MusicAPI, request: TaskRequest[Songs], screen: Screen) -> Task[Songs]:
    """Submit; when stopped while the request is in the air, wait a little for its answer: it brings the id."""
    doubts: list[UncertainSubmissionError] = []
    sending = asyncio.ensure_future(client.with_options(on_uncertain=doubts.append).submit(request))
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        await _stop(client, sending, screen)
        if sending.cancelled():
            if doubts:
                raise doubts[0] from None
            raise
    task = sending.result()
    # The stop was only put off: it comes at the next await, when the id is known and kept.
    if (current := asyncio.current_task()) is not None:
        current.cancel()
    return task


async def _stop(client: MusicAPI, sending: asyncio.Task[Task[Songs]], screen: Screen) -> None:
    """End the sending: at once, unless its paid request is in the air."""
    sentence = f"stopping: waiting up to {ANSWER_GRACE:g} s for the answer to the paid request"
    # Said only where there is something to wait for.
    saying = asyncio.get_running_loop().call_soon(screen.warn, sentence)
    # Cancelled: stopped a second time, to leave at once.
    with suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(ANSWER_GRACE):
            await engine_of(client).wait_for_response(sending)
    saying.cancel()
    engine_of(client).abandon(sending)
    sending.cancel()
    await outlast(asyncio.wait({sending}))


def _announce(errand: Errand, screen: Screen) -> None:
    """Say and keep the task's id before anything else happens: it is money."""
    task = errand.task
    screen.tell({"task_id": task.id, "family": task.family, "request": errand.request})
    screen.say(f"{task.family} task {task.id} accepted{' by the embedded sandbox' if errand.embedded else ''}")
    if errand.receipt is None:
        return
    try:
        errand.receipt.write(
            {
                "task_id": task.id,
                "family": task.family,
                "accepted_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "request": errand.request,
                "resume": resume_command(task, errand.out),
            }
        )
    except OSError as error:
        screen.warn(f"the task's id could not be written to {errand.out}: {error.strerror}")
