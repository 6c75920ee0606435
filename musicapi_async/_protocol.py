"""Conversion of requests to calls, and of responses to results. No I/O."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlencode

from musicapi_async._arguments import wrong_argument
from musicapi_async._fields import can_be_sent
from musicapi_async._request import GET, POST, Request, TaskRequest
from musicapi_async._responses.contents import ids_in, read_result, read_uploaded
from musicapi_async._responses.decoding import (
    is_id,
    is_not_ready,
    is_refunded,
    read_body,
    read_object,
    read_task_id,
    unreadable,
)
from musicapi_async._responses.response import Response
from musicapi_async._secrets import Secret
from musicapi_async._transport.addresses import as_sent
from musicapi_async._transport.call import Call, SubmissionHook
from musicapi_async._transport.retry import RequestClass
from musicapi_async._webhook_urls import attempt_url, new_reference
from musicapi_async.errors import InvalidRequestError, NotReadyError
from musicapi_async.results import Batch, Persona, UploadedClip, Voice
from musicapi_async.wire.json import check_json

__all__ = [
    "ID_RESULTS",
    "check_operation",
    "encode_call",
    "encode_plain",
    "encode_submission",
    "read_submission",
    "report_to",
    "request_advice",
]

R = TypeVar("R")

OPERATION: Final = re.compile(r"[A-Za-z_.]{1,40}")
"""A name such as ``sonic.create``, which an error may show."""
ID_RESULTS: Final = (Batch, Persona, UploadedClip, Voice)
"""Results that consist of ids: a response with one was charged, whatever else it says."""


def check_operation(operation: object) -> None:
    """Raise InvalidRequestError unless this is the class of a request that starts a task."""
    if not (isinstance(operation, type) and issubclass(operation, TaskRequest)):
        wanted = "the class of a request that starts a task, such as sonic.Create"
        if isinstance(operation, str) and OPERATION.fullmatch(operation):
            message = f"operation is {operation!r}; it must be {wanted}"
            raise InvalidRequestError(message, "operation", operation, wanted)
        advice = f"pass the class {type(operation).__name__}" if isinstance(operation, TaskRequest) else ""
        raise wrong_argument("operation", operation, wanted, advice)


def encode_submission(request: TaskRequest[Any], hook: SubmissionHook | None = None) -> Call:
    """Return the call that starts a task."""
    return Call(
        method=request.method,
        path=request.path,
        attempted=f"{request.method} {request.path}",
        body=request.to_wire(),
        request_class=RequestClass.SUBMISSION,
        request=request,
        hook=hook,
        min_timeout=request.min_timeout,
        replacement=request.replacement,
    )


def report_to(call: Call, url: str, secret: Secret) -> str:
    """Have the service report a submission to a URL of its own, and return the reference in that URL."""
    call.reference = reference = call.reference or new_reference()
    # No local variable holds the secret as text: a traceback may show them.
    call.body = {
        **(call.body or {}),
        "webhook_url": attempt_url(url, reference),
        "webhook_secret": secret.reveal(),
    }
    return reference


def read_submission(call: Call, response: Response, *, id_in_data: bool) -> tuple[str, UploadedClip | None]:
    """Return the id of the task that a call has started, and the clip of a one-shot upload."""
    body = read_body(response)
    try:
        task_id = read_task_id(call.attempted, response, body, id_in_data=id_in_data)
    except Exception:
        if (found := _only_task(response, body, call.body)) is None:
            raise
        task_id = found
    return task_id, read_uploaded(body) if isinstance(body, dict) and "steps" in body else None


def encode_call(request: Request[R]) -> tuple[Call, Callable[[Response], R]]:
    """Return the call of a request that is answered at once, and the reader of its result."""
    if not isinstance(request, Request):
        raise wrong_argument("request", request, "a request, such as sonic.GetBpm(...)", request_advice(request))
    if isinstance(request, TaskRequest):
        advice = f"{request.operation_name} starts a task: give it to submit()"
        raise wrong_argument("request", request, "a request that answers at once", advice)
    sent = request.to_wire()
    is_read = request.method == GET
    query = f"?{urlencode(sent)}" if is_read and sent else ""
    call = Call(
        method=request.method,
        path=request.path + query,
        attempted=f"{request.method} {request.path}{query}",
        body=None if is_read else sent,
        request_class=RequestClass.READ if is_read else RequestClass.SUBMISSION,
        request=request,
        min_timeout=request.min_timeout,
        replacement=request.replacement,
    )

    def read(response: Response) -> R:
        body = read_body(response)
        if request.is_async_export and is_not_ready(response, body):
            raise NotReadyError(call.attempted)
        try:
            found = read_object(call.attempted, response, body)
        except Exception:
            if (charged := _charged_result(request, response, body)) is not None:
                return charged
            raise
        try:
            return read_result(found, request.result)
        except ValueError as error:
            raise unreadable(
                call.attempted, response, f"the response differs from the API documentation: {error}"
            ) from error

    return call, read


def encode_plain(
    method: str, path: str, json: Mapping[str, Any] | None
) -> tuple[Call, Callable[[Response], Mapping[str, Any]]]:
    """Return the call of an endpoint unknown to this package, and the reader of its response's object.

    Raises InvalidRequestError for invalid arguments.
    """
    if method not in (GET, POST):
        if not isinstance(method, str):
            raise wrong_argument("method", method, "GET or POST")
        raise InvalidRequestError(f"method is {method!r}; it must be GET or POST", "method", method, (GET, POST))
    if not isinstance(path, str):
        raise wrong_argument("path", path, "text that begins with /")
    if not path.startswith("/"):
        raise InvalidRequestError(f"path is {path!r}; it must begin with /", "path", path, "/...")
    if not can_be_sent(path):
        raise InvalidRequestError("path contains a lone surrogate", "path", path, "valid Unicode")
    if json is not None and not isinstance(json, Mapping):
        raise wrong_argument("json", json, "a dict, or None")
    check_json("json", json)
    request_class = RequestClass.READ if method == GET else RequestClass.SUBMISSION
    sent_path = as_sent(path).replace("#", "%23")
    call = Call(
        method=method,
        path=sent_path,
        attempted=f"{method} {sent_path}",
        body=json,
        request_class=request_class,
        request=json,
    )
    return call, lambda response: read_object(call.attempted, response, read_body(response))


def request_advice(given: object) -> str:
    """Return advice on a value that is not the wanted request."""
    if isinstance(given, Request):
        return f"{given.operation_name} answers at once, pass it to call()"
    if isinstance(given, type) and issubclass(given, Request):
        return f"make one with its fields, {given.family}.{given.__name__}(...)"
    return "client.run(requests) takes several" if isinstance(given, (list, tuple)) else ""


def _only_task(response: Response, body: object, sent: object) -> str | None:
    """Return the only task id in an unusual place of a 2xx: it was accepted, unless the response denies it."""
    if not (response.is_success and isinstance(body, dict)) or body.get("failed_step") or is_refunded(body):
        return None
    task_ids = ids_in(body, sent).task_ids
    return task_ids[0] if len(task_ids) == 1 and is_id(task_ids[0]) else None


def _charged_result(request: Request[R], response: Response, body: object) -> R | None:
    """Return the charged result in a response that otherwise reports an error; None when there is none."""
    has_ids = request.result in ID_RESULTS
    if not (has_ids and response.is_success and isinstance(body, dict)):
        return None
    try:
        result: Any = read_result(body, request.result)
    except ValueError:
        return None
    is_empty = isinstance(result, Batch) and not any(task.task_id for task in result)
    return None if is_empty else cast("R", result)
