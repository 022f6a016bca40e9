"""Where did one request spend its time, on its way from the API over Kafka into tables and lists?  Spans, when wanted.

Off unless ``start`` was called; what is left then is one comparison a request and a poll.  A request's span travels in
the Kafka header ``traceparent`` (W3C trace context); whoever folds the record adds a span below it.  A poll is one span
of its own, linked to the requests that it carried; so is an attempt at a background job.  Spans name routes, topics and
jobs, never a learner or content.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

HEADER: Final = "traceparent"
MOST_CARRIED: Final = 64
"""Requests of one poll that get spans of their own."""

STOP_SECONDS: Final = 2.0
"""How long a process that ends waits for its last spans to be sent."""

_HEADER_BYTES: Final = HEADER.encode()
_provider: Any = None
_tracer: Any = None


class Carried(NamedTuple):
    """A record that carries the trace of the request that wrote it."""

    context: Any
    """Of the request's span."""
    topic: str
    part: int
    offset: int


class Request(NamedTuple):
    """The span of a request that is being served."""

    span: Any
    traceparent: bytes
    """What is handed on to Kafka in place of the caller's."""

    def end(self, method: str, route: str, status: int) -> None:
        """Ends the span; ``route`` is the pattern of the path."""
        from opentelemetry.trace import StatusCode

        self.span.update_name(f"{method} {route}")
        self.span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        )
        if status >= 500:
            self.span.set_status(StatusCode.ERROR)
        self.span.end()


def start(process: str, exporter: Any = None) -> None:
    """Turns spans on for this process.

    Args:
        process: what the spans are of, unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` say.
        exporter: where finished spans go at once; None: in batches to where the ``OTEL_EXPORTER_OTLP_*`` variables say.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """
    global _provider, _tracer
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    provider = TracerProvider(resource=Resource({SERVICE_NAME: process}).merge(OTELResourceDetector().detect()))
    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    _provider, _tracer = provider, provider.get_tracer("personalize")


def stop() -> None:
    """Turns spans off; what is not sent yet is sent, for at most ``STOP_SECONDS``."""
    global _provider, _tracer
    if _provider is not None:
        last = threading.Thread(target=_provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(STOP_SECONDS)  # a collector that does not answer must not hold up the end
    _provider = _tracer = None


def is_on() -> bool:
    """Whether spans are made."""
    return _tracer is not None


def request(scope: Any, headers: dict[bytes, bytes]) -> Request:
    """Begins the span of a request, below its caller's; the record that it publishes will name it as its parent.

    Args:
        scope: ASGI's; its header ``traceparent`` is replaced.
        headers: the same headers by name; replaced there, too.
    """
    from opentelemetry.trace import SpanKind

    caller = _context(headers.get(_HEADER_BYTES, b""))
    span = _tracer.start_span(scope["method"], context=caller, kind=SpanKind.SERVER)
    own = span.get_span_context()
    text = f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}".encode()
    headers[_HEADER_BYTES] = text
    others = [pair for pair in scope["headers"] if pair[0] != _HEADER_BYTES]
    scope["headers"] = [*others, (_HEADER_BYTES, text)]
    return Request(span, text)


def carried(topic: str, part: int, records: Iterable[Any]) -> list[Carried]:
    """The records of a partition that carry a sampled trace, at most ``MOST_CARRIED``."""
    found: list[Carried] = []
    for record in records:
        for name, value in record.headers or ():
            if name == HEADER and (context := _context(value)) is not None and _is_sampled(context):
                found.append(Carried(context, topic, part, record.offset))
        if len(found) >= MOST_CARRIED:
            break
    return found


def folded(name: str, records: Iterable[Carried], began_ns: int, attributes: dict[str, int]) -> None:
    """Notes work on many records that has just ended: a span of its own, and one below each request among them.

    Args:
        name: what was done, such as "transaction".
        records: those that carry a trace.
        began_ns: when it began [Unix ns].
        attributes: counts of the work.
    """
    from opentelemetry.trace import Link, SpanKind, get_current_span

    requests = list(records)
    links = [Link(get_current_span(one.context).get_span_context()) for one in requests[:MOST_CARRIED]]
    ended_ns = time.time_ns()
    whole = _tracer.start_span(name, kind=SpanKind.CONSUMER, links=links, attributes=attributes, start_time=began_ns)
    for one in requests:
        span = _tracer.start_span(
            f"{one.topic} {name}",
            context=one.context,
            kind=SpanKind.CONSUMER,
            links=[Link(whole.get_span_context())],
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": one.topic,
                "messaging.destination.partition.id": str(one.part),
                "messaging.kafka.offset": one.offset,
            },
            start_time=began_ns,
        )
        span.end(ended_ns)
    whole.end(ended_ns)


def attempted(job: str, attempt: int, began_ns: int, outcome: str, error: str | None) -> None:
    """Notes an attempt at a run of a background job that has just ended.

    Args:
        job: name of the kind of job.
        attempt: its number among those at this run, from 1.
        began_ns: when it began [Unix ns].
        outcome: how it ended.
        error: the class of what made it fail; None: it did not.
    """
    from opentelemetry.trace import StatusCode

    attributes = {"personalize.job.name": job, "personalize.job.attempt": attempt, "personalize.job.outcome": outcome}
    span = _tracer.start_span(f"job {job}", attributes=attributes, start_time=began_ns)
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(StatusCode.ERROR)
    span.end()


def _context(traceparent: bytes) -> Any:
    """The context that a header names; None without a good one."""
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if not traceparent:
        return None
    context = TraceContextTextMapPropagator().extract({HEADER: traceparent.decode("ascii", "replace")})
    return context if get_current_span(context).get_span_context().is_valid else None


def _is_sampled(context: Any) -> bool:
    from opentelemetry.trace import get_current_span

    return bool(get_current_span(context).get_span_context().trace_flags.sampled)
