"""How do announcements become jobs?  A consumer of ``achievements`` and ``milestones`` adds a run for each.

Rows are committed before the offsets: after a crash an announcement comes again, and its id is already known.  A group
that has never committed begins with what comes from now on, and writes that down at once, so that a restart before
the first announcement loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct

from projections.notification_delivery import take_over
from projections.stores.kafka import client_options
from projections.stores.postgres import TRANSIENT, connect
from schemas.topics import ACHIEVEMENTS, MILESTONES
from streams.jobs import metrics
from streams.jobs.send_notification import SEND
from streams.jobs.settings import JobSettings

logger = logging.getLogger(__name__)
GROUP = "personalize-notifications"
POLL_MS = 500
BACKOFF_SECONDS = 1.0


class _Envelope(Struct, frozen=True):
    """What is needed of a CloudEvent; the rest is sent on as it is."""

    id: str
    partitionkey: str


_decode = msgspec.json.Decoder(_Envelope).decode


class Announcements:
    """Takes announcements over until it is cancelled."""

    def __init__(self, settings: JobSettings, topics: tuple[str, ...] = (ACHIEVEMENTS.name, MILESTONES.name)) -> None:
        self._settings = settings
        self._topics = topics
        self.ready = asyncio.Event()
        """Set when partitions are assigned: what is published from then on is taken over."""

    async def run(self) -> None:
        """Consumes for ever; passing faults of Kafka or Postgres are tried again."""
        while True:
            consumer = AIOKafkaConsumer(
                *self._topics,
                **client_options(self._settings.kafka_bootstrap),
                group_id=GROUP if self._settings.prefix.startswith("personalize") else self._settings.prefix,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                isolation_level="read_committed",
            )
            try:
                await consumer.start()
                await self._consume(consumer)
            except (*TRANSIENT, KafkaError) as fault:
                logger.warning("announcements: %s; trying again", type(fault).__name__)
                await asyncio.sleep(BACKOFF_SECONDS)
            finally:
                await consumer.stop()

    async def _consume(self, consumer: Any) -> None:
        known: set[TopicPartition] = set()
        while True:
            polled = await consumer.getmany(timeout_ms=POLL_MS)
            records = [record for records in polled.values() for record in records]
            if records:
                await asyncio.to_thread(self._keep, records)
            assigned = consumer.assignment()
            if records or assigned - known:
                positions = {partition: await consumer.position(partition) for partition in assigned}
                await consumer.commit(positions)
                known = set(assigned)
            if assigned:
                self.ready.set()

    def _keep(self, records: Iterable[Any]) -> None:
        taken = []
        for record in records:
            try:
                envelope = _decode(record.value or b"")
            except msgspec.MsgspecError:
                logger.warning("an announcement on %s is not readable; skipped", record.topic)
                continue
            taken.append((envelope.id, envelope.partitionkey, record.value))
            metrics.NOTIFICATIONS_RECEIVED.labels(record.topic).inc()
        with connect(self._settings.database_url, autocommit=True, name="personalize-announcements") as connection:
            take_over(connection, SEND.name, SEND.queue, taken)
