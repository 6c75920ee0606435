"""Raw responses of a blocking client."""

from collections.abc import Mapping
from typing import TypeVar

import musicapi_async
from musicapi_async import JSON, RawResponse, Request, TaskRequest
from musicapi_sync._loop_thread import View
from musicapi_sync._tasks import Task, describe_response

__all__ = ["WithRawResponse"]

R = TypeVar("R")


class WithRawResponse:
    """The client's requests, each returned with its response: ``client.with_raw_response``.

    An operation is given by its request value, so that one method takes all of them, fully typed.

    ```python
    from musicapi_sync import MusicAPI, account, sonic

    with MusicAPI() as client:
        response = client.with_raw_response.call(account.GetCredits())
        print(response.status, response.request_id, response.headers["Date"])
        print(response.result.total)
        songs = client.with_raw_response.submit(sonic.Describe(description="lofi rain")).result.wait()
    ```
    """

    def __init__(self, view: View) -> None:
        self._view = view

    def submit(self, request: TaskRequest[R]) -> RawResponse[Task[R]]:
        """Start a task and pay for it, once; ``result`` is the task. The response is that to the submission.

        Raises as ``MusicAPI.submit``.
        """

        def describe_task(response: RawResponse[musicapi_async.Task[R]] | None) -> str | None:
            return None if response is None else response.result._describe_pending()

        found = self._view.call(lambda client, _: client.with_raw_response.submit(request), describe_task)
        return RawResponse(
            status=found.status,
            headers=found.headers,
            request_id=found.request_id,
            content=found.content,
            result=Task(self._view, found.result),
        )

    def call(self, request: Request[R]) -> RawResponse[R]:
        """Send a request that starts no task; of several attempts, the response is the last one.

        Raises as ``MusicAPI.call``.
        """
        return self._view.call(
            lambda client, _: client.with_raw_response.call(request), describe_response(getattr(request, "method", ""))
        )

    def request(
        self, method: str, path: str, *, json: Mapping[str, JSON] | None = None
    ) -> RawResponse[dict[str, JSON]]:
        """Call an endpoint that this package does not know; ``result`` is the response's JSON object.

        Raises as ``MusicAPI.request``.
        """
        return self._view.call(
            lambda client, _: client.with_raw_response.request(method, path, json=json), describe_response(method)
        )
