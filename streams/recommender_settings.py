"""What must a recommender be told?  Its settings, handed in by whoever starts the process."""

from __future__ import annotations

from dataclasses import dataclass

from projections.stores.redis import RedisAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommenderSettings:
    """Everything that the recommender process needs to know."""

    kafka_bootstrap: str
    """``host:port[,host:port]``"""
    database_url: str
    redis: RedisAddress
    instance_id: str = "recommender-0"
    """Kafka's static member id, and the owner in ``stream_offset``."""
    max_poll_records: int = 20_000
    list_tick_ms: int = 250
    """At most once in this time is a learner's list rewritten."""
    snapshot_seconds: float = 30.0
    snapshot_events: int = 200_000
    """A snapshot is taken after so many seconds or events, whichever comes first; and when it stops."""
    learn_from_all: bool = False
    """Learn from every event, however far behind: for measurements and tests."""
    metrics_port: int = 0
    """0: no metrics endpoint."""
    metrics_host: str = "127.0.0.1"
    """Where the metrics endpoint listens."""
    session_timeout_seconds: float = 10.0
    log_level: str = "INFO"
