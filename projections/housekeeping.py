"""What is kept for a while only?  Verdicts of commands, delivered announcements, served lists, the ledger of old runs.

Seen event ids leave with their week's partition, when the worker makes the next one; an outbox row leaves when it is
produced, and never before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, LiteralString

from projections.stores.postgres import Connection

VERDICTS_KEPT: Final = timedelta(days=7)
DELIVERIES_KEPT: Final = timedelta(days=31)
"""Longer than the topics keep announcements: a repeated one is recognised."""
RUNS_KEPT: Final = timedelta(days=90)
IMPRESSIONS_KEPT: Final = timedelta(days=92)
"""As long as the longest period of analytics; their sums by day stay for good."""

DELETE_VERDICTS: LiteralString = "DELETE FROM command_result WHERE created_at < %(before)s"
DELETE_DELIVERIES: LiteralString = "DELETE FROM notification_delivery WHERE received_at < %(before)s"
DELETE_IMPRESSIONS: LiteralString = "DELETE FROM impression WHERE updated_at < %(before)s"
# The last scheduled run of a job says what was missed: it stays.
DELETE_RUNS: LiteralString = """
DELETE FROM job_runs AS r WHERE state IN ('done', 'failed') AND finished_at < %(before)s
   AND run_key < (SELECT max(run_key) FROM job_runs AS newer WHERE newer.job = r.job AND strpos(newer.run_key, '/') = 0)
"""


def tidy(connection: Connection, now: datetime) -> int:
    """Deletes what is older than it is kept, inside the caller's transaction; returns the rows deleted."""
    deleted = 0
    for statement, kept in (
        (DELETE_VERDICTS, VERDICTS_KEPT),
        (DELETE_DELIVERIES, DELIVERIES_KEPT),
        (DELETE_RUNS, RUNS_KEPT),
        (DELETE_IMPRESSIONS, IMPRESSIONS_KEPT),
    ):
        deleted += connection.execute(statement, {"before": now - kept}).rowcount
    return deleted
