"""A task that the service has just accepted, as the setting ``on_accepted`` gets it. No I/O."""

import attrs

from musicapi_async._request import Request

__all__ = ["AcceptedTask"]


@attrs.frozen(kw_only=True)
class AcceptedTask:
    """A paid task that the service has just accepted, for the setting ``on_accepted``.

    It is a value, which can be pickled: store ``task_id`` with your own record of the request, and
    ``client.<family>.task(task_id)`` or the expression in ``resumption`` resumes the task later.

    ```python
    from musicapi_async import AcceptedTask, MusicAPI

    stored: dict[str, str] = {}


    def store(accepted: AcceptedTask) -> None:
        stored[accepted.task_id] = accepted.resumption


    async with MusicAPI(on_accepted=store) as client:
        songs = await client.sonic.describe(description="lofi rain").wait()
    ```
    """

    task_id: str
    """The id that the service assigned to the task."""
    family: str
    """The family of its operation, such as ``sonic``."""
    request: Request[object]
    """The request that started it; of the tasks of a batch, the batch."""
    resumption: str
    """The Python expression that resumes the task, such as ``client.sonic.task('...')``."""
