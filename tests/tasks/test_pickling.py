"""A task as a value: it equals another of its id, and is pickled without its client."""

import copy
import pickle
from typing import Any

import pytest

from musicapi_async import MusicAPI, Stems, Task, UploadedClip, errors, sonic
from musicapi_async.sandbox import Sandbox


def travel(task: Task[Any]) -> Task[Any]:
    arrived = pickle.loads(pickle.dumps(task))  # noqa: S301 - made here
    assert isinstance(arrived, Task)
    return arrived


async def test_tasks_with_the_same_id_and_family_are_equal(client: MusicAPI) -> None:
    task = client.sonic.task("t-1")

    assert task == client.sonic.task("t-1") == client.resume(sonic.BasicStems, "t-1")
    assert len({task, client.sonic.task("t-1")}) == 1
    assert task != client.sonic.task("t-2")
    assert task != client.riffusion.task("t-1")
    assert task != "t-1"


async def test_pickled_task_is_equal_and_raises_until_it_is_attached(client: MusicAPI) -> None:
    task = await client.sonic.describe(description="rain")

    arrived = travel(task)

    assert arrived == task
    assert hash(arrived) == hash(task)
    assert (repr(arrived), arrived.resumption) == (repr(task), task.resumption)
    for use in (arrived.wait(), arrived.poll(), anext(arrived.updates())):
        with pytest.raises(errors.UnattachedTaskError, match=r"client\.attach\(task\)") as caught:
            await use
        assert (caught.value.task_id, caught.value.family) == (task.id, "sonic")


async def test_pickled_task_attached_to_a_client_can_be_waited_for(client: MusicAPI, sandbox: Sandbox) -> None:
    arrived = travel(await client.sonic.describe(description="rain"))
    sandbox.advance(5000)

    assert len(await client.attach(arrived).wait()) == 2


async def test_pickled_task_keeps_its_operation_and_uploaded_clip(client: MusicAPI, sandbox: Sandbox) -> None:
    upload = await client.sonic.upload_extend(url="https://example.org/a.mp3", description="strings")
    assert isinstance(upload.uploaded, UploadedClip)
    assert travel(travel(upload)).uploaded == upload.uploaded
    clip = (await finished(client, sandbox))[0]
    stems = travel(await client.sonic.stems(clip=clip))
    sandbox.advance(5000)

    assert isinstance(await client.attach(stems).wait(), Stems)


async def finished(client: MusicAPI, sandbox: Sandbox) -> Any:
    task = await client.sonic.describe(description="rain")
    sandbox.advance(5000)
    return await task.wait()


async def test_copied_task_is_the_same_object(client: MusicAPI) -> None:
    task = client.sonic.task("t-1")

    assert copy.copy(task) is copy.deepcopy(task) is task
