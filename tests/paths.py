"""The two paths of a request: written directly to a connection, or the HTTP library's own, which `trace_configs` takes.

A module whose tests run over both says ``pytestmark = BOTH_PATHS``, and gives ``path_settings()`` to its clients.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import aiohttp
import pytest

__all__ = ["BOTH_PATHS", "both_paths", "path_settings"]

BOTH_PATHS: Final = pytest.mark.usefixtures("both_paths")
_chosen: dict[str, Any] = {}


def path_settings() -> Mapping[str, Any]:
    """Return the settings of a client that choose the path of the running test."""
    return _chosen


@pytest.fixture(params=["direct", "usual"], scope="module")
def both_paths(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the tests of a module over both paths."""
    if request.param == "usual":
        _chosen["trace_configs"] = [aiohttp.TraceConfig()]
    yield
    _chosen.clear()
