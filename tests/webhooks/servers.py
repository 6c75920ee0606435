"""Real web servers on loopback, each with one way to receive webhook requests: an adapter, or a view of its own."""

import asyncio
import functools
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final
from wsgiref.types import WSGIApplication

import attrs
import django
import fastapi
import flask
import starlette.applications
import starlette.middleware
import starlette.middleware.base
import starlette.requests
import uvicorn
import waitress.server
import waitress.wasyncore
from aiohttp import web
from anyio import from_thread
from anyio.lowlevel import current_token
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from django.views.decorators.http import require_POST
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import musicapi_sync._receiver as blocking
from musicapi_async.webhooks.receiver import Receiver
from musicapi_async.webhooks.responses import ResponseStatus
from musicapi_async.webhooks.verification import Headers

__all__ = ["ADAPTERS", "SERVERS", "Served"]

Receive = Callable[[bytes, Headers, str], Coroutine[Any, Any, ResponseStatus]]
PATH: Final = "/hooks/musicapi"


@attrs.frozen
class Served:
    """A server that runs, and the exact URL that the service would be given."""

    url: str


# aiohttp.web


@asynccontextmanager
async def aiohttp_server(receive: Receive, **options: Any) -> AsyncIterator[Served]:
    app = web.Application(**options)
    app.router.add_route("*", PATH, Receiver(receive).aiohttp)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Served(f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}")
    finally:
        await runner.cleanup()


def aiohttp_behind_a_reader(receive: Receive) -> AbstractAsyncContextManager[Served]:
    @web.middleware
    async def read_first(request: web.Request, handler: Any) -> web.StreamResponse:
        await request.read()
        response: web.StreamResponse = await handler(request)
        return response

    return aiohttp_server(receive, middlewares=[read_first], client_max_size=16 * 1024 * 1024)


# ASGI


@asynccontextmanager
async def uvicorn_server(app: Any, path: str = PATH, **options: Any) -> AsyncIterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, log_level="critical", timeout_graceful_shutdown=1, **{"lifespan": "off", **options}
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.005)
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}{path}")
        finally:
            server.should_exit = True
            await running


def asgi_alone(receive: Receive) -> AbstractAsyncContextManager[Served]:
    return uvicorn_server(Receiver(receive).asgi, lifespan="on")


