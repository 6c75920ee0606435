"""The pytest plugin of musicapi-async: the sandbox as fixtures, for the tests of your own application.

pytest loads it when the package is installed. It is a package of its own, and imports the client only when a fixture
is used, so that it adds nothing noticeable to the start of other tests.
"""

import typing

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


@pytest.fixture
def musicapi_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Sandbox]":
    """Serve a fake MusicAPI for one test; MusicAPI() is a client of it, since the MUSICAPI_* variables lead to it.

    Songs are finished at once (seconds=0); @pytest.mark.musicapi_sandbox(seconds=60, credits=0) sets other arguments of
    the Sandbox. Async tests write: async with musicapi_sandbox.client() as client.
    """
    from musicapi_async.errors import InvalidRequestError  # noqa: PLC0415 - loaded when the fixture is used
    from musicapi_async.sandbox import Sandbox  # noqa: PLC0415 - the same

    arguments: dict[str, typing.Any] = {"seconds": 0}
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            raise pytest.UsageError(f"the marker {MARKER} takes keywords only, such as seconds=60")
        arguments |= marker.kwargs
    try:
        sandbox = Sandbox(**arguments)
    except (InvalidRequestError, TypeError) as error:
        raise pytest.UsageError(f"the marker {MARKER}: {error}") from None
    with sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
def musicapi_client(musicapi_sandbox: "Sandbox") -> "Iterator[musicapi_sync.MusicAPI]":  # noqa: ARG001 - its environment
    """Open a blocking client of the test's sandbox."""
    import musicapi_sync  # noqa: PLC0415 - loaded when the fixture is used

    with musicapi_sync.MusicAPI() as client:
        yield client
