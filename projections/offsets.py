"""Where does each partition resume, and who may move it?  The offset rows: claim, compare-and-swap, read.

The swap on ``(next_offset, epoch)`` is the first statement of every projection transaction.  It locks the rows, so a
process that was stopped and wakes up again cannot write behind the back of the one that took its partitions over.
The epoch is this table's own (Kafka's generation restarts when a group is deleted and does not change when a static
member restarts).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from projections.poll import TopicPartition
from projections.stores.postgres import Connection

WORKER = "worker"
"""The process group whose offsets the read models stand at."""

INSERT_MISSING = """
INSERT INTO stream_offset (projection, topic, part)
SELECT %(projection)s, topic, part FROM unnest(%(topics)s::text[], %(parts)s::int[]) AS wanted (topic, part)
ON CONFLICT DO NOTHING
"""
CLAIM = """
WITH wanted AS MATERIALIZED (
    SELECT held.topic, held.part
    FROM unnest(%(topics)s::text[], %(parts)s::int[]) AS asked (topic, part)
    JOIN stream_offset held ON held.projection = %(projection)s AND held.topic = asked.topic AND held.part = asked.part
    ORDER BY held.topic, held.part FOR UPDATE OF held
)
UPDATE stream_offset AS claimed SET epoch = epoch + 1, owner = %(owner)s, updated_at = now()
FROM wanted
WHERE claimed.projection = %(projection)s AND claimed.topic = wanted.topic AND claimed.part = wanted.part
RETURNING claimed.topic, claimed.part, claimed.next_offset, claimed.epoch
"""
SKIP_TO_START = """
UPDATE stream_offset SET next_offset = %(start)s
WHERE projection = %(projection)s AND topic = %(topic)s AND part = %(part)s AND next_offset = 0 AND epoch = %(epoch)s
  AND NOT EXISTS (SELECT FROM applied_range r
                  WHERE r.topic = %(topic)s AND r.part = %(part)s AND r.projection = %(projection)s)
RETURNING next_offset
"""
READ = """
SELECT topic, part, next_offset, epoch FROM stream_offset
WHERE projection = %(projection)s
  AND (topic, part) IN (SELECT * FROM unnest(%(topics)s::text[], %(parts)s::int[]))
"""
SWAP = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(topics)s::text[], %(parts)s::int[], %(starts)s, %(ends)s, %(epochs)s, %(watermarks)s)
        AS wanted (topic, part, expected, moved_to, epoch, watermark_ms)
), held AS MATERIALIZED (
    SELECT o.topic, o.part
    FROM stream_offset o JOIN wanted USING (topic, part)
    WHERE o.projection = %(projection)s AND o.next_offset = wanted.expected AND o.epoch = wanted.epoch
    ORDER BY o.topic, o.part FOR UPDATE OF o
)
UPDATE stream_offset o
SET next_offset = wanted.moved_to, watermark_ms = greatest(o.watermark_ms, wanted.watermark_ms), updated_at = now()
FROM wanted JOIN held USING (topic, part)
WHERE o.projection = %(projection)s AND o.topic = held.topic AND o.part = held.part
RETURNING o.topic, o.part
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a partition resumes, and the epoch that its owner must present."""

    next_offset: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One partition's step: from ``start`` (compared) to ``end`` (swapped in)."""

    partition: TopicPartition
    start: int
    end: int
    epoch: int
    watermark_ms: int


def _names(partitions: Collection[TopicPartition]) -> dict[str, list[str] | list[int]]:
    ordered = sorted(partitions)
    return {"topics": [p.topic for p in ordered], "parts": [p.part for p in ordered]}


def claim(
    connection: Connection, partitions: Collection[TopicPartition], owner: str, projection: str = WORKER
) -> dict[TopicPartition, Cursor]:
    """Makes ``owner`` the only writer of the partitions; its own transaction, durable before anything is fetched."""
    parameters = {**_names(partitions), "projection": projection, "owner": owner}
    with connection.transaction():
        # The claim must never be lost, whatever the database's default: a lost epoch would let two owners write.
        connection.execute("SET LOCAL synchronous_commit = on")
        connection.execute(INSERT_MISSING, parameters)
        rows = connection.execute(CLAIM, parameters).fetchall()
    return {TopicPartition(topic, part): Cursor(offset, epoch) for topic, part, offset, epoch in rows}


def skip_to_start(
    connection: Connection, partition: TopicPartition, cursor: Cursor, start: int, projection: str = WORKER
) -> bool:
    """Begins a partition that was never read at the first record that is still there; False when it was read."""
    parameters = {"projection": projection, "topic": partition.topic, "part": partition.part}
    moved = connection.execute(SKIP_TO_START, {**parameters, "start": start, "epoch": cursor.epoch}).fetchone()
    return moved is not None


def read(
    connection: Connection, partitions: Collection[TopicPartition], projection: str = WORKER
) -> dict[TopicPartition, Cursor]:
    """The stored cursors of the partitions, as they are now."""
    rows = connection.execute(READ, {**_names(partitions), "projection": projection}).fetchall()
    return {TopicPartition(topic, part): Cursor(offset, epoch) for topic, part, offset, epoch in rows}


def swap(connection: Connection, moves: Sequence[Move], projection: str = WORKER) -> Callable[[], set[TopicPartition]]:
    """Moves the offsets whose stored value and epoch are as expected; call it for the partitions that did *not* move.

    Within a burst that call waits for the answer.
    """
    ordered = sorted(moves, key=lambda move: move.partition)
    parameters: Mapping[str, object] = {
        **_names([move.partition for move in ordered]),
        "projection": projection,
        "starts": np.array([move.start for move in ordered], np.int64),
        "ends": np.array([move.end for move in ordered], np.int64),
        "epochs": np.array([move.epoch for move in ordered], np.int64),
        "watermarks": np.array([move.watermark_ms for move in ordered], np.int64),
    }
    answer = connection.execute(SWAP, parameters)
    wanted = {move.partition for move in ordered}
    return lambda: wanted - {TopicPartition(*row) for row in answer.fetchall()}
