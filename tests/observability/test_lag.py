"""Lag in records and seconds: told from what was seen, and measured on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client import REGISTRY

from personalize.stack import Endpoints
from projections.reads.lag import LagHistory
from projections.stores.log_positions import LogPositions, Seen
from streams.jobs.watch import Watch

if TYPE_CHECKING:
    from conftest import KafkaForTests

GROUP = "personalize-worker"


def seen(end: int, committed: int | None = None) -> Seen:
    return Seen({("t", 0): 0}, {("t", 0): end}, {} if committed is None else {(GROUP, "t", 0): committed})


def test_seconds_are_told_from_the_ends_seen_before() -> None:
    history = LagHistory()
    assert history.look(0.0, seen(100), {("worker", "t", 0): 100})[0].seconds == 0.0
    history.look(10.0, seen(200), {("worker", "t", 0): 100})
    lag = history.look(20.0, seen(200), {("worker", "t", 0): 150})[0]
    assert (lag.records, lag.end, lag.offset) == (50, 200, 150)
    assert lag.seconds == pytest.approx(15.0)  # record 150 came in the middle between 0 and 10


def test_a_stuck_group_grows_older_although_nothing_comes() -> None:
    """Looks that see the same end must not move the time at which the record came."""
    history = LagHistory()
    ages = [history.look(now, seen(7), {("worker", "t", 0): 3})[0].seconds for now in (0.0, 5.0, 10.0, 50.0)]
    assert ages == [0.0, 5.0, 10.0, 50.0]


def test_the_further_of_kafkas_and_our_own_offset_counts() -> None:
    """A recommender's stored offset is that of its last snapshot; Kafka's follows the worker's now and then."""
    history = LagHistory()
    assert history.look(0.0, seen(10, committed=8), {("worker", "t", 0): 5})[0].records == 2
    assert history.look(1.0, seen(10, committed=5), {("worker", "t", 0): 9})[0].records == 1


def test_a_topic_that_was_made_anew_starts_a_new_history() -> None:
    history = LagHistory()
    history.look(0.0, seen(1_000), {})
    lag = history.look(10.0, seen(5), {("worker", "t", 0): 0})[0]
    assert (lag.records, lag.seconds) == (5, 0.0)


@contextmanager
def producing(kafka: KafkaForTests, topic: str) -> Iterator[None]:
    async def fill() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
        await producer.start()
        for number in range(10):
            await producer.send_and_wait(topic, b"x", partition=number % 2)
        await producer.stop()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap, group_id=f"group-{topic}", enable_auto_commit=False
        )
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): 2})
        await consumer.stop()

    asyncio.run(fill())
    yield


def test_positions_of_a_real_broker(kafka: KafkaForTests) -> None:
    topic = kafka.create_topic("lag", partitions=2)

    async def look() -> Seen:
        positions = LogPositions(kafka.bootstrap, [topic, "no-such-topic"], [f"group-{topic}"])
        try:
            return await positions.read()
        finally:
            await positions.close()

    with producing(kafka, topic):
        found = asyncio.run(look())
    assert found.ends == {(topic, 0): 5, (topic, 1): 5}
    assert found.starts == {(topic, 0): 0, (topic, 1): 0}
    assert found.committed == {(f"group-{topic}", topic, 0): 2}


def test_one_process_watches_for_all(stack: Endpoints, kafka: KafkaForTests, module_database_url: str) -> None:
    """The first shows the lag and the backlog, the second keeps still until the first is gone."""
    kafka.create_topics({"interactions": 8})
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO stream_offset (projection, topic, part) VALUES ('worker', 'interactions', 0)")
        connection.execute("INSERT INTO outbox (topic, created_at) VALUES ('milestones', now() - interval '90 s')")

    async def watch() -> None:
        first, second = (Watch(module_database_url, stack.kafka) for _ in range(2))
        assert await first.look()
        assert not await second.look()
        labels = {"consumergroup": GROUP, "topic": "interactions", "partition": "0"}
        assert REGISTRY.get_sample_value("kafka_consumergroup_lag", labels) is not None
        assert REGISTRY.get_sample_value("personalize_outbox_records") == 1
        assert (REGISTRY.get_sample_value("personalize_outbox_oldest_age_seconds") or 0) >= 90
        await first.close()
        assert REGISTRY.get_sample_value("kafka_consumergroup_lag", labels) is None
        assert await second.look()
        await second.close()

    asyncio.run(watch())