def starlette_route(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = starlette.applications.Starlette()
    app.add_route(PATH, Receiver(receive).asgi, methods=["POST"])  # type: ignore[arg-type]  # an application is an endpoint as well
    return uvicorn_server(app)


def starlette_behind_a_middleware(receive: Receive) -> AbstractAsyncContextManager[Served]:
    class Passing(starlette.middleware.base.BaseHTTPMiddleware):
        async def dispatch(self, request: starlette.requests.Request, call_next: Any) -> Any:
            return await call_next(request)

    app = starlette.applications.Starlette(middleware=[starlette.middleware.Middleware(Passing)])
    app.add_route(PATH, Receiver(receive).asgi)  # type: ignore[arg-type]  # an application is an endpoint as well
    return uvicorn_server(app)


def starlette_mount(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = starlette.applications.Starlette()
    app.mount("/hooks", Receiver(receive).asgi)
    return uvicorn_server(app)


def starlette_mount_below_with_a_slash(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = starlette.applications.Starlette()
    app.mount("/hooks", Receiver(receive).asgi)
    return uvicorn_server(app, f"{PATH}/")


def starlette_mount_with_a_slash(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = starlette.applications.Starlette()
    app.mount(PATH, Receiver(receive).asgi)
    return uvicorn_server(app, f"{PATH}/")


def fastapi_route(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = fastapi.FastAPI()
    app.add_route(PATH, Receiver(receive).asgi, methods=["POST"])  # type: ignore[arg-type]  # an application is an endpoint as well
    return uvicorn_server(app)


def fastapi_mount(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = fastapi.FastAPI()
    app.mount("/hooks", Receiver(receive).asgi)
    return uvicorn_server(app)


def fastapi_view(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app, receiver = fastapi.FastAPI(), Receiver(receive)

    @app.post(PATH)
    async def view(request: fastapi.Request) -> fastapi.Response:
        url = f"{request.url.path}?{request.url.query}"
        return fastapi.Response(status_code=await receiver.respond(await request.body(), request.headers, url))

    return uvicorn_server(app)


# Django has one configuration for each process: its views find what they serve here.
_django: dict[str, Any] = {}


async def _django_view(request: HttpRequest) -> HttpResponse:
    receiver: Receiver = _django["receiver"]
    return HttpResponse(status=await receiver.respond(request.body, request.headers, request.get_full_path()))


def _django_blocking_view(request: HttpRequest) -> HttpResponse:
    receiver: blocking.Receiver = _django["receiver"]
    return HttpResponse(status=receiver.respond(request.body, request.META, request.get_full_path()))


class _Views:
    urlpatterns = (
        re_path("^async/", require_POST(_django_view)),
        re_path("^blocking/", require_POST(_django_blocking_view)),
    )


@functools.cache
def _set_up_django() -> None:
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=_Views,
        SECRET_KEY="django-needs-one",
        MIDDLEWARE=[],
        LOGGING_CONFIG=None,
    )
    django.setup()


def django_asgi(receive: Receive) -> AbstractAsyncContextManager[Served]:
    """Dispatch by path beside Django, as its asgi.py can."""
    _set_up_django()
    app, receiver = get_asgi_application(), Receiver(receive)

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        await (receiver.asgi if scope["path"] == PATH else app)(scope, receive, send)

    return uvicorn_server(dispatch)


def django_async_view(receive: Receive) -> AbstractAsyncContextManager[Served]:
    _set_up_django()
    _django["receiver"] = Receiver(receive)
    return uvicorn_server(get_asgi_application(), "/async/")


# WSGI


def _from_threads(receive: Receive) -> blocking.Receive:
    """Return a blocking function that a server's threads call; it runs in the test's event loop."""
    token = current_token()

    def call(body: bytes, headers: Headers, url: str) -> ResponseStatus:
        return from_thread.run(receive, body, headers, url, token=token)

    return call


@asynccontextmanager
async def waitress_server(app: WSGIApplication, path: str = PATH) -> AsyncIterator[Served]:
    sockets: dict[int, Any] = {}
    server = waitress.server.create_server(app, sockets, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.effective_port}{path}")
    finally:
        # The server may do so for another reason before this wakes it, and then the trigger is closed as well.
        with suppress(OSError):
            server.trigger.pull_trigger(lambda: waitress.wasyncore.close_all(sockets))
        await asyncio.to_thread(thread.join)
        await asyncio.to_thread(server.task_dispatcher.shutdown)


def wsgi_alone(receive: Receive) -> AbstractAsyncContextManager[Served]:
    return waitress_server(blocking.Receiver(_from_threads(receive)).wsgi)


def flask_mount(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = flask.Flask("hooks")
    receiver = blocking.Receiver(_from_threads(receive))
    return waitress_server(DispatcherMiddleware(app.wsgi_app, {PATH: receiver.wsgi}))


def flask_view(receive: Receive) -> AbstractAsyncContextManager[Served]:
    app = flask.Flask("hooks")
    receiver = blocking.Receiver(_from_threads(receive))

    @app.post(PATH)
    def view() -> flask.Response:
        status = receiver.respond(flask.request.get_data(), flask.request.headers, flask.request.full_path)
        return flask.Response(status=status)

    return waitress_server(app)


def django_wsgi(receive: Receive) -> AbstractAsyncContextManager[Served]:
    """Dispatch by path beside Django, as its wsgi.py can."""
    _set_up_django()
    app, receiver = get_wsgi_application(), blocking.Receiver(_from_threads(receive))
    return waitress_server(DispatcherMiddleware(app, {PATH: receiver.wsgi}))


def django_blocking_view(receive: Receive) -> AbstractAsyncContextManager[Served]:
    _set_up_django()
    _django["receiver"] = blocking.Receiver(_from_threads(receive))
    return waitress_server(get_wsgi_application(), "/blocking/")


Serve = Callable[[Receive], AbstractAsyncContextManager[Served]]

VIEWS: Final[Mapping[str, Serve]] = {
    "fastapi view": fastapi_view,
    "django async view": django_async_view,
    "django blocking view": django_blocking_view,
    "flask view": flask_view,
}
"""Servers whose own views read the body and return the response."""

ADAPTERS: Final[Mapping[str, Serve]] = {
    "aiohttp": aiohttp_server,
    "aiohttp behind a reader": aiohttp_behind_a_reader,
    "asgi alone": asgi_alone,
    "starlette route": starlette_route,
    "starlette behind a middleware": starlette_behind_a_middleware,
    "starlette mount": starlette_mount,
    "starlette mount below with a slash": starlette_mount_below_with_a_slash,
    "starlette mount with a slash": starlette_mount_with_a_slash,
    "fastapi route": fastapi_route,
    "fastapi mount": fastapi_mount,
    "django asgi": django_asgi,
    "wsgi alone": wsgi_alone,
    "flask mount": flask_mount,
    "django wsgi": django_wsgi,
}
"""Servers with an adapter, which also checks the method and the size."""

SERVERS: Final[Mapping[str, Serve]] = {**ADAPTERS, **VIEWS}
