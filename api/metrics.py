"""How is the API doing?  Rate, errors and duration by route pattern, and what waits inside; scraped at /metrics.

Labels are patterns, never paths: a path holds the id of a learner, and each would be a time series of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
UNMATCHED = "unmatched"
"""The route label of requests that no route serves."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
# Objectives lie on bucket edges: 10 ms for a list, 150 ms and 1 s for what waits or fails.
CACHE_LEVELS = [
    *((cache, level) for cache in ("profile", "skills", "achievements") for level in ("process", "postgres")),
    *((cache, level) for cache in ("trending", "analytics") for level in ("process", "redis", "postgres")),
]
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The API's metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "personalize_api_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self._seconds = Histogram(
            "personalize_api_request_duration_seconds",
            "From the request's headers to the end of its response.",
            ("route", "method"),
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )
        self.published = Counter(
            "personalize_api_published_records", "Records acknowledged by Kafka.", ("topic",), registry=registry
        )
        self.rejected = Counter(
            "personalize_api_rejected_items", "Items of request bodies refused.", ("reason",), registry=registry
        )
        lists = Counter(
            "personalize_api_lists_served",
            "Lists served, by where they came from; popular: what is popular, for want of a list.",
            ("source",),
            registry=registry,
        )
        self.lists = {source: lists.labels(source) for source in ("process", "redis", "postgres", "popular")}
        reads = Counter(
            "personalize_api_cache_reads",
            "Answers by where they lay ready; postgres: nowhere.",
            ("cache", "level"),
            registry=registry,
        )
        self.cache_reads = {each: reads.labels(*each) for each in CACHE_LEVELS}
        self.stale = Counter(
            "personalize_api_stale_answers",
            "Reads that presented a token and were answered before the write it names was visible.",
            registry=registry,
        )
        self.neighbours = Counter(
            "personalize_api_neighbour_questions",
            "Questions to other services, by outcome: ok, timeout, error, wrong, skipped.",
            ("neighbour", "outcome"),
            registry=registry,
        )
        self.violations = Counter(
            "personalize_api_list_violations", "Items that the AI model service took out of lists.", registry=registry
        )
        self._children: dict[tuple[str, str, int], Callable[[float], None]] = {}

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        key = (route, method, status)
        count = self._children.get(key)
        if count is None:
            count = self._children[key] = self._child(route, method if method in METHODS else "OTHER", status)
        count(seconds)

    def _child(self, route: str, method: str, status: int) -> Callable[[float], None]:
        pattern = route.replace(":str", "")  # the framework's notation of a path parameter
        requests = self._requests.labels(pattern, method, str(status))
        histogram = self._seconds.labels(pattern, method)

        def count(seconds: float) -> None:
            requests.inc()
            histogram.observe(seconds)

        return count

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Adds a gauge that is read when scraped."""
        Gauge(f"personalize_api_{name}", text, registry=self.registry).set_function(value)

    def count(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Adds a counter whose total somebody else keeps; it is read when scraped."""
        self.registry.register(_Total(f"personalize_api_{name}", text, value))

    def exposition(self) -> bytes:
        """What a scrape answers."""
        return generate_latest(self.registry)


class _Total:
    """A counter that is kept elsewhere."""

    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> Iterator[Metric]:
        """What a scrape sees."""
        yield CounterMetricFamily(self._name, self._text, value=self._value())
