"""How do a million records get into Kafka in seconds?  As whole batches a partition, built here.

A send of aiokafka costs tens of microseconds a record (a future, a partitioner in Python).  Here a window of records
is hashed once a key and packed into one batch a partition, and a batch is one send.  Within a partition the order is
exact; between partitions it is that of the windows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from personalize.errors import ProblemError
from projections.stores.kafka import client_options
from schemas.partitioning import partitions_of

WINDOW_RECORDS: Final = 8_192
_BATCH_BYTES: Final = 512 * 1024
_LARGEST_RECORD_BYTES: Final = 400 * 1024
_BATCHES_IN_FLIGHT: Final = 32

Progress = Callable[[int], None]
"""Called with the number of records that the broker has by now."""


class BulkProducer:
    """Writes records with the Java partitioner; each record's timestamp is the moment it is packed."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = AIOKafkaProducer(
            **client_options(bootstrap),
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES,
            client_id="personalize-bulk",
        )
        self._waiting: set[asyncio.Future[Any]] = set()
        self._partition: dict[bytes, int] = {}
        self.written = 0

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise ProblemError(
                f"Kafka cannot be reached ({error}).", "check KAFKA_BOOTSTRAP_SERVERS, or run `personalize up`."
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self.drain()
        finally:
            await self._producer.stop()

    async def write(
        self,
        topic: str,
        records: Iterable[tuple[bytes, bytes]],
        on_progress: Progress | None = None,
    ) -> int:
        """Writes (key, value) records in order; returns how many, all of them acknowledged.

        Args:
            topic: must exist.
            records: consumed window by window.
            on_progress: called after each window.

        Raises:
            KafkaError: a batch was refused.
        """
        iterator, total = iter(records), 0
        while window := list(islice(iterator, WINDOW_RECORDS)):
            await self.put(topic, window)
            total += len(window)
            if on_progress:
                on_progress(total)
        await self.drain()
        self.written += total
        return total

    async def put(self, topic: str, window: list[tuple[bytes, bytes]]) -> None:
        """Packs some (key, value) records and hands them to the sender; `drain` waits for their acknowledgement."""
        count = len(await self._producer.partitions_for(topic))
        for partition, part in enumerate(self._divided(window, count)):
            await self._send(topic, partition, part)

    async def drain(self) -> None:
        """Waits until every batch is acknowledged, and raises what one of them met."""
        while self._waiting:
            done, self._waiting = await asyncio.wait(self._waiting)
            for future in done:
                future.result()

    def _divided(self, window: list[tuple[bytes, bytes]], count: int) -> list[list[tuple[bytes, bytes]]]:
        known = self._partition
        new = list({key for key, _ in window if key not in known})
        known.update(zip(new, partitions_of(new, count).tolist(), strict=True))
        parts: list[list[tuple[bytes, bytes]]] = [[] for _ in range(count)]
        for record in window:
            parts[known[record[0]]].append(record)
        return parts

    async def _send(self, topic: str, partition: int, records: list[tuple[bytes, bytes]]) -> None:
        now_ms = int(time.time() * 1000)
        for batch in self._batches(records, now_ms):
            if len(self._waiting) >= _BATCHES_IN_FLIGHT:
                done, self._waiting = await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    future.result()
            self._waiting.add(await self._producer.send_batch(batch, topic, partition=partition))

    def _batches(self, records: list[tuple[bytes, bytes]], now_ms: int) -> Iterator[Any]:
        batch = None
        for key, value in records:
            if len(key) + len(value) > _LARGEST_RECORD_BYTES:
                raise ProblemError(
                    f"A record of {len(value)} bytes does not fit a batch.", f"keep it under {_LARGEST_RECORD_BYTES}."
                )
            if batch is None or batch.append(key=key, value=value, timestamp=now_ms) is None:
                if batch is not None:
                    yield batch
                batch = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=now_ms)  # aiokafka takes the first one whatever its size
        if batch is not None:
            yield batch
