"""Traces by OpenTelemetry, where they are asked for: a span for each request to the API, and one for each job.

What is asked for stands in OpenTelemetry's own variables: spans are sent where OTEL_EXPORTER_OTLP_ENDPOINT (or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) says, by OTLP over HTTP, and sampled by OTEL_TRACES_SAMPLER; without such a variable
nothing is loaded. The package is the extra `otel`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.errors import Invalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"

_provider: "TracerProvider | None" = None


@dataclass
class Span:
    """What happened, so far; nothing is kept of it where no traces are asked for."""

    name: str
    facts: dict[str, str | int]
    error: str = ""


def begin(service: str) -> None:
    """Trace this process from now on, as `service` or OTEL_SERVICE_NAME; raises Invalid without the package."""
    global _provider
    asked = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if asked is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise Invalid(f"{asked} is set: install `postil[otel]` to send traces", asked) from error
    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    _provider = TracerProvider(resource=Resource.create(name))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def end() -> None:
    """Send what is left."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


@contextmanager
def span(
    name: str, facts: dict[str, str | int], server: bool = False, parent: Mapping[str, str] | None = None
) -> Iterator[Span]:
    """What is done within the block; its name, facts and error may still change there.

    `server`: somebody waits for the answer. `parent`: headers that may name the span which this is a part of.
    """
    told = Span(name, facts)
    if _provider is None:
        yield told
        return
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract(parent or {})
    kind = SpanKind.SERVER if server else SpanKind.INTERNAL
    with _provider.get_tracer("postil").start_as_current_span(name, context, kind) as current:
        try:
            yield told
        finally:
            current.update_name(told.name)
            current.set_attributes(told.facts)
            if told.error:
                current.set_status(StatusCode.ERROR, told.error)
