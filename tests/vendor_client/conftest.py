"""The vendor's client of a sandbox, for each test."""

import ssl
from collections.abc import Iterator

import httpx
import musicapi
import pytest
from anyio.from_thread import start_blocking_portal
from vendor_client.scene import A_TASK, KEY, Scene

from musicapi_async.sandbox import Sandbox


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    """Return what every httpx client makes for itself; it takes longer than a test."""
    return ssl.create_default_context()


@pytest.fixture
def scene(tls: ssl.SSLContext) -> Iterator[Scene]:
    sandbox = Sandbox(seconds=A_TASK, keys=(KEY,))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(sandbox),
        httpx.Client(timeout=10, verify=tls) as http,
        musicapi.MusicAPI(KEY, base_url=sandbox.base_url, http_client=http) as vendor,
    ):
        scene = Scene(sandbox, portal, http, vendor)
        http.event_hooks = {"response": [scene.on_response]}
        yield scene
