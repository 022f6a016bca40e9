"""Who was there?  Active and new learners, visits, how often and how long, and what was completed."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, LiteralString

import numpy as np

from models.learner_days import cover
from models.suppression import too_few, withheld
from projections.reads.analytics.period import (
    Part,
    Period,
    figures,
    masked,
    midnight,
    ratio,
    rows_hidden,
    shown,
)
from projections.stores.postgres_pool import Query, Rows
from schemas.analytics import Point, Value

EPOCH: Final = dt.date(1970, 1, 1)
DAYS: LiteralString = """
SELECT day, active, newcomers, completed, events, clicks, completions, completion_rates, completion_rate_sum,
       time_spent_seconds, score_sum, sessions, session_ms
FROM daily_learners WHERE day BETWEEN %(previous)s AND %(last)s
"""
NAMES = (
    "active",
    "newcomers",
    "completed",
    "events",
    "clicks",
    "completions",
    "completion_rates",
    "completion_rate_sum",
    "time_spent_seconds",
    "score_sum",
    "sessions",
    "session_ms",
)
DISTINCT: LiteralString = """
SELECT kind, current, sum(n)::bigint FROM (
    SELECT kind, current, bit_count(bit_or(members)) AS n FROM (
        SELECT s.kind, d.current, s.chunk, s.members
        FROM generate_series(0, %(kind)s) AS wanted (kind)
        CROSS JOIN unnest(%(days)s::date[], %(days_current)s::boolean[]) AS d (day, current)
        JOIN learner_day_set s ON s.kind = wanted.kind AND s.day = d.day
        UNION ALL
        SELECT s.kind, d.current, s.chunk, s.members
        FROM generate_series(0, %(kind)s) AS wanted (kind)
        CROSS JOIN unnest(%(spans)s::date[], %(spans_current)s::boolean[]) AS d (day, current)
        JOIN learner_span_set s ON s.kind = wanted.kind AND s.first_day = d.day
    ) AS sets GROUP BY kind, current, chunk
) AS chunks GROUP BY kind, current
"""
COMPLETED_BY = frozenset({"completingLearners", "completionShare", "completions", "completionsPerLearner"})
"""Figures that concern only learners who completed something."""


def queries(period: Period, *, completed: bool = True) -> list[Query]:
    """What has to be asked; ``completed``: also how many different learners completed something."""
    asked = period.parameters()
    return [(DAYS, asked), (DISTINCT, {**covering(period), "kind": int(completed)})]


def covering(period: Period) -> dict[str, list[Any]]:
    """Days and spans of days that make up the period and the one before, each with whether it is of the period."""
    found: dict[str, list[Any]] = {"days": [], "days_current": [], "spans": [], "spans_current": []}
    before = period.first - dt.timedelta(days=1)
    for current, first, last in ((True, period.first, period.last), (False, period.previous, before)):
        for name, numbers in zip(("days", "spans"), cover(*map(_number, (first, last))), strict=True):
            found[name] += [EPOCH + dt.timedelta(days=number) for number in numbers]
            found[f"{name}_current"] += [current] * len(numbers)
    return found


def _number(day: dt.date) -> int:
    return (day - EPOCH).days


def part(period: Period, answers: list[Rows]) -> Part:
    """The figures of learners."""
    days, distinct = answers
    by_day = {row[0]: dict(zip(NAMES, row[1:], strict=True)) for row in days}
    counts = {(kind, current): int(n) for kind, current, n in distinct}
    now = _figures(total(by_day, period, current=True), counts.get((0, True), 0), counts.get((1, True), 0))
    before = _figures(total(by_day, period, current=False), counts.get((0, False), 0), counts.get((1, False), 0))
    series, hidden = _series(period, by_day)
    return Part(figures(now, before), series, {}, hidden)


def total(by_day: dict[Any, dict[str, Any]], period: Period, *, current: bool) -> dict[str, float]:
    """Sums over the days of the period, or of the one before."""
    chosen = [sums for day, sums in by_day.items() if (day >= period.first) == current]
    return {name: float(sum(sums[name] for sums in chosen)) for name in NAMES}


def _figures(sums: dict[str, float], active: int, completed: int) -> dict[str, Value]:
    new = int(sums["newcomers"])
    values: dict[str, Value] = {
        "activeLearners": float(active),
        "newLearners": float(new),
        "returningLearners": float(active - new),
        "sessions": sums["sessions"],
        "meanSessionSeconds": ratio(sums["session_ms"] / 1000.0, sums["sessions"]),
        "sessionsPerLearner": ratio(sums["sessions"], active),
        "activeDaysPerLearner": ratio(sums["active"], active),
        "timeSpentSeconds": sums["time_spent_seconds"],
        "completions": sums["completions"],
        "completingLearners": float(completed),
        "completionShare": ratio(completed, active),
        "meanCompletionRate": ratio(sums["completion_rate_sum"], sums["completion_rates"]),
    }
    return shown(values, _hidden(values, active, new, completed))


def _hidden(values: dict[str, Value], active: int, new: int, completed: int) -> set[str]:
    few = too_few(np.array([active, new, active - new, completed, active - completed]))
    if few[0]:
        return set(values)
    gone = {"newLearners", "returningLearners"} if few[1] or few[2] else set()
    # All but a few completed something: the share would tell on the few.
    return gone | (COMPLETED_BY if few[3] or few[4] else set())


def _series(period: Period, by_day: dict[Any, dict[str, Any]]) -> tuple[tuple[Point, ...], int]:
    nothing = dict.fromkeys(NAMES, 0)
    sums = [by_day.get(day, nothing) for day in period.days]
    learners = {name: np.array([day[name] for day in sums]) for name in ("active", "newcomers", "completed")}
    active = withheld(learners["active"])
    new = active | withheld(learners["newcomers"])
    completed = active | withheld(learners["completed"])
    values: list[dict[str, Value]] = [
        {
            "activeLearners": float(day["active"]),
            "newLearners": float(day["newcomers"]),
            "sessions": float(day["sessions"]),
            "meanSessionSeconds": ratio(day["session_ms"] / 1000.0, day["sessions"]),
            "timeSpentSeconds": float(day["time_spent_seconds"]),
            "completions": float(day["completions"]),
            "completingLearners": float(day["completed"]),
        }
        for day in sums
    ]
    masks = {name: completed if name in COMPLETED_BY else active for name in values[0]} | {"newLearners": new}
    points = masked(values, masks)
    return (
        tuple(Point(at=midnight(day), values=each) for day, each in zip(period.days, points, strict=True)),
        rows_hidden(masks.values()),
    )
