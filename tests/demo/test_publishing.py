"""The demo's records reach Kafka once, in order, in the right partition."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from personalize.demo import oulad, publishing
from personalize.demo.bulk_producer import BulkProducer
from personalize.demo.publishing import DemoState, publish_history, stream_live
from personalize.demo.timeline import timeline
from personalize.errors import ProblemError
from schemas.partitioning import partition_of
from schemas.topics import INTERACTIONS

PARTITIONS = 8


async def _read(bootstrap: str, topic: str, count: int) -> list:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        records: list = []
        async with asyncio.timeout(30):
            while len(records) < count:
                for part in (await consumer.getmany(timeout_ms=200)).values():
                    records += part
        return records
    finally:
        await consumer.stop()


@pytest.fixture
def topic(kafka, monkeypatch) -> str:
    """A topic of this test's own, which the publisher takes for `interactions`."""
    name = kafka.create_topic("demo", PARTITIONS)
    monkeypatch.setattr(publishing, "INTERACTIONS", replace(INTERACTIONS, name=name))
    return name


def test_history_is_published_once_in_time_order(kafka, topic):
    """Every row is in the partition of its key, in time order there, none lost and none doubled."""
    data = oulad.read()
    line = timeline(data.clicks.take(slice(0, 30_000)), 1_800_000_000_000, live_days=1)
    seen: list[int] = []
    written = asyncio.run(publish_history(kafka.bootstrap, data, line, seen.append))
    records = asyncio.run(_read(kafka.bootstrap, topic, written))
    assert written == len(line.history) == seen[-1] == len(records)
    times = defaultdict(list)
    ids = set()
    for record in records:
        value = msgspec.json.decode(record.value)
        assert record.partition == partition_of(record.key, PARTITIONS)
        assert record.key.decode() == value["userId"]
        times[record.partition].append(value["occurredAt"])
        ids.add(value["eventId"])
    assert len(ids) == written
    assert all(part == sorted(part) for part in times.values())


def test_live_stream_goes_on_where_it_stopped(kafka, topic):
    """A second stream continues behind the first, and a used-up stream starts over with new event ids."""
    data = oulad.read()
    line = timeline(data.clicks.take(slice(-60, None)), 1_800_000_000_000, live_days=1)
    rows = len(line.live)
    assert rows > 10

    async def stream(position: int, until: int) -> int:
        stop = asyncio.Event()

        def watch(reached: int) -> None:
            if reached >= until:
                stop.set()

        return await stream_live(kafka.bootstrap, data, line, stop, rate=500, position=position, on_progress=watch)

    first = asyncio.run(stream(0, rows // 2))
    second = asyncio.run(stream(first, rows + 5))
    records = asyncio.run(_read(kafka.bootstrap, topic, second))
    ids = {msgspec.json.decode(record.value)["eventId"] for record in records}
    assert second >= rows + 5
    assert len(ids) == len(records) == second


def test_oversized_record_is_named(kafka, topic):
    """A record that fits no batch is refused with its size."""

    async def write() -> None:
        async with BulkProducer(kafka.bootstrap) as producer:
            await producer.write(topic, [(b"k", b"x" * 1_000_000)])

    with pytest.raises(ProblemError, match="1000000 bytes"):
        asyncio.run(write())


def test_unreachable_broker_is_a_problem_with_a_fix():
    """No broker means an error that names the fix."""

    async def write() -> None:
        async with BulkProducer("127.0.0.1:1"):
            pass

    with pytest.raises(ProblemError, match="KAFKA_BOOTSTRAP_SERVERS"):
        asyncio.run(write())


def test_state_survives(tmp_path: Path):
    """What is saved is loaded; a damaged or absent file counts as none."""
    path = tmp_path / "demo.json"
    assert DemoState.load(path) is None
    state = DemoState(shift_ms=5, cut_ms=7, history_done=True, live_position=3)
    state.save(path)
    assert DemoState.load(path) == state
    path.write_text("{")
    assert DemoState.load(path) is None
