"""How does the demo fill the topics?  The catalogue and the history at once, the last weeks one by one.

Each record carries the moment of its publication as timestamp and the shifted time of its row as `occurredAt`; a live
event happens when it is published.  `eventId` depends on the row alone, so publishing a history twice changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from aiokafka import AIOKafkaProducer

from personalize.demo.bulk_producer import BulkProducer, Progress
from personalize.demo.oulad import Clicks, Oulad
from personalize.demo.records import Encoder, catalogue_records, user_id
from personalize.demo.timeline import Timeline
from projections.stores.kafka import client_options
from schemas.partitioning import partition_of
from schemas.topics import CATALOGUE, INTERACTIONS

_LINGER_MS: Final = 5
_SLEEP_SECONDS: Final = 0.02


@dataclass(slots=True)
class DemoState:
    """How far the demo got, so that a second start goes on where the first one stopped."""

    shift_ms: int = 0
    cut_ms: int = 0
    history_done: bool = False
    live_position: int = 0
    """Rows of the live part published so far, counted over all its turns."""

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What an earlier start left, or None; a file that is no state counts as none (republishing is harmless)."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Replaces the file in one step."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.replace(path)


async def publish_catalogue(bootstrap: str, oulad: Oulad) -> int:
    """Writes one catalogue record a site; returns how many."""
    async with BulkProducer(bootstrap) as producer:
        return await producer.write(CATALOGUE.name, catalogue_records(oulad))


async def publish_history(bootstrap: str, oulad: Oulad, timeline: Timeline, on_progress: Progress | None = None) -> int:
    """Writes the history in time order; returns how many records, all acknowledged.

    Args:
        bootstrap: Kafka's address.
        oulad: the tables the timeline was made of.
        timeline: which rows, and by how much their times are shifted.
        on_progress: called with the number written so far, about every 8,000 records.
    """
    async with BulkProducer(bootstrap) as producer:
        return await producer.write(INTERACTIONS.name, history_records(oulad, timeline), on_progress)


def history_records(oulad: Oulad, timeline: Timeline) -> Iterable[tuple[bytes, bytes]]:
    """Key and value of each row of the history, in time order."""
    clicks = timeline.history
    keys = [user_id(student).encode() for student in clicks.student.tolist()]
    return zip(keys, Encoder(oulad).values(clicks, clicks.at_ms + timeline.shift_ms), strict=True)


async def stream_live(
    bootstrap: str,
    oulad: Oulad,
    timeline: Timeline,
    stop: asyncio.Event,
    *,
    rate: float = 5.0,
    position: int = 0,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Publishes the kept-back rows in their order until told to stop; starts over when they are used up.

    Args:
        bootstrap: Kafka's address.
        oulad: the tables the timeline was made of.
        timeline: its live part is streamed, each row happening now.
        stop: ends the stream.
        rate: events a second on average; the gaps are exponential.
        position: where an earlier stream stopped.
        seed: of the gaps.
        on_progress: called with the position after each acknowledged burst.

    Returns:
        The position to go on from: rows published over all turns.

    Raises:
        ValueError: nothing was kept back, or the rate is not positive.
    """
    live = timeline.live
    if len(live) == 0 or rate <= 0:
        raise ValueError("a live stream needs kept-back rows and a positive rate")
    gaps = random.Random(seed + position)
    encoder = Encoder(oulad)
    producer = AIOKafkaProducer(**client_options(bootstrap), acks="all", linger_ms=_LINGER_MS)
    await producer.start()
    try:
        partitions = len(await producer.partitions_for(INTERACTIONS.name))
        due = time.monotonic()
        while not stop.is_set():
            burst = []
            while due <= time.monotonic():
                due += gaps.expovariate(rate)
                burst.append(await _send_row(producer, encoder, live, position, partitions))
                position += 1
            if burst:
                await asyncio.gather(*burst)
                if on_progress:
                    on_progress(position)
            await _sleep(stop, min(max(due - time.monotonic(), _SLEEP_SECONDS), 1.0))
    finally:
        await producer.stop()
    return position


async def _send_row(
    producer: AIOKafkaProducer, encoder: Encoder, live: Clicks, position: int, partitions: int
) -> asyncio.Future[object]:
    turn, row = divmod(position, len(live))
    one = live.take(slice(row, row + 1))
    now = np.array([int(time.time() * 1000)])
    (value,) = encoder.values(one, now, turn)
    key = user_id(int(one.student[0])).encode()
    future: asyncio.Future[object] = await producer.send(
        INTERACTIONS.name, value, key=key, partition=partition_of(key, partitions)
    )
    return future


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
