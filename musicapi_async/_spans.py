"""Spans of OpenTelemetry: loaded by ``_tracing`` in a program that uses OpenTelemetry."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import Context, Token
from types import TracebackType
from typing import Final, TypeAlias

from opentelemetry import context, trace

from musicapi_async._logger import logger
from musicapi_async._version import VERSION

__all__ = ["start"]

Attributes: TypeAlias = Mapping[str, str | int | bool | None]

NAME: Final = "musicapi_async"


def start(
    name: str,
    describe: Callable[[], Attributes],
    *,
    is_request: bool,
    waiting: Iterable[Context],
) -> "AbstractContextManager[None] | None":
    """Return a span around a block; None where the program has no tracer provider."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    return _Block(_tracer_of(provider), name, describe, is_request=is_request, waiting=waiting)


_tracers: Final[dict[int, tuple[trace.TracerProvider, trace.Tracer]]] = {}
"""The tracer of the last provider: a program has one."""


def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
    known = _tracers.get(id(provider))
    if known is None or known[0] is not provider:
        _tracers.clear()
        known = _tracers[id(provider)] = provider, provider.get_tracer(NAME, VERSION)
    return known[1]


class _Block(AbstractContextManager[None]):
    """A span that is current during a block.

    Samplers, processors and exporters are the program's: an exception of theirs is logged, and never ends the block,
    which may be a payment.
    """

    __slots__ = ("_context", "_describe", "_is_request", "_name", "_span", "_token", "_tracer", "_waiting")

    def __init__(
        self,
        tracer: trace.Tracer,
        name: str,
        describe: Callable[[], Attributes],
        *,
        is_request: bool,
        waiting: Iterable[Context],
    ) -> None:
        self._tracer = tracer
        self._name = name
        self._describe = describe
        self._is_request = is_request
        self._waiting = waiting
        self._span: trace.Span | None = None
        self._context: context.Context | None = None
        self._token: Token[context.Context] | None = None

    def __enter__(self) -> None:
        try:
            links = [trace.Link(found) for one in self._waiting if (found := _span_in(one)).is_valid]
            attributes = _known(self._describe())
            name = f"{self._name} {attributes.get('musicapi.operation', '')}".rstrip()
            kind = trace.SpanKind.CLIENT if self._is_request else trace.SpanKind.INTERNAL
            self._span = self._tracer.start_span(name, kind=kind, attributes=attributes, links=links)
            self._context = trace.set_span_in_context(self._span)
            self._token = context.attach(self._context)
        except Exception as failure:  # noqa: BLE001 - see the class
            logger.warning("tracing failed (%r): the operation continues without its span", failure)

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A coroutine that is thrown away is ended in another context, where there is nothing to detach.
        if self._token is not None and (error_type is not GeneratorExit or context.get_current() is self._context):
            context.detach(self._token)
        if self._span is None:
            return
        try:
            if self._span.is_recording():
                self._span.set_attributes(_known(self._describe()))
                if error is not None:
                    # Neither its message nor its traceback, which may contain texts of the user's.
                    name = _type_name(error)
                    self._span.set_attribute("error.type", name)
                    self._span.set_status(trace.StatusCode.ERROR, name)
            self._span.end()
        except Exception as failure:  # noqa: BLE001 - see the class
            logger.warning("tracing failed (%r): a span is lost", failure)


def _known(attributes: Attributes) -> dict[str, str | int | bool]:
    return {name: value for name, value in attributes.items() if value is not None}


def _span_in(waiting: Context) -> trace.SpanContext:
    return waiting.run(trace.get_current_span).get_span_context()


def _type_name(error: BaseException) -> str:
    """Return the name of an error's class; of a failure of the transport its own, such as ``timeout``."""
    found = type(error)
    if isinstance(name := getattr(error, "failure_name", None), str):
        return name
    return found.__qualname__ if found.__module__ == "builtins" else f"{found.__module__}.{found.__qualname__}"
