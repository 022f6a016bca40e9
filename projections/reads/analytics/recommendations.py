"""How good are the recommendations?  How often the next item stood in the list, and how much of the catalogue does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, LiteralString

import numpy as np

from models.learner_days import FEWEST_LEARNERS
from models.suppression import withheld
from projections.reads.analytics.period import Part, Period, figures, masked, midnight, ratio, shown
from projections.stores.postgres_pool import Query, Rows
from schemas.analytics import Cell, Point, Value

LISTED: Final = 10
"""Items of a list that are judged: the next item is a hit if it stands among them."""
BEST = "hybrid"
FEWEST_EVENTS: Final = 20
"""A step with fewer judged interactions is withheld: they may be those of a few learners."""

QUALITY: LiteralString = """
SELECT (hour AT TIME ZONE 'UTC')::date AS day, source, sum(events)::bigint, sum(hits)::bigint, sum(ndcg_sum)
FROM recommender_evaluation
WHERE hour >= %(previous)s::date::timestamp AT TIME ZONE 'UTC'
  AND hour < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY day, source
"""
COVERAGE: LiteralString = """
SELECT (hour AT TIME ZONE 'UTC')::date AS day, sum(lists)::bigint, avg(shown_items::float8 / nullif(known_items, 0))
FROM recommender_coverage
WHERE hour >= %(previous)s::date::timestamp AT TIME ZONE 'UTC'
  AND hour < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY day
"""
# What came of what was served, by the day of the first serving.
OUTCOMES: LiteralString = """
SELECT day, list_type, arm, sum(impressions)::bigint, sum(clicks)::bigint, sum(conversions)::bigint,
       sum(likes)::bigint, sum(dislikes)::bigint, sum(click_weight), sum(weight)
FROM recommendation_outcome WHERE day BETWEEN %(previous)s AND %(last)s
GROUP BY day, list_type, arm
"""
# Up to five learners of each cell, of each day, and of both periods: the index of the key gives them without a count.
REACH_CELLS: LiteralString = """
SELECT cell.list_type, cell.arm, (
    SELECT count(*) FROM (
        SELECT DISTINCT i.learner_key FROM impression i
        WHERE i.first_day BETWEEN %(first)s::date - '1970-01-01'::date AND %(last)s::date - '1970-01-01'::date
          AND i.list_type = cell.list_type AND i.arms @> ARRAY[cell.arm] LIMIT 5) AS five)
FROM (SELECT DISTINCT list_type, arm FROM recommendation_outcome WHERE day BETWEEN %(first)s AND %(last)s) AS cell
"""
REACH_DAYS: LiteralString = """
SELECT served.day, (
    SELECT count(*) FROM (
        SELECT DISTINCT i.learner_key FROM impression i WHERE i.first_day = served.day - '1970-01-01'::date
        LIMIT 5) AS five)
FROM (SELECT DISTINCT day FROM recommendation_outcome WHERE day BETWEEN %(first)s AND %(last)s) AS served
"""
REACH: LiteralString = """
SELECT whole.current, (
    SELECT count(*) FROM (
        SELECT DISTINCT i.learner_key FROM impression i
        WHERE i.first_day BETWEEN whole.first - '1970-01-01'::date AND whole.last - '1970-01-01'::date
        LIMIT 5) AS five)
FROM (VALUES (true, %(first)s::date, %(last)s::date), (false, %(previous)s::date, %(first)s::date - 1))
    AS whole (current, first, last)
