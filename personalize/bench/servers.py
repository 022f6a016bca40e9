"""On which servers does a bench run?  Its own: the three in a temporary home, empty, gone afterwards."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from personalize.settings import Settings
from personalize.stack import Endpoints, jars
from personalize.stack.local import LocalStack
from personalize.stack.places import cache_folder
from personalize.stack.topics import ensure_topics
from projections.migrate import upgrade
from schemas.topics import TOPICS

PROJECT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers with migrated tables and empty topics."""

    home: Path
    stack: LocalStack
    endpoints: Endpoints
    token_secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def environment(self) -> dict[str, str]:
        """What a process of the product needs to find them."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PERSONALIZE_HOME": str(self.home),
            "TOKEN_SECRET": self.token_secret,
            **self.endpoints.environment(),
        }

    def pids(self) -> dict[str, int]:
        """The process ids of the three servers by name."""
        return {name: self.stack.pid(name) for name in ("kafka", "postgres", "redis")}

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(self.endpoints.database_url, autocommit=True)


@contextmanager
def servers(settings: Settings | None = None, *, topics: bool = True) -> Iterator[Servers]:
    """Starts the three servers in a temporary home, migrates, creates the topics; stops and deletes all of it.

    Args:
        settings: where the Kafka jars are kept; the ports and the home are this function's own.
        topics: False leaves Kafka without topics.
    """
    # Never the ports of a stack that may be running.
    settings = replace(settings or Settings.load(), kafka_port=0, postgres_port=0, embedded_redis_port=0)
    with tempfile.TemporaryDirectory(prefix="personalize-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o711)  # Postgres may run as another user, who must be able to pass through
        jars.ensure(cache_folder(settings, home), settings.maven_repository)
        stack = LocalStack(home, settings)
        endpoints = stack.start()
        try:
            upgrade(endpoints.database_url)
            if topics:
                asyncio.run(_create_topics(endpoints.kafka))
            yield Servers(home, stack, endpoints)
        finally:
            stack.stop()
            shutil.rmtree(home, ignore_errors=True)


async def _create_topics(bootstrap: str) -> None:
    await ensure_topics(bootstrap, TOPICS)
    # Just after its creation a partition refuses records; asking for the log end is retried until its leader answers.
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        await consumer.end_offsets(
            [TopicPartition(topic.name, part) for topic in TOPICS for part in range(topic.partitions)]
        )
    finally:
        await consumer.stop()
