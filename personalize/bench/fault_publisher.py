"""How does the fixed stream reach Kafka while Kafka itself is killed?  In order, each window until it is taken."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from personalize.bench.fault_input import Sent

_BATCH_BYTES: Final = 512 * 1024
_BACKLOG_WINDOW: Final = 2_000
_TICK_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 0.5


async def publish(
    bootstrap: str, records: Iterable[Sent], per_second: float | None = None, stop: threading.Event | None = None
) -> int:
    """Publishes the records in order; returns how many.

    A window that fails is sent again, so records may repeat: the topic, not this stream, is the truth.

    Args:
        bootstrap: Kafka's address.
        records: what to send.
        per_second: a pace, or None for as fast as it goes.
        stop: ends it after the window under way.
    """
    window = _BACKLOG_WINDOW if per_second is None else max(1, round(per_second * _TICK_SECONDS))
    iterator, sent, begun = iter(records), 0, time.monotonic()
    producer = await _connected(bootstrap)
    try:
        while not (stop and stop.is_set()) and (part := list(islice(iterator, window))):
            while True:
                try:
                    await _send(producer, part)
                    break
                except KafkaError:
                    await producer.stop()
                    await asyncio.sleep(_RETRY_SECONDS)
                    producer = await _connected(bootstrap)
            sent += len(part)
            if per_second is not None:
                await asyncio.sleep(max(0.0, begun + sent / per_second - time.monotonic()))
        return sent
    finally:
        await producer.stop()


async def _connected(bootstrap: str) -> AIOKafkaProducer:
    while True:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, enable_idempotence=True, max_batch_size=_BATCH_BYTES, request_timeout_ms=20_000
        )
        try:
            await producer.start()
        except KafkaError:
            await producer.stop()
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return producer


async def _send(producer: AIOKafkaProducer, records: list[Sent]) -> None:
    parts: dict[tuple[str, int], list[Sent]] = defaultdict(list)
    for record in records:
        parts[record.topic, record.partition].append(record)
    waiting = [
        await producer.send_batch(batch, topic, partition=partition)
        for (topic, partition), part in parts.items()
        for batch in _batches(producer, part)
    ]
    await asyncio.gather(*waiting)


def _batches(producer: AIOKafkaProducer, records: list[Sent]) -> Iterator[Any]:
    batch = None
    for record in records:
        fields = {
            "key": record.key,
            "value": record.value,
            "headers": list(record.headers),
            "timestamp": int(time.time() * 1000),
        }
        if batch is None or batch.append(**fields) is None:
            if batch is not None:
                yield batch
            batch = producer.create_batch()
            batch.append(**fields)  # aiokafka takes the first one whatever its size
    if batch is not None:
        yield batch


class LiveTraffic:
    """Publishes in a thread of its own, at a pace, while faults happen, until `finish`."""

    def __init__(self, bootstrap: str, records: Iterable[Sent], per_second: float) -> None:
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(bootstrap, records, per_second), name="live-traffic", daemon=True
        )
        self._thread.start()

    def _run(self, bootstrap: str, records: Iterable[Sent], per_second: float) -> None:
        try:
            asyncio.run(publish(bootstrap, records, per_second, self._stop))
        except BaseException as failure:  # noqa: BLE001  handed to the one who waits
            self._failure = failure

    def finish(self, timeout_seconds: float) -> None:
        """Stops, waits until all that was begun is published; raises what went wrong, or TimeoutError."""
        self._stop.set()
        self._thread.join(timeout_seconds)
        if self._failure is not None:
            raise self._failure
        if self._thread.is_alive():
            raise TimeoutError(f"live traffic is not through after {timeout_seconds:.0f} s")
