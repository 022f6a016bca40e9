"""How does a write reach the log?  By one idempotent producer whose acknowledgement is waited for, or refused in time.

Records are keyed as CONTRACTS of the topics say and partitioned as Java does it (murmur2).  A publish that Kafka does
not acknowledge in time raises: whether its records reached the log is then unknown, and the client has the event ids
that make trying again harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from projections.stores.kafka import batches, client_options
from schemas.partitioning import partition_of
from schemas.topics import CATALOGUE, IMPRESSIONS, INTERACTIONS, LEARNER_COMMANDS

CHUNK_RECORDS = 250
"""Records handed to the producer before the event loop sees to others (about 10 ms of CPU)."""
RECONNECT_SECONDS = 0.5
LINGER_MS = 2
PUBLISHED_TOPICS = (INTERACTIONS.name, LEARNER_COMMANDS.name, CATALOGUE.name, IMPRESSIONS.name)
HEALTH_SECONDS = 0.7
REST_SECONDS = 0.25
"""After a time-out publishing is refused at once for this long, so that a dead broker does not collect requests."""
REPLACE_SECONDS = 10.0
"""A producer that has failed for this long is replaced: a broker that lost its data refuses the old one for good."""

_log = structlog.get_logger("api.publisher")


class KafkaAwayError(Exception):
    """Kafka did not acknowledge in time, or too many records are waiting for it."""

    def __init__(self, acknowledged: list[Place]) -> None:
        super().__init__(f"{len(acknowledged)} records were acknowledged")
        self.acknowledged = acknowledged
        """Places of the records that are in the log for certain, from the first on."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands in the log."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be published."""

    key: bytes
    value: bytes | None


RecordHeaders = list[tuple[str, bytes]]


def _choose(key: bytes, every: Sequence[int], _available: Sequence[int]) -> int:
    return every[partition_of(key, len(every))]


class Publisher:
    """Publishes to Kafka; connects in the background and for as long as it takes.

    Args:
        bootstrap_servers: host:port, several separated by commas.
        acknowledged_seconds: Kafka has this long to acknowledge one chunk.
        most_in_flight: records that may wait for Kafka, over all requests.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        acknowledged_seconds: float,
        most_in_flight: int = 20_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._acknowledged_seconds = acknowledged_seconds
        self._most_in_flight = most_in_flight
        self._in_flight = 0
        self._clock = clock
        self._producer: Any = None
        self._connecting: asyncio.Task[None] | None = None
        self._refuse_until = -1.0
        self._failing_since: float | None = None
        self._healthy = False
        self._checked_at = -1e9
        self._checking = asyncio.Lock()

    @property
    def in_flight(self) -> int:
        """Records that Kafka has not acknowledged yet."""
        return self._in_flight

    async def open(self) -> None:
        """Starts connecting in the background."""
        self._connecting = asyncio.create_task(self._connect())

    async def close(self) -> None:
        """Sends what was accepted, then ends the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        await self._stop(self._producer)

    async def publish(self, topic: str, records: Sequence[Outgoing], headers: RecordHeaders) -> list[Place]:
        """Publishes records in order and returns where each stands once all are in the log.

        Raises:
            KafkaAwayError: not all were acknowledged in time.
        """
        overfull = self._in_flight + len(records) > self._most_in_flight
        if self._producer is None or overfull or self._clock() < self._refuse_until:
            raise KafkaAwayError([])
        places: list[Place] = []
        self._in_flight += len(records)
        unanswered = len(records)
        try:
            for first in range(0, len(records), CHUNK_RECORDS):
                chunk = records[first : first + CHUNK_RECORDS]
                places += await self._publish_chunk(topic, chunk, headers, places)
                self._in_flight -= len(chunk)
                unanswered -= len(chunk)
        finally:
            self._in_flight -= unanswered
        return places

    async def publish_packed(self, topic: str, records: Mapping[int, Sequence[Outgoing]]) -> list[int]:
        """Publishes records as few batches, which costs a tenth of a record at a time.

        Args:
            topic: where to.
            records: by partition, in order.

        Returns:
            The partitions all of whose records are in the log; of the others some may be.

        Raises:
            KafkaAwayError: it is known to be away.
        """
        if self._producer is None or self._clock() < self._refuse_until:
            raise KafkaAwayError([])
        partitions = list(records)
        sendings = [self._send_packed(topic, partition, records[partition]) for partition in partitions]
        # Together, so that the producer finds all batches when it makes its next request.
        outcomes = await asyncio.gather(*sendings, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            self._failed()
        for failure in failures:
            if not isinstance(failure, TimeoutError | KafkaError | OSError):
                raise failure
        return [part for part, outcome in zip(partitions, outcomes, strict=True) if outcome is None]

    async def _send_packed(self, topic: str, partition: int, records: Sequence[Outgoing]) -> None:
        packed = batches(self._producer, ((record.key, record.value, ()) for record in records))
        async with asyncio.timeout(self._acknowledged_seconds):
            for batch in packed:
                await (await self._producer.send_batch(batch, topic, partition=partition))

    async def _publish_chunk(
        self, topic: str, records: Sequence[Outgoing], headers: RecordHeaders, before: list[Place]
    ) -> list[Place]:
        futures: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(self._acknowledged_seconds):
                for record in records:
                    # Not a comprehension: when a send waits too long, those before it must be known.
                    sent = await self._producer.send(topic, record.value, key=record.key, headers=headers)
                    futures.append(sent)
                await asyncio.wait(futures)
        except (TimeoutError, KafkaError, OSError) as error:
            for future in futures:
                future.add_done_callback(_looked_at)
            self._failed()
            raise KafkaAwayError(before + _acknowledged(futures)) from error
        if any(future.exception() is not None for future in futures):
            self._failed()
            raise KafkaAwayError(before + _acknowledged(futures))
        self._failing_since = None
        return _acknowledged(futures)

    def _failed(self) -> None:
        now = self._clock()
        self._healthy, self._checked_at = False, now
        self._refuse_until = now + REST_SECONDS
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since > REPLACE_SECONDS:
            self._failing_since = None
            self._connecting = asyncio.create_task(self._replace())

    async def _replace(self) -> None:
        producer, self._producer = self._producer, None
        _log.warning("kafka_producer_replaced")
        await self._stop(producer)
        await self._connect()

    @staticmethod
    async def _stop(producer: Any) -> None:
        if producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                async with asyncio.timeout(2):
                    await producer.stop()

    async def answers(self) -> bool:
        """Whether Kafka answers; asked at most once a second."""
        async with self._checking:
            if self._clock() - self._checked_at >= 1.0:
                self._healthy = await self._ask()
                self._checked_at = self._clock()
        return self._healthy

    async def _ask(self) -> bool:
        if self._producer is None:
            return False
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError):
            return False
        return True

    async def _connect(self) -> None:
        warned = False
        while self._producer is None:
            producer = AIOKafkaProducer(
                **client_options(self._bootstrap_servers),
                client_id="personalize-api",
                enable_idempotence=True,
                acks="all",
                linger_ms=LINGER_MS,
                max_batch_size=131_072,
                request_timeout_ms=5_000,
                retry_backoff_ms=100,
                metadata_max_age_ms=60_000,
                partitioner=_choose,
            )
            try:
                await producer.start()
            except asyncio.CancelledError:
                await self._stop(producer)
                raise
            except (KafkaError, OSError, ValueError) as error:
                await self._stop(producer)
                if not warned:
                    _log.warning("kafka_away", error=type(error).__name__)
                    warned = True
                await asyncio.sleep(RECONNECT_SECONDS)
            else:
                await self._look_up(producer)
                self._producer = producer

    @staticmethod
    async def _look_up(producer: Any) -> None:
        """Learns where the topics' partitions are, so that the first request need not wait for it."""
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(2):
                for topic in PUBLISHED_TOPICS:
                    await producer.partitions_for(topic)


def _acknowledged(futures: Sequence[asyncio.Future[Any]]) -> list[Place]:
    """The places from the first record on, up to the first that has none."""
    places = []
    for future in futures:
        if not future.done() or future.cancelled() or future.exception() is not None:
            break
        answer = future.result()
        places.append(Place(answer.partition, answer.offset))
    return places


def _looked_at(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
