"""A program with a tracer provider."""

from collections.abc import Callable, Iterator

import pytest
from collected import Collected
from opentelemetry import trace

Provide = Callable[[trace.TracerProvider], None]


@pytest.fixture
def provide(monkeypatch: pytest.MonkeyPatch) -> Provide:
    """Return a function that sets the program's provider: the public one can be called once in a process."""
    return lambda provider: monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)


@pytest.fixture
def spans(provide: Provide) -> Iterator[Collected]:
    spans = Collected()
    provide(spans.provider)
    yield spans
    spans.provider.shutdown()
