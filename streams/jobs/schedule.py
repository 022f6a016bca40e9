"""Which runs of a job are due?  Pure: from the time, the last period that was scheduled, and the cadence.

A run is for a period that has ended: a UTC day (``2026-05-01``) or an ISO week (``2026-W18``).  Both spellings sort in
order of time, so the last one scheduled is the greatest key in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

Period = Literal["day", "week"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often, when, and how far back.

    The run of a period is due ``delay`` after its end.  Of missed periods the newest ``most_missed`` are caught up;
    before the first run ever, only the newest.
    """

    period: Period
    delay: timedelta = timedelta(0)
    most_missed: int = 1


def due_keys(cadence: Cadence, now: datetime, last_key: str | None) -> list[str]:
    """Run keys that are due at ``now`` (aware) and behind ``last_key``, in order of time."""
    newest = _start_of(cadence.period, (now.astimezone(UTC) - cadence.delay).date()) - _length(cadence.period)
    if last_key is None:
        return [key_of(cadence.period, newest)]
    missed = (newest - first_day(last_key)) // _length(cadence.period)
    count = min(max(missed, 0), cadence.most_missed)
    return [key_of(cadence.period, newest - back * _length(cadence.period)) for back in reversed(range(count))]


def key_of(period: Period, day: date) -> str:
    """The run key of the period that holds a day."""
    if period == "day":
        return day.isoformat()
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def first_day(run_key: str) -> date:
    """The first day of a run key's period; what stands behind a slash (a run by hand) does not matter."""
    text = run_key.partition("/")[0]
    return date.fromisoformat(f"{text}-1" if "W" in text else text)


def _start_of(period: Period, day: date) -> date:
    return day - timedelta(days=day.weekday()) if period == "week" else day


def _length(period: Period) -> timedelta:
    return timedelta(days=7 if period == "week" else 1)
