"""Raw responses: what a successful request returned beside its result."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
from multidict import CIMultiDict

from musicapi_async._arguments import wrong_argument
from musicapi_async._protocol import encode_call, encode_plain, encode_submission, request_advice
from musicapi_async._request import STARTS_TASK, Request, TaskRequest
from musicapi_async._responses.response import Response, without_keys
from musicapi_async._tasks.task import Task
from musicapi_async.wire.json import JSON

if TYPE_CHECKING:
    from musicapi_async._engine import Engine

__all__ = ["RawResponse", "WithRawResponse"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@attrs.frozen(kw_only=True)
class RawResponse(Generic[R_co]):
    """The response to a successful request, with its result; from ``client.with_raw_response``.

    The API key is masked if the response contains it. A refusal is an error instead, with ``status`` and
    ``request_id`` of its own.
    """

    status: int
    """The HTTP status, a 2xx."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """The headers of the response; their names in any case."""
    request_id: str | None
    """The service's id of this request, for its support; None where it gave none."""
    content: bytes = attrs.field(repr=False)
    """The body, uncompressed: JSON, also with the fields that this package does not know."""
    result: R_co
    """The result, or the task: what the client's method of the same name returns."""


class WithRawResponse:
    """The client's requests, each returned with its response: ``client.with_raw_response``.

    An operation is given by its request value, so that one method takes all of them, fully typed.

    ```python
    from musicapi_async import MusicAPI, account, sonic

    async with MusicAPI() as client:
        response = await client.with_raw_response.call(account.GetCredits())
        print(response.status, response.request_id, response.headers["Date"])
        print(response.result.total)
        accepted = await client.with_raw_response.submit(sonic.Describe(description="lofi rain"))
        songs = await accepted.result.wait()
    ```
    """

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    async def submit(self, request: TaskRequest[R]) -> RawResponse[Task[R]]:
        """Start a task and pay for it, once; ``result`` is the task. The response is that to the submission.

        Raises as ``MusicAPI.submit``.
        """
        if not isinstance(request, TaskRequest):
            raise wrong_argument("request", request, STARTS_TASK, request_advice(request))
        call = encode_submission(request)
        task = await self._engine.submit(request, call)
        return _raw_response(call.response, task)

    async def call(self, request: Request[R]) -> RawResponse[R]:
        """Send a request that starts no task; of several attempts, the response is the last one.

        Raises as ``MusicAPI.call``.
        """
        call, read = encode_call(request)
        result = await self._engine.send(request, call, read)
        return _raw_response(call.response, result)

    async def request(
        self, method: str, path: str, *, json: Mapping[str, JSON] | None = None
    ) -> RawResponse[dict[str, JSON]]:
        """Call an endpoint that this package does not know; ``result`` is the response's JSON object.

        Raises as ``MusicAPI.request``.
        """
        call, read = encode_plain(method, path, json)
        body = await self._engine.send_plain(call, read)
        return _raw_response(call.response, dict(body))


def _raw_response(response: Response | None, result: R) -> RawResponse[R]:
    assert response is not None, "a result comes from a response"  # noqa: S101 - for type checkers
    return RawResponse(
        status=response.status,
        headers=CIMultiDict((name, without_keys(value, response.keys)) for name, value in response.headers.items()),
        request_id=response.request_id,
        content=response.content,
        result=result,
    )
