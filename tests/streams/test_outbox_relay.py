"""The relay on a real broker: every row once and in its partition's order, whatever its size."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from projections.projection import OutboxRecord
from schemas.partitioning import partition_of
from streams.outbox_relay import produce


def test_records_arrive_in_order_and_in_their_partitions(kafka: Any) -> None:
    """More than a batch holds, one record larger than a batch, no key, no value, headers, a given partition."""
    topic = kafka.create_topic(partitions=4)
    headers = (("content-type", b"text/plain"), ("empty", b""))
    rows = [OutboxRecord(topic=topic, key=b"u%d" % (n % 7), value=b"%d" % n * 40) for n in range(2_000)]
    rows[900] = OutboxRecord(topic=topic, key=b"u3", value=b"x" * 100_000, headers=headers)
    rows[901] = OutboxRecord(topic=topic, key=b"u3", value=None)
    rows[902] = OutboxRecord(topic=topic, key=None, value=b"keyless")
    rows[903] = OutboxRecord(topic=topic, key=b"u4", value=b"placed", partition=2)

    async def run() -> list[Any]:
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap, enable_idempotence=True, max_request_size=1 << 20
        )
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
        await producer.start()
        await consumer.start()
        try:
            await produce(producer, list(enumerate(rows)))
            return [await asyncio.wait_for(consumer.getone(), 20) for _ in rows]
        finally:
            await consumer.stop()
            await producer.stop()

    arrived = asyncio.run(run())
    for part in range(4):
        expected = [row for n, row in enumerate(rows) if place_of(row, n) == part]
        found = [record for record in arrived if record.partition == part]
        assert [(one.key, one.value) for one in found] == [(one.key, one.value) for one in expected]
    (large,) = [record for record in arrived if record.value and len(record.value) == 100_000]
    assert large.headers == headers


def place_of(row: OutboxRecord, number: int) -> int:
    """The partition where a row belongs."""
    if row.partition is not None:
        return row.partition
    return number % 4 if row.key is None else partition_of(row.key, 4)
