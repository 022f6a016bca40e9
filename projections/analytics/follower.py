"""How do the roll-ups of analytics follow the log of record?  Behind the worker, in steps that happen once.

A step reads interactions in applied order from where the last one ended, folds them, and writes tables and position in
one transaction.  The hot path pays nothing: one reader follows, and the longer it is away, the more events share the
cost of a row.

A transaction with a lower sequence may commit after one with a higher.  The worker takes its sequence while it holds
``WRITERS_LOCK`` (shared), so once all holders seen after a look at the sequence are gone, everything up to it is
settled.  Nobody waits for that but the follower.
"""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import LiteralString, NamedTuple

from projections import activity_summaries, interaction_log
from projections.analytics import learner_days
from projections.locks import ROLL_UP_LOCK, WRITERS_LOCK
from projections.stores.postgres import Connection

STEP_ROWS = 50_000
"""Interactions folded in one transaction."""
SETTLE_SECONDS = 5.0
"""A writer that takes longer is left to the next time."""

# Rows are reached by their keys; a plan made while the tables were empty would read all of them.
SETTINGS: LiteralString = "SET enable_seqscan = off; SET jit = off"
TRY_LOCK: LiteralString = f"SELECT pg_try_advisory_xact_lock({ROLL_UP_LOCK})"
POSITION: LiteralString = "SELECT applied_seq, watermark_ms FROM roll_up_position"
MOVE: LiteralString = """
UPDATE roll_up_position SET applied_seq = %(applied_seq)s, watermark_ms = greatest(watermark_ms, %(watermark_ms)s),
                            updated_at = now()
"""
LAST_SEQ: LiteralString = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM applied_seq"
WRITING: LiteralString = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32) + objid::bigint = %(lock)s AND granted
"""
TAKE_DIRTY: LiteralString = "DELETE FROM dirty_day RETURNING day"
START_OVER: tuple[LiteralString, ...] = (
    learner_days.LOCK,
    "TRUNCATE learner_day, daily_learners, learner_day_set, learner_span_set, cell_witness",
    "UPDATE roll_up_position SET applied_seq = 0, watermark_ms = 0",
)


class Step(NamedTuple):
    """What one step did."""

    folded: int
    """Interactions."""
    applied_seq: int
    """The position reached."""


def catch_up(connection: Connection, step_rows: int = STEP_ROWS) -> int:
    """Folds everything that is settled; returns how many interactions that were.

    Args:
        connection: autocommit.
        step_rows: interactions folded in one transaction.
    """
    connection.execute(SETTINGS)
    upto = settled(connection)
    folded = 0
    while upto is not None and (done := step(connection, upto, step_rows)) is not None:
        folded += done.folded
        if done.applied_seq >= upto:
            break
    sum_dirty_days(connection)
    return folded


def reach_the_present(connection: Connection, seconds: float) -> bool:
    """Returns once everything that is settled now is folded, by whichever process; False if it took too long.

    Args:
        connection: autocommit.
        seconds: patience.
    """
    upto = settled(connection)
    deadline = time.monotonic() + seconds
    while upto is not None and _scalar(connection, POSITION) < upto:
        if time.monotonic() > deadline:
            return False
        if not catch_up(connection):
            time.sleep(0.1)  # another process does it
    return upto is not None


def settled(connection: Connection) -> int | None:
    """A sequence up to which every transaction has ended; None when a writer took too long."""
    upto = _scalar(connection, LAST_SEQ)
    asked = {"lock": WRITERS_LOCK}
    waited_for = {row[0] for row in connection.execute(WRITING, asked).fetchall()}
    deadline = time.monotonic() + SETTLE_SECONDS
    while waited_for:
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)
        waited_for &= {row[0] for row in connection.execute(WRITING, asked).fetchall()}
    return upto


def step(connection: Connection, upto: int, rows: int = STEP_ROWS) -> Step | None:
    """Folds about ``rows`` interactions up to a settled sequence; None while another process does.

    Args:
        connection: autocommit.
        upto: everything up to this sequence has been committed or rolled back.
        rows: how many, about: transactions are not cut.
    """
    with connection.transaction():
        if connection.execute(TRY_LOCK).fetchone() != (True,):
            return None
        position = _scalar(connection, POSITION)
        reached, batch = next(interaction_log.replay(connection, position, rows, upto), (upto, None))
        if batch is not None:
            learner_days.apply(connection, batch)
        watermark_ms = int(batch.at_ms.max(initial=0)) if batch is not None else 0
        if reached > position:
            connection.execute(MOVE, {"applied_seq": reached, "watermark_ms": watermark_ms})
        return Step(len(batch) if batch is not None else 0, reached)


def sum_dirty_days(connection: Connection) -> int:
    """Writes the sums of days and weeks anew that have had events; returns how many days."""
    with connection.transaction():
        if connection.execute(TRY_LOCK).fetchone() != (True,):
            return 0
        days = sorted(row[0] for row in connection.execute(TAKE_DIRTY).fetchall())
        for first, last in spans(days):
            activity_summaries.sum_activity_days(connection, first, last)
        for first, last in spans(sorted({day - timedelta(days=day.weekday()) for day in days}), timedelta(days=7)):
            activity_summaries.sum_activity_weeks(connection, first, last)
        return len(days)


def spans(days: list[date], length: timedelta = timedelta(days=1)) -> list[tuple[date, date]]:
    """Ascending periods as (first, last) of those that follow each other.

    >>> spans([date(2026, 5, 1), date(2026, 5, 2), date(2026, 5, 9)])
    [(datetime.date(2026, 5, 1), datetime.date(2026, 5, 2)), (datetime.date(2026, 5, 9), datetime.date(2026, 5, 9))]
    """
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == length:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def start_over(connection: Connection) -> None:
    """Empties the roll-ups, so that the next steps fold the whole log again."""
    with connection.transaction():
        for statement in START_OVER:
            connection.execute(statement)


def _scalar(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
