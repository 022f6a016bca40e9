"""How is one run carried out, so that its effect happens once?  Lock, compute, then effect and ledger in one commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from projections import job_runs, tracing
from projections.stores.postgres import Connection, connect
from streams.jobs import metrics
from streams.jobs.job import Assignment, Job, Report
from streams.jobs.settings import JobSettings

logger = logging.getLogger(__name__)
Outcome = Literal["done", "failed", "busy", "nothing"]

# Summing or reading a long log takes longer than a projection's statement may.
SET_LIMITS = "SET statement_timeout = '10min'"
REPORT_SECONDS = 0.5
"""Progress is written at most this often."""


def carry_out(
    job: Job, run_key: str, settings: JobSettings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Outcome:
    """Does one run, unless it is done, held by somebody else, or not due yet."""
    with connect(settings.database_url, autocommit=True, name=f"personalize-job-{job.name}") as connection:
        connection.execute(SET_LIMITS)
        if not job_runs.try_lock(connection, job.name, run_key):
            return "busy"
        attempt = job_runs.begin(connection, job.name, run_key)
        if attempt is None:
            return "nothing"
        began_ns, begun = time.time_ns(), time.monotonic()
        outcome, error = _attempt(job, run_key, attempt, connection, settings, clock)
        metrics.JOB_SECONDS.labels(job.name).observe(time.monotonic() - begun)
        metrics.JOB_RUNS.labels(job.name, outcome).inc()
        if tracing.is_on():
            tracing.attempted(job.name, attempt, began_ns, outcome, error)
        return outcome


def _attempt(
    job: Job, run_key: str, attempt: int, connection: Connection, settings: JobSettings, clock: Callable[[], datetime]
) -> tuple[Outcome, str | None]:
    """How the attempt ended, and the class of the error if it failed."""
    try:
        if attempt > job.most_attempts:  # the processes that tried before were killed by it, or with it
            raise AttemptsUsedUp
        assignment = Assignment(
            connection=connection,
            run_key=run_key,
            now=clock(),
            report=_reporter(connection, job.name, run_key, attempt),
            settings=settings,
        )
        effect = job.work(assignment)
        with connection.transaction():
            if not job_runs.still_mine(connection, job.name, run_key, attempt):
                return "nothing", None
            job_runs.finish(connection, job.name, run_key, effect(connection))
    except Exception as fault:  # noqa: BLE001  whatever it is, the ledger keeps its class and when to try again
        error = type(fault).__name__
        logger.warning("job %s failed in attempt %d: %s", job.name, attempt, error)
        metrics.JOB_FAILURES.labels(job.name, error).inc()
        pause = job.pause_seconds(attempt)
        job_runs.fail(connection, job.name, run_key, attempt, error, job.most_attempts, pause)
        return "failed", error
    logger.info("job %s done", job.name)
    return "done", None


class AttemptsUsedUp(Exception):  # noqa: N818 - a state of affairs; its name is what the ledger shows
    """The run was begun as often as allowed and never ended."""


def _reporter(connection: Connection, job: str, run_key: str, attempt: int) -> Report:
    said = 0.0

    def report(phase: str, done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= REPORT_SECONDS:
            said = now
            job_runs.report(connection, job, run_key, attempt, phase, done, total)

    return report
