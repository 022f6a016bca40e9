"""How good are the recommendations?  How often the next item stood in the list, and how much of the catalogue does."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, LiteralString

from projections.reads.analytics.period import Part, Period, figures, midnight, ratio, shown
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


def queries(period: Period) -> list[Query]:
    """What has to be asked."""
    asked = period.parameters()
    return [(QUALITY, asked), (COVERAGE, asked)]


def part(period: Period, answers: list[Rows]) -> Part:
    """The figures of recommendations."""
    quality, coverage = answers
    last = period.first - dt.timedelta(days=1)
    now = _figures(quality, coverage, period.first, period.last)
    before = _figures(quality, coverage, period.previous, last)
    days = [_quality(quality, BEST, day, day) for day in period.days]
    series = tuple(Point(at=midnight(day), values=each) for day, each in zip(period.days, days, strict=True))
    hidden = sum(each["judgedInteractions"] is None for each in days)
    sources = sorted({row[1] for row in quality})
    cells = tuple(Cell(name=name, values=_quality(quality, name, period.first, period.last)) for name in sources)
    return Part(figures(now, before), series, {"source": cells}, hidden)


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
