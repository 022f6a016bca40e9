"""What waits in the database?  Outbox records, background jobs and webhook deliveries, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from projections.reads.lag import STORED
from projections.stores.postgres import Connection

OUTBOX: LiteralString = """
SELECT count(*), coalesce(date_part('epoch', now() - min(created_at)), 0) FROM outbox
"""
OVERDUE: LiteralString = """
SELECT queue, date_part('epoch', now() - min(due_at)) FROM job_runs
WHERE state = 'queued' AND due_at < now() GROUP BY queue
"""
UNDELIVERED: LiteralString = "SELECT count(*) FROM notification_delivery WHERE delivered_at IS NULL"


@dataclass(frozen=True, slots=True)
class Backlog:
    """One look."""

    outbox_records: int
    outbox_age_seconds: float
    """Of the oldest record in the outbox."""
    overdue_seconds: dict[str, float]
    """Queue → how long the run that waits longest has been due."""
    undelivered: int
    """Announcements that are not sent on yet."""
    offsets: dict[tuple[str, str, int], int]
    """(projection, topic, partition) → next offset, of `stream_offset`."""


def read(connection: Connection) -> Backlog:
    """Looks once."""
    records, age = _row(connection, OUTBOX)
    overdue = connection.execute(OVERDUE).fetchall()
    stored = connection.execute(STORED).fetchall()
    return Backlog(
        outbox_records=records,
        outbox_age_seconds=float(age),
        overdue_seconds={queue: float(seconds) for queue, seconds in overdue},
        undelivered=_row(connection, UNDELIVERED)[0],
        offsets={(projection, topic, part): offset for projection, topic, part, offset in stored},
    )


def _row(connection: Connection, query: LiteralString) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)
