"""What must a jobs process be told?  Its settings, handed in by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from projections.stores.redis import RedisAddress

QUEUES: Final = ("recommendation", "analytics", "training", "notification")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where announcements are sent on to."""

    url: str
    secret: bytes = field(repr=False)
    """Key of the signature."""
    allow_loopback: bool = False
    """http and loopback addresses are allowed: for trying it out."""
    allow_private: bool = False
    """Addresses of private networks are allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Everything that one jobs process needs to know."""

    kafka_bootstrap: str
    """``host:port[,host:port]``"""
    database_url: str = field(repr=False)
    redis: RedisAddress
    concurrency: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 1))
    """Queue → how many of its jobs run at once in this process; queues that are not named are not served."""
    prefix: str = "personalize:jobs"
    """Of the streams' keys in Redis."""
    idle_ms: int = 30_000
    """The job of a process that was silent for so long is given to another."""
    lost_seconds: float = 900.0
    """A run that was queued so long ago and is not finished is queued again."""
    tick_seconds: float = 5.0
    """How often the ledger is searched for due runs."""
    webhook: WebhookSettings | None = None
    """None: announcements are not sent on."""
    metrics_port: int = 0
    """0: no metrics endpoint."""
    metrics_host: str = "127.0.0.1"
    """Where the metrics endpoint listens."""
