"""The ASGI and WSGI applications at the edges of their protocols, which no real server shows on purpose."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from wsgiref.util import setup_testing_defaults

import pytest

from musicapi_async.webhooks.receiver import Receiver
from musicapi_async.webhooks.responses import ResponseStatus
from musicapi_async.webhooks.verification import Headers
from musicapi_sync._receiver import Receiver as BlockingReceiver

MIB: Final = 1024 * 1024
Calls = list[tuple[bytes, str]]


async def asgi_answer(
    messages: Iterable[Mapping[str, Any]], calls: Calls | None = None, **scope: Any
) -> Sequence[Mapping[str, Any]]:
    """Return what the application sends, given what it receives."""
    received, sent = iter(messages), list[Mapping[str, Any]]()
    given = {"type": "http", "method": "POST", "path": "/a b", "query_string": b"", "headers": [], **scope}

    async def keep(body: bytes, _: Headers, url: str) -> ResponseStatus:
        (calls if calls is not None else []).append((body, url))
        return ResponseStatus.KEPT

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    await Receiver(keep).asgi(given, receive, send)
    return sent


def part(body: bytes, *, more: bool = False) -> Mapping[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_asgi_body_in_parts_is_joined() -> None:
    calls: Calls = []

    sent = await asgi_answer([part(b"a", more=True), part(b"", more=True), part(b"b")], calls)

    assert sent[0]["status"] == 200
    assert calls == [(b"ab", "/a b")]


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"raw_path": b"/a%20b", "query_string": b"c=%2F"}, "/a%20b?c=%2F"),
        ({"raw_path": b"/a%20b?c=%2F", "query_string": b"c=%2F"}, "/a%20b?c=%2F"),
        ({"raw_path": None, "query_string": b"c=%2F"}, "/a b?c=%2F"),
    ],
)
async def test_asgi_url_is_that_of_the_request(scope: dict[str, Any], url: str) -> None:
    calls: Calls = []

    await asgi_answer([part(b"a")], calls, **scope)

    assert calls == [(b"a", url)]


async def test_asgi_sender_that_leaves_before_the_end_of_its_body_gets_no_answer() -> None:
    calls: Calls = []

    sent = await asgi_answer([part(b"a", more=True), {"type": "http.disconnect"}], calls)

    assert (sent, calls) == ([], [])


async def test_asgi_endless_body_is_read_up_to_a_limit() -> None:
    count = 0

    def endless() -> Iterable[Mapping[str, Any]]:
        nonlocal count
        while True:
            count += 1
            yield part(b"x" * MIB, more=True)

    sent = await asgi_answer(endless())

    assert sent[0]["status"] == 413
    assert count == 8


@pytest.mark.parametrize("length", [b"", b"many", b"-1", b"1" * 30, "\N{ARABIC-INDIC DIGIT THREE}".encode()])
async def test_asgi_unreadable_length_is_ignored(length: bytes) -> None:
    calls: Calls = []

    sent = await asgi_answer([part(b"a")], calls, headers=[(b"content-length", length)])

    assert (sent[0]["status"], len(calls)) == (200, 1)


async def test_asgi_receive_that_fails_is_answered_with_503() -> None:
    def failing() -> Iterable[Mapping[str, Any]]:
        yield part(b"a", more=True)
        raise ValueError("a middleware's trouble")

    sent = await asgi_answer(failing())

    assert [message.get("status") for message in sent] == [503, None]


async def test_asgi_sender_that_left_before_the_answer_raises_nothing() -> None:
    async def keep(_: bytes, __: Headers, ___: str) -> ResponseStatus:
        return ResponseStatus.KEPT

    async def receive() -> Any:
        return part(b"a")

    async def send(_: Any) -> None:
        raise OSError("gone")

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    assert await Receiver(keep).asgi(scope, receive, send) is None  # type: ignore[func-returns-value]  # it returns


async def test_asgi_websocket_is_refused_and_a_lifespan_confirmed() -> None:
    assert await asgi_answer([{"type": "websocket.connect"}], type="websocket") == [
        {"type": "websocket.close", "code": 1003}
    ]
    lifespan = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert await asgi_answer(lifespan, type="lifespan") == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]


def wsgi_answer(content: bytes, calls: Calls | None = None, **environ: Any) -> tuple[str, dict[str, str]]:
    """Return the status and the headers that the application responds with."""
    given: dict[str, Any] = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(content)}
    given = {**given, "PATH_INFO": "/", **environ}
    setup_testing_defaults(given)
    found: list[tuple[str, dict[str, str]]] = []

    def keep(body: bytes, _: Headers, url: str) -> ResponseStatus:
        (calls if calls is not None else []).append((body, url))
        return ResponseStatus.KEPT

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
        found.append((status, dict(headers)))
        return lambda _: None

    assert b"".join(BlockingReceiver(keep).wsgi(given, start_response)) == b""
    return found[0]


def test_wsgi_input_is_read_to_its_length_only() -> None:
    calls: Calls = []

    assert wsgi_answer(b"abc, and the next request", calls, CONTENT_LENGTH="3")[0] == "200 OK"
    assert [body for body, _ in calls] == [b"abc"]


@pytest.mark.parametrize(("environ", "body"), [({}, b""), ({"wsgi.input_terminated": True}, b"abc")])
def test_wsgi_input_without_a_length_is_read_where_the_server_ends_it(environ: dict[str, Any], body: bytes) -> None:
    for length in ({}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "many"}):
        calls: Calls = []
        wsgi_answer(b"abc", calls, **environ, **length)
        assert [found for found, _ in calls] == [body]


def test_wsgi_url_is_percent_encoded_again() -> None:
    calls: Calls = []

    wsgi_answer(b"", calls, SCRIPT_NAME="/hooks", PATH_INFO="/a b\xc3\xbc", QUERY_STRING="c=%2F&d")
    wsgi_answer(b"", calls, SCRIPT_NAME="", PATH_INFO="/hook")

    assert [url for _, url in calls] == ["/hooks/a%20b%C3%BC?c=%2F&d", "/hook"]


@pytest.mark.parametrize("environ", [{"CONTENT_LENGTH": str(20 * MIB)}, {"wsgi.input_terminated": True}])
def test_wsgi_body_that_is_far_too_large_is_read_up_to_a_limit(environ: dict[str, Any]) -> None:
    stream = io.BytesIO(b"x" * 20 * MIB)

    status, headers = wsgi_answer(b"", **{"wsgi.input": stream, **environ})

    assert (status[:3], headers) == ("413", {"Content-Length": "0"})
    assert stream.tell() == 8 * MIB


def test_wsgi_input_that_fails_is_answered_with_503() -> None:
    class Broken(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise OSError("the sender has left")

    environ: dict[str, Any] = {"wsgi.input": Broken(), "CONTENT_LENGTH": "3"}
    assert wsgi_answer(b"", **environ)[0] == "503 Service Unavailable"
