"""Is one request one trace, from its caller over the log to transaction and lists?  And nothing at all when off?"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from faust.types import TP
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from personalize import telemetry
from personalize.settings import traces_wanted
from projections import tracing
from projections.poll import TopicPartition
from streams.traces import MOST_WAITING, WaitingTraces, of_poll
from streams.transport import RawSlice

CALLER = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = CALLER[:-2] + b"00"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Where finished spans are, while tracing is on."""
    exporter = InMemorySpanExporter()
    tracing.start("test", exporter)
    yield exporter
    tracing.stop()


def served(caller: bytes) -> bytes:
    """Serves a request; returns what its records carry."""
    scope = {"method": "POST", "headers": [(b"host", b"h"), (b"traceparent", caller)]}
    headers = dict(scope["headers"])
    request = tracing.request(scope, headers)
    assert dict(scope["headers"]) == headers == {b"host": b"h", b"traceparent": request.traceparent}
    request.end("POST", "/api/interactions", 202)
    return request.traceparent


def poll(*carried: bytes, offset: int = 7) -> dict[TP, RawSlice]:
    """Records of one partition, one without a trace among them."""
    records = [SimpleNamespace(offset=offset, headers=())]
    records += [
        SimpleNamespace(offset=offset + 1 + n, headers=(("traceparent", one),)) for n, one in enumerate(carried)
    ]
    return {TP("interactions", 3): RawSlice(start=offset, records=records, seek_number=0)}


def test_request_transaction_and_lists_are_one_trace(spans: InMemorySpanExporter) -> None:
    record = served(CALLER)
    tracing.folded("transaction", of_poll(poll(record)), 1_000, {"messaging.batch.message_count": 2})
    waiting = WaitingTraces()
    waiting.arrived(poll(record))
    partition = TopicPartition("interactions", 3)
    for cursor, lists_wait in ((8, False), (9, True)):
        waiting.settle({partition: cursor}, lists_wait=lists_wait)
        assert len(spans.get_finished_spans()) == 3  # not folded yet; lists not written yet
    waiting.settle({partition: 9}, lists_wait=False)
    found = {span.name: span for span in spans.get_finished_spans()}
    assert set(found) == {
        "POST /api/interactions",
        "transaction",
        "interactions transaction",
        "lists",
        "interactions lists",
    }
    request = found["POST /api/interactions"]
    assert f"{request.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    for name in ("interactions transaction", "interactions lists"):
        assert found[name].context.trace_id == request.context.trace_id
        assert found[name].parent.span_id == request.context.span_id
        assert found[name].attributes["messaging.kafka.offset"] == 8
    whole = found["transaction"]
    assert whole.parent is None
    assert [link.context.span_id for link in whole.links] == [request.context.span_id]
    assert found["interactions transaction"].links[0].context.span_id == whole.context.span_id
    waiting.settle({partition: 99}, lists_wait=False)
    assert len(spans.get_finished_spans()) == 5  # each once


def test_what_is_not_sampled_or_no_trace_is_not_followed(spans: InMemorySpanExporter) -> None:
    assert of_poll(poll(UNSAMPLED, b"nonsense", b"\xff", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01")) == []
    many = poll(*[CALLER] * (tracing.MOST_CARRIED + 9))
    assert len(of_poll(many)) == tracing.MOST_CARRIED
    waiting = WaitingTraces()
    for _ in range(MOST_WAITING // tracing.MOST_CARRIED + 2):
        waiting.arrived(many)
    waiting.settle({TopicPartition("interactions", 3): 10_000}, lists_wait=False)
    assert len(spans.get_finished_spans()) == MOST_WAITING + 1
    failed = tracing.request({"method": "GET", "headers": []}, {})
    failed.end("GET", "/api/analytics", 503)
    assert not spans.get_finished_spans()[-1].status.is_ok


def test_only_the_standard_variables_turn_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    telemetry.start("test")
    assert not traces_wanted()
    assert not tracing.is_on()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert traces_wanted()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not traces_wanted()


def test_the_last_spans_are_sent_before_a_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        tracing.start("test")
        tracing.attempted("count", 1, 1_000, "done", None)
        tracing.stop()
        server.shutdown()
    assert len(received) == 1
    assert not tracing.is_on()


def test_the_libraries_are_an_extra() -> None:
    """Without them everything works, and asking for traces says what to install; with them, off loads nothing."""
    code = """
import os, sys
if sys.argv[1] == "without":
    sys.modules["opentelemetry"] = None
import api.edge, streams.jobs.process, streams.recommender, streams.worker
from personalize import telemetry
telemetry.start("test")
assert "opentelemetry.exporter" not in sys.modules and "opentelemetry.sdk.trace.export" not in sys.modules
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
telemetry.start("test")
"""
    for which, says in (("with", ""), ("without", "personalize[opentelemetry]")):
        ended = subprocess.run([sys.executable, "-c", code, which], check=False, capture_output=True, text=True)
        assert (ended.returncode == 0) == (which == "with"), ended.stderr
        assert says in ended.stderr
