"""Which background runs are due, under way, done or failed?  The ledger ``job_runs``: one row a job and run key.

What is due is decided here and not in Redis: inserting a run twice does nothing, so any number of schedulers make one
run, and what a lost queue forgot is handed out again.  A run is held by a session advisory lock, which Postgres frees
when the process dies, and fenced by its attempt number: only the newest attempt can finish, in the transaction of its
effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple

from projections.stores.postgres import Connection

BY_HAND = "/"
"""Stands in the run keys of runs that a person started, behind the period that they are for."""

REGISTER: LiteralString = """
INSERT INTO job_runs (job, queue, run_key)
SELECT %(job)s, %(queue)s, run_key FROM unnest(%(run_keys)s::text[]) AS run_key
ON CONFLICT (job, run_key) DO NOTHING
"""
NEWEST: LiteralString = "SELECT max(run_key) FROM job_runs WHERE job = %(job)s AND strpos(run_key, '/') = 0"
TAKE_DUE: LiteralString = """
UPDATE job_runs SET enqueued_at = clock_timestamp() WHERE (job, run_key) IN (
    SELECT job, run_key FROM job_runs
    WHERE state IN ('queued', 'running') AND due_at <= clock_timestamp() AND (enqueued_at IS NULL
          OR enqueued_at < due_at OR enqueued_at < clock_timestamp() - make_interval(secs => %(lost_seconds)s))
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING job, run_key
"""
TRY_LOCK: LiteralString = "SELECT pg_try_advisory_lock(%(lock)s)"
UNLOCK: LiteralString = "SELECT pg_advisory_unlock(%(lock)s)"
BEGIN: LiteralString = """
UPDATE job_runs SET state = 'running', attempts = attempts + 1, started_at = clock_timestamp(), finished_at = NULL,
                    phase = '', progress_done = 0, progress_total = 0
WHERE job = %(job)s AND run_key = %(run_key)s AND state IN ('queued', 'running') AND due_at <= clock_timestamp()
RETURNING attempts
"""
STILL_MINE: LiteralString = """
SELECT FROM job_runs
WHERE job = %(job)s AND run_key = %(run_key)s AND state = 'running' AND attempts = %(attempt)s FOR UPDATE
"""
FINISH: LiteralString = """
UPDATE job_runs SET state = 'done', finished_at = clock_timestamp(), rows_written = %(rows)s, error = '', phase = ''
WHERE job = %(job)s AND run_key = %(run_key)s
"""
FAIL: LiteralString = """
UPDATE job_runs SET error = %(error)s, finished_at = clock_timestamp(), phase = '',
       state = CASE WHEN attempts >= %(most_attempts)s THEN 'failed' ELSE 'queued' END,
       due_at = clock_timestamp() + make_interval(secs => %(pause_seconds)s)
WHERE job = %(job)s AND run_key = %(run_key)s AND state = 'running' AND attempts = %(attempt)s
"""
PROGRESS: LiteralString = """
UPDATE job_runs SET phase = %(phase)s, progress_done = %(done)s, progress_total = %(total)s
WHERE job = %(job)s AND run_key = %(run_key)s AND attempts = %(attempt)s
"""
RECENT: LiteralString = """
SELECT job, run_key, queue, state, attempts, due_at, started_at, finished_at, rows_written, error, phase,
       progress_done, progress_total
FROM job_runs WHERE %(job)s::text IS NULL OR job = %(job)s
ORDER BY coalesce(finished_at, started_at, due_at) DESC, job, run_key LIMIT %(limit)s
"""
ONE: LiteralString = """
SELECT job, run_key, queue, state, attempts, due_at, started_at, finished_at, rows_written, error, phase,
       progress_done, progress_total
FROM job_runs WHERE job = %(job)s AND run_key = %(run_key)s
"""


class Run(NamedTuple):
    """One row of the ledger."""

    job: str
    run_key: str
    queue: str
    state: str
    """queued, running, done or failed."""
    attempts: int
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    rows_written: int | None
    error: str
    """Class of the last failure; empty after a success."""
    phase: str
    progress_done: int
    progress_total: int
    """0: not known."""


def register(connection: Connection, job: str, queue: str, run_keys: Sequence[str]) -> int:
    """Adds runs that are due now; known ones stay as they are.  Returns how many were new."""
    return connection.execute(REGISTER, {"job": job, "queue": queue, "run_keys": list(run_keys)}).rowcount


def newest_key(connection: Connection, job: str) -> str | None:
    """The last period that was scheduled for a job; None before the first."""
    row = connection.execute(NEWEST, {"job": job}).fetchone()
    return row[0] if row else None


def take_due(connection: Connection, lost_seconds: float, limit: int = 500) -> list[tuple[str, str]]:
    """(job, run key) of the runs to be given to their queues now; another taker does not get the same.

    A run that was given more than ``lost_seconds`` ago and is not finished is given again: its message may be lost.
    """
    return list(connection.execute(TAKE_DUE, {"lost_seconds": lost_seconds, "limit": limit}).fetchall())


def try_lock(connection: Connection, job: str, run_key: str) -> bool:
    """Whether this session now holds the run alone; held until `unlock` or the end of the session."""
    row = connection.execute(TRY_LOCK, {"lock": _lock(job, run_key)}).fetchone()
    return row == (True,)


def unlock(connection: Connection, job: str, run_key: str) -> None:
    """Lets another session hold the run."""
    connection.execute(UNLOCK, {"lock": _lock(job, run_key)})


def begin(connection: Connection, job: str, run_key: str) -> int | None:
    """The number of the attempt that begins now; None if there is nothing to do (done, failed, unknown, too early)."""
    row = connection.execute(BEGIN, {"job": job, "run_key": run_key}).fetchone()
    return row[0] if row else None


def still_mine(connection: Connection, job: str, run_key: str, attempt: int) -> bool:
    """Whether this attempt may write its effect; locks the row until the end of the caller's transaction."""
    parameters = {"job": job, "run_key": run_key, "attempt": attempt}
    return connection.execute(STILL_MINE, parameters).fetchone() is not None


def finish(connection: Connection, job: str, run_key: str, rows: int) -> None:
    """Marks the run as done, inside the transaction of its effect."""
    connection.execute(FINISH, {"job": job, "run_key": run_key, "rows": rows})


def fail(
    connection: Connection, job: str, run_key: str, attempt: int, error: str, most_attempts: int, pause_seconds: float
) -> None:
    """Notes a failure: the run is due again after a pause, or has failed for good when its attempts are used up."""
    connection.execute(
        FAIL,
        {
            "job": job,
            "run_key": run_key,
            "attempt": attempt,
            "error": error,
            "most_attempts": most_attempts,
            "pause_seconds": pause_seconds,
        },
    )


def report(connection: Connection, job: str, run_key: str, attempt: int, phase: str, done: int, total: int) -> None:
    """Says how far the run is, for those who watch."""
    connection.execute(
        PROGRESS,
        {"job": job, "run_key": run_key, "attempt": attempt, "phase": phase, "done": done, "total": total},
    )


def recent(connection: Connection, job: str | None = None, limit: int = 50) -> list[Run]:
    """The newest runs first, of one job or of all."""
    return [Run(*row) for row in connection.execute(RECENT, {"job": job, "limit": limit}).fetchall()]


def one(connection: Connection, job: str, run_key: str) -> Run | None:
    """A run of the ledger, if it is there."""
    row = connection.execute(ONE, {"job": job, "run_key": run_key}).fetchone()
    return Run(*row) if row else None


def _lock(job: str, run_key: str) -> int:
    """64 bits of the run's name, as an advisory lock number."""
    digest = hashlib.sha256(f"job_runs\0{job}\0{run_key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