"""
SUMS = ("impressions", "clicks", "conversions", "likes", "dislikes", "click_weight", "weight")


def queries(period: Period) -> list[Query]:
    """What has to be asked."""
    asked = period.parameters()
    return [
        (QUALITY, asked),
        (COVERAGE, asked),
        (OUTCOMES, asked),
        (REACH, asked),
        (REACH_DAYS, asked),
        (REACH_CELLS, asked),
    ]


def part(period: Period, answers: list[Rows]) -> Part:
    """The figures of recommendations."""
    quality, coverage, served, reach, reach_days, reach_cells = answers
    last = period.first - dt.timedelta(days=1)
    reached = {current: int(n) for current, n in reach}
    now = _figures(quality, coverage, period.first, period.last) | _outcomes(
        [row for row in served if row[0] >= period.first], reached.get(True, 0)
    )
    before = _figures(quality, coverage, period.previous, last) | _outcomes(
        [row for row in served if row[0] < period.first], reached.get(False, 0)
    )
    by_day = _by_day(period, served, {day: int(n) for day, n in reach_days})
    days = [_quality(quality, BEST, day, day) | by_day[day] for day in period.days]
    series = tuple(Point(at=midnight(day), values=each) for day, each in zip(period.days, days, strict=True))
    hidden = sum(each["judgedInteractions"] is None or each["impressions"] is None for each in days)
    sources = sorted({row[1] for row in quality})
    cells = tuple(Cell(name=name, values=_quality(quality, name, period.first, period.last)) for name in sources)
    groups = {
        "source": cells,
        "arm": _groups(period, served, {(kind, arm): int(n) for kind, arm, n in reach_cells}),
    }
    hidden += sum(cell.values["impressions"] is None for cell in groups["arm"])
    return Part(figures(now, before), series, groups, hidden)


def _outcomes(rows: Rows, learners: int) -> dict[str, Value]:
    """What came of what was served; satisfaction is the share of likes among likes and dislikes."""
    sums = {name: float(sum(row[3 + place] for row in rows)) for place, name in enumerate(SUMS)}
    values: dict[str, Value] = {
        "impressions": sums["impressions"],
        "clicks": sums["clicks"],
        "clickThroughRate": ratio(sums["clicks"], sums["impressions"]),
        "weightedClickThroughRate": ratio(sums["click_weight"], sums["weight"]),
        "conversionRate": ratio(sums["conversions"], sums["impressions"]),
        "satisfaction": ratio(sums["likes"], sums["likes"] + sums["dislikes"]),
    }
    return shown(values, values if sums["impressions"] and learners < FEWEST_LEARNERS else ())


def _by_day(period: Period, rows: Rows, learners: Mapping[dt.date, int]) -> dict[dt.date, dict[str, Value]]:
    found = {day: [row for row in rows if row[0] == day] for day in period.days}
    sizes = np.array([float(sum(row[3] for row in found[day])) for day in period.days])
    counts = np.array([max(learners.get(day, 0), int(size > 0)) for day, size in zip(period.days, sizes, strict=True)])
    values = [_outcomes(found[day], FEWEST_LEARNERS) for day in period.days]
    points = masked(values, dict.fromkeys(values[0], withheld(counts, sizes)))
    return dict(zip(period.days, points, strict=True))


def _groups(period: Period, rows: Rows, learners: Mapping[tuple[str, str], int]) -> tuple[Cell, ...]:
    """By type of list and arm, the largest first."""
    found: dict[tuple[str, str], Rows] = {}
    for row in rows:
        if row[0] >= period.first:
            found.setdefault((row[1], row[2]), []).append(row)
    keys = sorted(found, key=lambda key: (-sum(row[3] for row in found[key]), key))
    sizes = np.array([float(sum(row[3] for row in found[key])) for key in keys])
    counts = np.array([max(learners.get(key, 0), 1) for key in keys], np.int64)
    values = [_outcomes(found[key], FEWEST_LEARNERS) for key in keys]
    points = masked(values, dict.fromkeys(values[0], withheld(counts, sizes))) if values else []
    return tuple(Cell(name=f"{key[0]}/{key[1]}", values=each) for key, each in zip(keys, points, strict=True))


def _figures(quality: Rows, coverage: Rows, first: dt.date, last: dt.date) -> dict[str, Value]:
    listed = [row for row in coverage if first <= row[0] <= last]
    shares = [row[2] for row in listed if row[2] is not None]
    return {
        **_quality(quality, BEST, first, last),
        "listsWritten": float(sum(row[1] for row in listed)),
        "coverageAt10": sum(shares) / len(shares) if shares else None,
    }


def _quality(rows: Rows, source: str, first: dt.date, last: dt.date) -> dict[str, Value]:
    """One item is right each time, so recall is the hit rate, and precision a tenth of it."""
    chosen: list[tuple[Any, ...]] = [row for row in rows if row[1] == source and first <= row[0] <= last]
    events, hits, ndcg = (float(sum(row[at] for row in chosen)) for at in (2, 3, 4))
    recall = ratio(hits, events)
    precision = recall / LISTED if recall is not None else None
    values: dict[str, Value] = {
        "judgedInteractions": events,
        "hitRateAt10": recall,
        "precisionAt10": precision,
        "recallAt10": recall,
        "f1At10": 2.0 * hits / (events * (LISTED + 1)) if events else None,
        "ndcgAt10": ratio(ndcg, events),
    }
    return shown(values, values if 0 < events < FEWEST_EVENTS else ())
