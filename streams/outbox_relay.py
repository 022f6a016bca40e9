"""How do unlocks, dead letters and healed records reach Kafka?  A relay of the outbox, at least once.

It takes the oldest rows under a lock that other relays skip, produces them, waits for the broker's answer, and strikes
them.  A crash in between repeats them, with the ids they had.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from projections import outbox
from projections.projection import OutboxRecord
from projections.stores.kafka import batches, client_options
from projections.stores.postgres import TRANSIENT, Connection, connect
from schemas.partitioning import partition_of
from schemas.topics import DEAD_LETTERS
from streams import metrics

logger = logging.getLogger(__name__)
BATCH = 2_000
IDLE_SECONDS = 1.0
BACKOFF_SECONDS = 1.0


class OutboxRelay:
    """Relays until it is cancelled; ``wake`` makes it look at once."""

    def __init__(self, database_url: str, kafka_bootstrap: str) -> None:
        self._database_url = database_url
        self._bootstrap = kafka_bootstrap
        self._wake = asyncio.Event()
        self._connection: Connection | None = None

    def wake(self) -> None:
        """Says that there is something in the outbox."""
        self._wake.set()

    async def run(self) -> None:
        """Relays for ever."""
        producer = AIOKafkaProducer(
            **client_options(self._bootstrap),
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=DEAD_LETTERS.max_message_bytes,
        )
        await producer.start()
        try:
            while True:
                try:
                    relayed = await self._relay_once(producer)
                except (*TRANSIENT, KafkaError) as fault:
                    logger.warning("outbox: %s; trying again", type(fault).__name__)
                    self._close()
                    await asyncio.sleep(BACKOFF_SECONDS)
                    continue
                if relayed < BATCH:
                    await self._sleep()
        finally:
            self._close()
            await producer.stop()

    async def _sleep(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
        except TimeoutError:
            return
        self._wake.clear()

    async def _relay_once(self, producer: AIOKafkaProducer) -> int:
        taken = await asyncio.to_thread(self._take)
        if not taken:
            return 0
        await produce(producer, taken)
        await asyncio.to_thread(self._strike, [outbox_id for outbox_id, _ in taken])
        metrics.OUTBOX_RELAYED.inc(len(taken))
        return len(taken)

    def _take(self) -> list[tuple[int, OutboxRecord]]:
        if self._connection is None:
            self._connection = connect(self._database_url, name="personalize-outbox")
        taken = outbox.take(self._connection, BATCH)
        if not taken:
            self._connection.rollback()
        return taken

    def _strike(self, ids: list[int]) -> None:
        assert self._connection is not None
        outbox.delete(self._connection, ids)
        self._connection.commit()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def produce(producer: AIOKafkaProducer, rows: Sequence[tuple[int, OutboxRecord]]) -> None:
    """Produces outbox rows (id, record) and waits for the broker's answers; the order within a partition is kept.

    Raises KafkaError when the broker refuses a batch.
    """
    counts = {topic: len(await producer.partitions_for(topic)) for topic in {record.topic for _, record in rows}}
    waiting: dict[tuple[str, int], list[OutboxRecord]] = {}
    for outbox_id, record in rows:
        count = counts[record.topic]
        # A record without a key may lie anywhere.
        part = outbox_id % count if record.key is None else partition_of(record.key, count)
        waiting.setdefault((record.topic, part if record.partition is None else record.partition), []).append(record)
    await asyncio.gather(*(_produce_in_order(producer, *place, records) for place, records in waiting.items()))


async def _produce_in_order(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[OutboxRecord]
) -> None:
    packed = batches(producer, ((record.key, record.value, record.headers) for record in records))
    answers = [await producer.send_batch(batch, topic, partition=partition) for batch in packed]
    await asyncio.gather(*answers)
