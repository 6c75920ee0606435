"""The spans of a test, as the SDK of OpenTelemetry exports them."""

import attrs
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["Collected", "attributes_of", "id_of", "parent_of"]


@attrs.frozen
class Collected:
    """The finished spans, and a tracer for spans of the test's own."""

    provider: TracerProvider = attrs.field(factory=TracerProvider)
    exporter: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)

    def __attrs_post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def tracer(self) -> trace.Tracer:
        return self.provider.get_tracer("test")

    def named(self, start: str) -> list[ReadableSpan]:
        """Return the finished spans whose name begins so, in the order in which they ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name.startswith(start)]

    def one(self, start: str) -> ReadableSpan:
        (span,) = self.named(start)
        return span

    def text(self) -> str:
        """Return all that leaves the process."""
        return "".join(span.to_json() for span in self.exporter.get_finished_spans())


def attributes_of(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def id_of(span: ReadableSpan | trace.Span) -> int:
    found = span.get_span_context()
    assert found is not None
    return found.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id
