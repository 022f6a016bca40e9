"""What is a job?  A name, a queue, when it is due, and what it does, as a value.

A job does its work in two steps.  ``work`` reads and computes for as long as it takes, outside of any transaction, and
returns the effect; the effect is then written in one transaction with the ledger's "done".  So a job that is killed,
or delivered twice, writes either nothing or everything once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from projections.stores.postgres import Connection
from streams.jobs.schedule import Cadence
from streams.jobs.settings import JobSettings

Effect = Callable[[Connection], int]
"""Writes inside the caller's transaction; returns the number of rows."""
Report = Callable[[str, int, int], None]
"""``report(phase, done, total)``: how far the work is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One run to be done."""

    connection: Connection
    """Autocommit; for reading."""
    run_key: str
    now: datetime
    """When the attempt began, UTC."""
    report: Report
    settings: JobSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One kind of background work."""

    name: str
    queue: str
    does: str
    """One line for people."""
    work: Callable[[Assignment], Effect]
    cadence: Cadence | None = None
    """None: only when something asks for it."""
    most_attempts: int = 5
    first_pause_seconds: float = 5.0
    """After the first failure; doubles with each further one."""
    longest_pause_seconds: float = 3_600.0

    def pause_seconds(self, attempt: int) -> float:
        """How long to wait after the failure of this attempt (from 1)."""
        return min(self.first_pause_seconds * 2.0 ** (attempt - 1), self.longest_pause_seconds)
