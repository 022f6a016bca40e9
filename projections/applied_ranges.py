"""What was applied, when, by whom?  The audit trail of the transactions, a row a partition.

Range by range it must tile each partition: offsets and folds can look right over a poll that was applied twice,
because the event ids hide it; the ranges and their record counts do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from projections.poll import TopicPartition
from projections.stores.postgres import Connection

INSERT = """
INSERT INTO applied_range (applied_seq, projection, topic, part, first_offset, end_offset, epoch, owner, delivered,
                           applied, duplicates, dead, misrouted)
SELECT %(applied_seq)s, %(projection)s, topic, part, first_offset, end_offset, epoch, %(owner)s, delivered, applied,
       duplicates, dead, misrouted
FROM unnest(%(topics)s::text[], %(parts)s::int[], %(firsts)s::bigint[], %(ends)s::bigint[], %(epochs)s::bigint[],
            %(delivered)s::int[], %(applied)s::int[], %(duplicates)s::int[], %(dead)s::int[], %(misrouted)s::int[])
     AS moved (topic, part, first_offset, end_offset, epoch, delivered, applied, duplicates, dead, misrouted)
"""
RECENT_DEAD = """
SELECT delivered, dead FROM (
    SELECT applied_seq, delivered, dead FROM applied_range ORDER BY applied_seq DESC LIMIT 500
) AS recent ORDER BY applied_seq
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRange:
    """What one transaction did with one partition."""

    partition: TopicPartition
    first_offset: int
    end_offset: int
    epoch: int
    delivered: int
    applied: int
    duplicates: int
    dead: int
    misrouted: int


class Step(NamedTuple):
    """The transaction that the ranges belong to."""

    applied_seq: int
    projection: str
    owner: str


def put(connection: Connection, step: Step, ranges: Sequence[AppliedRange]) -> None:
    """Writes the rows of one transaction, inside it."""
    connection.execute(
        INSERT,
        {
            **step._asdict(),
            "topics": [moved.partition.topic for moved in ranges],
            "parts": np.array([moved.partition.part for moved in ranges], np.int32),
            "firsts": np.array([moved.first_offset for moved in ranges], np.int64),
            "ends": np.array([moved.end_offset for moved in ranges], np.int64),
            "epochs": np.array([moved.epoch for moved in ranges], np.int64),
            "delivered": np.array([moved.delivered for moved in ranges], np.int32),
            "applied": np.array([moved.applied for moved in ranges], np.int32),
            "duplicates": np.array([moved.duplicates for moved in ranges], np.int32),
            "dead": np.array([moved.dead for moved in ranges], np.int32),
            "misrouted": np.array([moved.misrouted for moved in ranges], np.int32),
        },
    )


def recent_dead(connection: Connection) -> list[tuple[int, int]]:
    """(delivered, dead) of the newest 500 rows, oldest first."""
    return [(delivered, dead) for delivered, dead in connection.execute(RECENT_DEAD).fetchall()]
