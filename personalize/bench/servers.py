"""On which servers does a bench run?  Its own: the three in a temporary home, empty, gone afterwards."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from personalize.settings import Settings
from personalize.stack import Endpoints, jars
from personalize.stack.local import LocalStack
from personalize.stack.places import cache_folder
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
    settings = settings or Settings.load()
    with tempfile.TemporaryDirectory(prefix="personalize-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o711)  # Postgres may run as another user, who must be able to pass through
        jars.ensure(cache_folder(settings, home), settings.maven_repository)
        stack = LocalStack(home, settings)
        endpoints = stack.start()
        try:
            upgrade(endpoints.database_url)
            if topics:
                asyncio.run(create_topics(endpoints.kafka, {topic.name: topic.config() for topic in TOPICS}))
            yield Servers(home, stack, endpoints)
        finally:
            stack.stop()
            shutil.rmtree(home, ignore_errors=True)


async def create_topics(bootstrap: str, topics: Mapping[str, Mapping[str, str]], partitions: int = 8) -> None:
    """Creates topics by name with their settings.

    Raises:
        KafkaError: one of them was refused.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = [NewTopic(name, partitions, 1, topic_configs=dict(config)) for name, config in topics.items()]
        answer = await admin.create_topics(wanted)
        for name, code, *_ in answer.topic_errors:
            if code:
                raise for_code(code)(name)
    finally:
        await admin.close()
    await _wait_for_leaders(bootstrap, [TopicPartition(name, part) for name in topics for part in range(partitions)])


async def _wait_for_leaders(bootstrap: str, wanted: list[TopicPartition]) -> None:
    # Just after its creation a partition refuses records; asking for the log end is retried until its leader answers.
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        await consumer.end_offsets(wanted)
    finally:
        await consumer.stop()
