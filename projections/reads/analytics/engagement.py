"""How intensely did learners work, and with what?  Interactions, scores and times, by kind of content and of act."""

from __future__ import annotations

import datetime as dt
from typing import Any, LiteralString

import numpy as np

from models.learner_days import CONTENT_TYPE, HOUR, INTERACTION_TYPE
from models.suppression import too_few, withheld
from projections.reads.analytics import users
from projections.reads.analytics.period import Part, Period, figures, masked, midnight, ratio, rows_hidden, shown
from projections.stores.postgres_pool import Query, Rows
from schemas.analytics import Cell, Point, Value
from schemas.interactions import TYPE_OF_CODE

SUMS = ("events", "clicks", "completions", "time_spent_seconds", "score_sum")
GROUPS: LiteralString = """
SELECT a.content_type_key, t.name, a.interaction_type, sum(a.events)::bigint, sum(a.clicks)::bigint,
       sum(a.completions)::bigint, sum(a.time_spent_seconds), sum(a.score_sum)
FROM daily_activity a LEFT JOIN content_types t USING (content_type_key)
WHERE a.day BETWEEN %(first)s AND %(last)s
GROUP BY a.content_type_key, t.name, a.interaction_type
"""
HOURS: LiteralString = """
SELECT extract(hour FROM hour AT TIME ZONE 'UTC')::int, sum(events)::bigint, sum(clicks)::bigint,
       sum(completions)::bigint, sum(time_spent_seconds), sum(score_sum)
FROM hourly_activity
WHERE hour >= %(last)s::date::timestamp AT TIME ZONE 'UTC' AND hour < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY 1
"""
WITNESSES: LiteralString = """
SELECT c.dimension, c.cell, CASE WHEN c.most >= 5 THEN c.most ELSE (
    SELECT count(DISTINCT learner_key) FROM cell_witness w, unnest(w.learner_keys) AS learner_key
    WHERE w.day BETWEEN %(first)s AND %(last)s AND w.dimension = c.dimension AND w.cell = c.cell) END
FROM (
    SELECT dimension, cell, max(cardinality(learner_keys)) AS most FROM cell_witness
    WHERE day BETWEEN %(first)s AND %(last)s AND (dimension < 2 OR %(hours)s)
    GROUP BY dimension, cell
) AS c
"""


def queries(period: Period) -> list[Query]:
    """What has to be asked."""
    hours = period.name == "1d"
    asked = period.parameters()
    found: list[Query] = [
        *users.queries(period, completed=False),
        (GROUPS, asked),
        (WITNESSES, {**asked, "hours": hours}),
    ]
    return [*found, (HOURS, asked)] if hours else found


def part(period: Period, answers: list[Rows]) -> Part:
    """The figures of engagement."""
    days, distinct, groups, witnesses, *hours = answers
    by_day = {row[0]: dict(zip(users.NAMES, row[1:], strict=True)) for row in days}
    active = {current: int(n) for kind, current, n in distinct if kind == 0}
    now = _figures(users.total(by_day, period, current=True), active.get(True, 0))
    before = _figures(users.total(by_day, period, current=False), active.get(False, 0))
    vouched = {(dimension, cell): int(n) for dimension, cell, n in witnesses}
    names = {row[0]: row[1] or "unknown" for row in groups}
    by_content, hidden_content = _cells(groups, 0, CONTENT_TYPE, names, vouched)
    kinds = {code: member.value for code, member in enumerate(TYPE_OF_CODE)}
    by_type, hidden_types = _cells(groups, 2, INTERACTION_TYPE, kinds, vouched)
    series, hidden = _hourly(period, hours[0], vouched) if hours else _daily(period, by_day)
    return Part(
        figures(now, before),
        series,
        {"contentType": by_content, "interactionType": by_type},
        hidden + hidden_content + hidden_types,
        "hour" if hours else "day",
    )


def _values(sums: dict[str, Any]) -> dict[str, Value]:
    return {
        "events": float(sums["events"]),
        "clicks": float(sums["clicks"]),
        "completions": float(sums["completions"]),
        "timeSpentSeconds": float(sums["time_spent_seconds"]),
        "meanEventScore": ratio(sums["score_sum"], sums["events"]),
    }


def _figures(sums: dict[str, float], active: int) -> dict[str, Value]:
    values = _values(sums) | {
        "eventsPerLearner": ratio(sums["events"], active),
        "secondsPerLearner": ratio(sums["time_spent_seconds"], active),
        "meanCompletionRate": ratio(sums["completion_rate_sum"], sums["completion_rates"]),
    }
    return shown(values, values if too_few(np.array([active]))[0] else ())


def _cells(
    rows: Rows, key_at: int, dimension: int, names: dict[int, str], vouched: dict[tuple[int, int], int]
) -> tuple[tuple[Cell, ...], int]:
    """The sums by one of the keys, largest first."""
    sums: dict[int, dict[str, float]] = {}
    for row in rows:
        into = sums.setdefault(row[key_at], dict.fromkeys(SUMS, 0.0))
        for name, value in zip(SUMS, row[3:], strict=True):
            into[name] += value
    keys = sorted(sums, key=lambda key: -sums[key]["events"])
    learners = np.array([vouched.get((dimension, key), 0) for key in keys], np.int64)
    # A cell that nobody vouches for (its learners were erased) is not shown either.
    hidden = withheld(np.maximum(learners, 1), np.array([sums[key]["events"] for key in keys]))
    values = [_values(sums[key]) for key in keys]
    points = masked(values, dict.fromkeys(values[0], hidden)) if values else []
    return tuple(Cell(name=names[key], values=each) for key, each in zip(keys, points, strict=True)), int(hidden.sum())


def _daily(period: Period, by_day: dict[Any, dict[str, Any]]) -> tuple[tuple[Point, ...], int]:
    nothing = dict.fromkeys(users.NAMES, 0)
    sums = [by_day.get(day, nothing) for day in period.days]
    hidden = withheld(np.array([day["active"] for day in sums]))
    values = [_values(day) for day in sums]
    points = masked(values, dict.fromkeys(values[0], hidden))
    return (
        tuple(Point(at=midnight(day), values=each) for day, each in zip(period.days, points, strict=True)),
        rows_hidden([hidden]),
    )


def _hourly(period: Period, rows: Rows, vouched: dict[tuple[int, int], int]) -> tuple[tuple[Point, ...], int]:
    found = {row[0]: dict(zip(SUMS, row[1:], strict=True)) for row in rows}
    sums = [found.get(hour, dict.fromkeys(SUMS, 0)) for hour in range(24)]
    learners = np.array([max(vouched.get((HOUR, hour), 0), int(hour in found)) for hour in range(24)])
    hidden = withheld(learners, np.array([hour["events"] for hour in sums]))
    values = [_values(hour) for hour in sums]
    start = midnight(period.last)
    points = masked(values, dict.fromkeys(values[0], hidden))
    return (
        tuple(Point(at=start + dt.timedelta(hours=hour), values=each) for hour, each in enumerate(points)),
        rows_hidden([hidden]),
    )
