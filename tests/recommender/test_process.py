"""The real process on real Kafka: kills change nothing, and its lists are those of the in-process fold."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from recommender_kit import differences

from models.recommendation.recommender import Recommender
from personalize.demo import oulad, publishing, timeline
from personalize.stack import Endpoints, embedded
from personalize.stack.topics import ensure_topics
from projections.migrate import upgrade
from projections.recommender import progress, snapshot_store
from projections.recommender.engine import Engine, EngineSettings
from projections.recommender.pieces import piece_of
from projections.recommender.state import SEED, Batch, State
from projections.recommender.weights import prior
from projections.stores.postgres import connect
from projections.stores.redis import Mirror, RedisAddress
from schemas.topics import TOPICS
from streams.intake import decode_slice

EVENTS = 4_000
KILLS = 5
RECOMMENDER = """
import sys
from projections.stores.redis import RedisAddress
from streams.recommender import main
from streams.recommender_settings import RecommenderSettings
kafka, database, host, port, password = sys.argv[1:]
main(RecommenderSettings(kafka_bootstrap=kafka, database_url=database,
                         redis=RedisAddress(host=host, port=int(port), password=password),
                         snapshot_seconds=0.3, learn_from_all=True, max_poll_records=200))
"""


class Processes:
    """A worker, and a recommender that is killed and started again."""

    def __init__(self, servers: Endpoints, folder: Path) -> None:
        self.servers = servers
        self._data = oulad.read()
        self._log = (folder / "processes.log").open("ab")
        self._environment = {**os.environ, **servers.environment(), "METRICS_PORT": "0"}
        self._environment |= {"PERSONALIZE_HOME": str(folder), "TOKEN_SECRET": "0123456789abcdef"}
        self._running: list[subprocess.Popen[bytes]] = []

    def publish_catalogue(self) -> None:
        """Makes the topics and publishes what there is to click."""

        async def run() -> None:
            await ensure_topics(self.servers.kafka, TOPICS)
            await publishing.publish_catalogue(self.servers.kafka, self._data)

        asyncio.run(run())

    def publish(self, first: int, end: int) -> None:
        """Publishes some clicks, in the order of their times."""
        shown = timeline.unshifted(self._data.clicks.take(slice(first, end)))
        asyncio.run(publishing.publish_history(self.servers.kafka, self._data, shown))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts Python with these arguments."""
        command = [sys.executable, *arguments]
        made = subprocess.Popen(command, env=self._environment, stdout=self._log, stderr=self._log)
        self._running.append(made)
        return made

    def recommender(self) -> subprocess.Popen[bytes]:
        """Starts a recommender that takes snapshots all the time."""
        s = self.servers
        password = s.redis_password or ""
        return self.start("-c", RECOMMENDER, s.kafka, s.database_url, s.redis_host, str(s.redis_port), password)

    def stop(self) -> None:
        """Ends what is left."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._log.close()

    def ask(self, query: str) -> Any:
        """The single value of a query."""
        with psycopg.connect(self.servers.database_url) as connection:
            row = connection.execute(query).fetchone()
            return row[0] if row else None

    def wait_for(self, query: str, wanted: Any, seconds: float = 120.0) -> None:
        """Waits until the query's single value is the wanted one."""
        deadline = time.monotonic() + seconds
        while (found := self.ask(query)) != wanted:
            ended = [process.args for process in self._running if process.poll() not in {None, 0, -signal.SIGKILL}]
            assert not ended, f"{ended} ended while waiting for {query}"
            assert time.monotonic() < deadline, f"{query} gave {found!r}, not {wanted!r}"
            time.sleep(0.2)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Servers of their own with the first days of the Open University's log, and a worker on it."""
    with embedded(tmp_path / "servers") as servers:
        upgrade(servers.database_url)
        made = Processes(servers, tmp_path)
        try:
            made.publish_catalogue()
            made.start("-m", "personalize.cli", "worker")
            made.publish(0, EVENTS // 2)
            made.wait_for("SELECT count(*) FROM interaction_log", EVENTS // 2)
            yield made
        finally:
            made.stop()


def records(bootstrap: str) -> dict[int, list[Any]]:
    """Every record of the interactions, by partition."""

    async def read() -> dict[int, list[Any]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            places = [KafkaPartition("interactions", part) for part in range(8)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: dict[int, list[Any]] = {part: [] for part in range(8)}
            while sum(map(len, found.values())) < sum(ends.values()):
                for place, batch in (await consumer.getmany(timeout_ms=500)).items():
                    found[place.partition] += batch
            return found
        finally:
            await consumer.stop()

    return asyncio.run(read())


@pytest.mark.faults
@pytest.mark.servers
def test_killed_five_times_it_is_as_if_it_never_was(processes: Processes) -> None:
    """After kill -9 at random moments, tables and lists are those of folding the stored ranges once, in one process."""
    draw = random.Random(5)
    folded = "SELECT coalesce(sum(end_offset - first_offset), 0)::int FROM recommender_range"
    piece = EVENTS // 2 // KILLS
    for turn in range(KILLS):
        first = EVENTS // 2 + turn * piece
        before = processes.ask(folded)
        victim = processes.recommender()
        processes.publish(first, first + piece // 2)
        processes.wait_for(f"SELECT ({folded}) > {before}", True)
        processes.publish(first + piece // 2, first + piece)
        time.sleep(draw.random())
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    since = processes.ask("SELECT clock_timestamp()::text")
    last = processes.recommender()
    processes.wait_for(folded, EVENTS)
    # The one before it may have stored everything: the signal is for a process that is at work.
    processes.wait_for(f"SELECT beat_at > '{since}' FROM recommender_status", True)
    last.send_signal(signal.SIGTERM)
    assert last.wait(30) == 0
    # A start writes everybody's list from the tables as they are now.
    processes.ask("DELETE FROM recommendations WHERE type = 'hybrid' RETURNING 1")
    processes.recommender()
    learners = processes.ask("SELECT count(DISTINCT learner_key) FROM interaction_log")
    processes.wait_for(
        "SELECT count(*) FROM recommendations WHERE type = 'hybrid' AND writer = 'recommender'", learners
    )
    _compare(processes)


def _compare(processes: Processes) -> None:
    servers, log = processes.servers, records(processes.servers.kafka)
    redis = RedisAddress(host=servers.redis_host, port=servers.redis_port, password=servers.redis_password)
    engine = Engine(EngineSettings(database_url=servers.database_url, owner="test"), Mirror(redis))
    with connect(servers.database_url) as connection:
        engine._load(connection)
        loaded, view = engine.state, engine.content.shelf.view
        replayed, twin = State(), Recommender(seed=SEED, prior=prior().weight)
        replayed.item_slots(view.item_key)
        twin.set_content(view.item_key, view.texts)
        engine.state = replayed
        engine.take_likeness(engine.likeness_job(view))
        steps: dict[int, list[Any]] = {}
        for step, _, part, first, end, share in progress.ranges(connection):
            assert share == 1.0
            piece = piece_of(decode_slice("interactions", part, first, log[part][first:end], 8))
            steps.setdefault(step, []).append(piece)
        last: dict[int, tuple[int, int]] = {}
        for _, pieces in sorted(steps.items()):
            batch = engine._batch(connection, pieces)
            assert replayed.fold(batch).duplicates == 0
            rows = _visits(batch, last)
            twin.fold(batch.learner[rows], batch.item[rows], batch.at_ms[rows])
        assert differences(State.of_arrays(snapshot_store.copied(loaded.arrays()), loaded.step), replayed) == []
        stored = connection.execute(
            "SELECT learner_key, item_keys, scores FROM recommendations WHERE type = 'hybrid' ORDER BY 1"
        ).fetchall()
    for key, item_keys, scores in stored:
        slot = replayed.learners.find(key)
        last = int(replayed.last_at_ms[slot])
        own = twin.recommend(key, last, limit=150)
        wanted = dict(zip(own.item.tolist(), own.score.tolist(), strict=True))
        found = dict(zip(item_keys, scores, strict=True))
        assert wanted.keys() <= found.keys()
        assert all(found[item] == pytest.approx(score, abs=1e-3) for item, score in wanted.items())
    engine.reset_connection()


def _visits(batch: Batch, last: dict[int, tuple[int, int]]) -> Any:
    """Rows that do not go on, within 30 minutes, with the item that the learner had in the event before."""
    rows = []
    events = zip(batch.learner.tolist(), batch.item.tolist(), batch.at_ms.tolist(), strict=True)
    for row, (learner, item, at_ms) in enumerate(events):
        before, before_ms = last.get(learner, (None, 0))
        last[learner] = (item, at_ms)
        if item != before or abs(at_ms - before_ms) > 30 * 60_000:
            rows.append(row)
    return np.array(rows, np.int64)
