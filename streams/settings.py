"""What must a worker be told?  Its settings, handed in by whoever starts the process."""

from __future__ import annotations

from dataclasses import dataclass

from projections.stores.redis import RedisAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Everything that one worker process needs to know."""

    kafka_bootstrap: str
    """``host:port[,host:port]``"""
    database_url: str
    redis: RedisAddress
    instance_id: str = "worker-0"
    """Stable name of this replica: Kafka's static member id, and the owner in ``stream_offset``."""
    max_poll_records: int = 20_000
    dead_letter_max_share: float = 0.05
    dead_letter_min_count: int = 1_000
    dedupe_days: int = 7
    list_tick_ms: int = 250
    """At most once in this time is a learner's list rewritten."""
    metrics_port: int = 0
    """0: no metrics endpoint."""
    metrics_host: str = "127.0.0.1"
    """Where the metrics endpoint listens."""
    session_timeout_seconds: float = 10.0
    """A member that is silent for so long loses its partitions; the broker accepts 6 s and more."""
    log_level: str = "INFO"
    log_key: bytes = b""
    """Key of the hash under which logs name learners."""
