"""Traces, as a collector gets them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service import tracing
from service.errors import Invalid
from service.settings import Settings
from service.store import campaigns, jobs
from service.store.campaigns import NewCampaign
from service.store.jobs import NewJob
from tests.http.conftest import wait_for
from tests.server import serving
from workers import door
from workers.context import Context


class Collector:
    """A receiver of OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        """(service, span)"""
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                sent = ExportTraceServiceRequest()
                sent.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                for of in sent.resource_spans:
                    name = next(
                        one.value.string_value for one in of.resource.attributes if one.key == "service.name"
                    )
                    spans.extend((name, span) for scope in of.scope_spans for span in scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def named(self, name: str) -> Any:
        """The span of this name, once it has come."""
        wait_for(lambda: any(span.name == name for _, span in self.spans))
        return next(span for _, span in self.spans if span.name == name)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    yield collector
    tracing.end()
    collector.server.shutdown()
    collector.server.server_close()


def facts(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_requests_are_traced(tmp_path: Path, collector: Collector) -> None:
    """Given a caller who traces, too, then the API's span is a part of the caller's."""
    trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with serving(tmp_path / "api") as server:
        campaign = server.served.campaign()["id"]
        headers = {"traceparent": f"00-{trace}-{caller}-01", "X-Request-ID": "mine"}
        server.served.http.get(f"/v1/campaigns/{campaign}/queue", headers=headers)
        span = collector.named("GET /v1/campaigns/{c}/queue")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace, caller)
    assert facts(span) == {
        "http.request.method": "GET",
        "url.path": f"/v1/campaigns/{campaign}/queue",
        "http.route": "/v1/campaigns/{c}/queue",
        "http.response.status_code": 200,
        "postil.request": "mine",
    }
    assert {name for name, _ in collector.spans} == {"postil-api"}


def test_jobs_are_traced(tmp_path: Path, valkey: str, collector: Collector) -> None:
    context = Context(Settings(data=str(tmp_path), redis_url=valkey))
    context.database.upgrade()
    with context.database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none")).id
        jobs.add(connection, NewJob(id_, "x", "unheard-of", "cpu"))
    tracing.begin("postil-worker-cpu")
    assert door.work(context, "cpu")
    tracing.end()
    span = collector.named("unheard-of")
    assert facts(span) == {
        "postil.campaign": id_,
        "postil.job": "1",
        "postil.kind": "unheard-of",
        "postil.attempt": 1,
    }
    assert span.status.message.startswith("this worker knows no job of kind 'unheard-of'")
    context.database.close()
    context.doorbell.redis.close()


def test_nothing_is_loaded_or_sent_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    tracing.begin("postil-api")
    with tracing.span("a", {}) as span:
        span.facts["b"] = 1
    assert tracing._provider is None


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Invalid, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set: install `postil\[otel\]`"):
        tracing.begin("postil-api")
