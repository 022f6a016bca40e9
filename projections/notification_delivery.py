"""Which announcements are still to be sent on?  Table ``notification_delivery``: one row an announcement's id.

The body goes when it is delivered, and the row goes with its learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from projections import job_runs
from projections.stores.postgres import Connection

# Announcements of learners who were erased meanwhile find no row in learners, and are dropped.
TAKE_OVER: LiteralString = """
INSERT INTO notification_delivery (event_id, learner_key, body)
SELECT DISTINCT ON (event_id) event_id, learner_key, body
FROM unnest(%(ids)s::text[], %(users)s::text[], %(bodies)s::bytea[]) AS came (event_id, user_id, body)
JOIN learners USING (user_id)
ON CONFLICT (event_id) DO NOTHING RETURNING event_id
"""
BODY: LiteralString = "SELECT body FROM notification_delivery WHERE event_id = %(event_id)s"
DELIVERED: LiteralString = """
UPDATE notification_delivery SET delivered_at = clock_timestamp(), body = NULL WHERE event_id = %(event_id)s
"""


def take_over(connection: Connection, job: str, queue: str, announcements: Sequence[tuple[str, str, bytes]]) -> int:
    """Keeps new announcements (id, userId, CloudEvent) with a run for each, in one transaction; returns how many."""
    with connection.transaction():
        rows = connection.execute(
            TAKE_OVER,
            {
                "ids": [event_id for event_id, _, _ in announcements],
                "users": [user for _, user, _ in announcements],
                "bodies": [body for _, _, body in announcements],
            },
        ).fetchall()
        return job_runs.register(connection, job, queue, [event_id for (event_id,) in rows])


def body_of(connection: Connection, event_id: str) -> bytes | None:
    """The CloudEvent to be sent; None when it was delivered, or its learner erased."""
    row = connection.execute(BODY, {"event_id": event_id}).fetchone()
    return row[0] if row else None


def mark_delivered(connection: Connection, event_id: str) -> int:
    """Notes the delivery and drops the body, inside the caller's transaction; returns the rows written."""
    return connection.execute(DELIVERED, {"event_id": event_id}).rowcount
