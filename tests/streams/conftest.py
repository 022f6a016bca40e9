"""Worker processes on servers of their own: the topics have fixed names, so these tests share no broker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from personalize.stack import Endpoints, embedded

sys.path.insert(0, str(Path(__file__).parent))


@dataclass
class Engine:
    """A stack with topics and tables, and the workers that a test starts on it."""

    servers: Endpoints
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def worker(self, name: str = "worker-0", **settings: str) -> subprocess.Popen[bytes]:
        """Starts a worker process with this static name."""
        return self.start(name, ["-m", "personalize.cli", "worker"], **settings)

    def start(self, name: str, arguments: list[str], **settings: str) -> subprocess.Popen[bytes]:
        """Starts Python with these arguments, as a worker of this static name would be."""
        environment = {**os.environ, **self.servers.environment(), "WORKER_INSTANCE_ID": name, "METRICS_PORT": "0"}
        environment |= {"PERSONALIZE_HOME": str(self.folder), "TOKEN_SECRET": "0123456789abcdef", **settings}
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=log, stderr=log)
        self.processes[name] = process
        return process

    def log_of(self, name: str = "worker-0") -> str:
        """What a worker has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Ends every worker that is still there."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with psycopg.connect(self.servers.database_url) as connection:
            return connection.execute(query, parameters).fetchall()

    def wait_for(self, query: str, wanted: Any, seconds: float = 40.0) -> None:
        """Waits until the query's single value is the wanted one."""
        deadline = time.monotonic() + seconds
        found: Any = None
        while time.monotonic() < deadline:
            found = self.ask(query)[0][0]
            if found == wanted:
                return
            time.sleep(0.1)
        logs = "\n".join(f"--- {name}\n{self.log_of(name)[-3000:]}" for name in self.processes)
        raise AssertionError(f"{query} gave {found!r}, not {wanted!r}, within {seconds} s\n{logs}")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """An embedded stack of this module's own."""
    with embedded(tmp_path_factory.mktemp("engine")) as endpoints:
        yield endpoints


def _empty_topics(bootstrap: str) -> None:
    """Deletes every record: a worker on a fresh database begins where the log does."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
    from aiokafka.structs import TopicPartition

    from personalize.stack.topics import ensure_topics
    from schemas.topics import TOPICS

    async def run() -> None:
        await ensure_topics(bootstrap, TOPICS)
        places = [TopicPartition(topic.name, part) for topic in TOPICS for part in range(topic.partitions)]
        deletable = [place for place in places if place.topic != "catalogue"]  # a compacted topic refuses it
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await consumer.start()
        await admin.start()
        try:
            ends = await consumer.end_offsets(deletable)
            await admin.delete_records({place: RecordsToDelete(before_offset=end) for place, end in ends.items()})
        finally:
            await consumer.stop()
            await admin.close()

    asyncio.run(run())


@pytest.fixture
def engine(servers: Endpoints, tmp_path: Path) -> Iterator[Engine]:
    """Empty topics and a fresh database on the module's servers; workers end with the test."""
    from projections.migrate import upgrade

    _empty_topics(servers.kafka)
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS reporting CASCADE")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    upgrade(servers.database_url)
    made = Engine(servers, tmp_path)
    try:
        yield made
    finally:
        made.stop()


Publish = Callable[..., None]


@pytest.fixture
def publish(servers: Endpoints) -> Publish:
    """Publishes (topic, key, value[, partition]) records and waits for the broker's answers."""

    def go(records: list[tuple[Any, ...]], **options: Any) -> None:
        async def run() -> None:
            from aiokafka import AIOKafkaProducer

            producer = AIOKafkaProducer(bootstrap_servers=servers.kafka, max_request_size=2_000_000, **options)
            await producer.start()
            try:
                sent = [
                    await producer.send(topic, key=key, value=value, partition=rest[0] if rest else None)
                    for topic, key, value, *rest in records
                ]
                await asyncio.gather(*sent)
            finally:
                await producer.stop()

        asyncio.run(run())

    return go
