"""The pytest plugin of musicapi-async: the sandbox as fixtures, for the tests of your own application.

pytest loads it when the package is installed. It is a package of its own, and imports the client only when a fixture
is used, so that it adds nothing noticeable to the start of other tests.
"""

import difflib
import gc
import inspect
import sys
import typing
import warnings

import pytest

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    import musicapi_sync
    from musicapi_async.sandbox import Sandbox

__all__ = ["musicapi_client", "musicapi_sandbox", "pytest_configure"]

MARKER: typing.Final = "musicapi_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(**arguments): arguments of the Sandbox of the fixture {MARKER}, such as seconds=60 or credits=0; "
        "a test's own go before those of its class and its module",
    )


@pytest.fixture(scope="session")
def _musicapi_early_clients() -> None:
    """Warn of clients that modules made when they were imported: they are clients of the real service."""
    modules = (sys.modules.get(name) for name in ("musicapi_async", "musicapi_sync"))
    classes = tuple(module.MusicAPI for module in modules if module is not None)
    if not classes:
        return
    from musicapi_async._settings import DEFAULT_BASE_URL  # noqa: PLC0415 - loaded when a fixture is used

    # By their type: an object such as a proxy may run code when it is asked for its class.
    clients = [one for one in gc.get_objects() if issubclass(type(one), classes)]
    if any(client.settings.base_url == DEFAULT_BASE_URL for client in clients):
        message = (
            f"a MusicAPI client was made when a module was imported, before the fixture {MARKER}: it is a client of "
            f"{DEFAULT_BASE_URL}, and what it submits is paid for. Make it in a function that your test calls."
        )
        warnings.warn(pytest.PytestWarning(message), stacklevel=1)


@pytest.fixture
def musicapi_sandbox(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    _musicapi_early_clients: None,
) -> "Iterator[Sandbox]":
    """Serve a fake MusicAPI for one test; MusicAPI() is a client of it, since the MUSICAPI_* variables lead to it.

    Songs are finished at once (seconds=0); @pytest.mark.musicapi_sandbox(seconds=60, credits=0) sets other arguments of
    the Sandbox. Async tests write: async with musicapi_sandbox.client() as client.
    """
    from musicapi_async.sandbox import Sandbox  # noqa: PLC0415 - loaded when the fixture is used

    arguments: dict[str, typing.Any] = {"seconds": 0}
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            pytest.fail(f"the marker {MARKER} takes keywords only, such as seconds=60", pytrace=False)
        arguments |= marker.kwargs
    sandbox = _made(Sandbox, arguments)
    with sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        yield sandbox


def _made(sandbox: "type[Sandbox]", arguments: "dict[str, typing.Any]") -> "Sandbox":
    """Return the sandbox; a wrong argument of a marker fails the test with a sentence."""
    names = list(inspect.signature(sandbox).parameters)
    for name in arguments.keys() - names:
        close = difflib.get_close_matches(name, names, 1)
        advice = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names)}"
        pytest.fail(f"the marker {MARKER}: Sandbox has no argument {name!r}; {advice}", pytrace=False)
    try:
        return sandbox(**arguments)
    except ValueError as error:
        pytest.fail(f"the marker {MARKER}: {error}", pytrace=False)


@pytest.fixture
def musicapi_client(musicapi_sandbox: "Sandbox") -> "Iterator[musicapi_sync.MusicAPI]":  # noqa: ARG001 - its environment
    """Open a blocking client of the test's sandbox."""
    import musicapi_sync  # noqa: PLC0415 - loaded when the fixture is used

    with musicapi_sync.MusicAPI() as client:
        yield client
