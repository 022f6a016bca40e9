"""What did learners do in a period?  The answer of one metric, read in one snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from projections.reads.analytics import engagement, learning_paths, recommendations, users
from projections.reads.analytics.period import DAYS, POSITION, Part, Period, midnight, period
from projections.reads.freshness import Seen, freshness, to_ms
from projections.stores.postgres_pool import Query, ReadPool, Rows
from schemas.analytics import Analytics


class _Metric(NamedTuple):
    queries: Callable[[Period], list[Query]]
    part: Callable[[Period, list[Rows]], Part]


METRICS: Final[Mapping[str, _Metric]] = {
    "users": _Metric(users.queries, users.part),
    "engagement": _Metric(engagement.queries, engagement.part),
    "recommendations": _Metric(recommendations.queries, recommendations.part),
    "learning_paths": _Metric(learning_paths.queries, learning_paths.part),
}
PERIODS: Final = tuple(DAYS)


class AnalyticsAnswer(NamedTuple):
    """An answer and what it reflects."""

    analytics: Analytics
    seen: Seen


async def read(pool: ReadPool, period_name: str, metric: str, now_ms: int) -> AnalyticsAnswer:
    """The figures of a period that ends today.

    Args:
        pool: where to ask.
        period_name: one of ``PERIODS``.
        metric: one of ``METRICS``.
        now_ms: the time of reading [Unix ms].
    """
    asked = period(period_name, now_ms)
    chosen = METRICS[metric]
    position, *answers = await pool.snapshot([(POSITION, None), *chosen.queries(asked)])
    applied_seq, watermark_ms, updated_at = position[0]
    what = Seen({}, watermark_ms, to_ms(updated_at) if applied_seq else 0)
    part = chosen.part(asked, answers)
    body = Analytics(
        period=period_name,  # type: ignore[arg-type]  # one of PERIODS
        metric=metric,  # type: ignore[arg-type]  # one of METRICS
        start=midnight(asked.first),
        end=midnight(asked.last + dt.timedelta(days=1)),
        previous_start=midnight(asked.previous),
        figures=part.figures,
        interval=part.interval,  # type: ignore[arg-type]
        series=part.series,
        groups=part.groups,
        withheld=part.withheld,
        freshness=freshness(what, applied_seq, now_ms, stale=False),
    )
    return AnalyticsAnswer(body, what)
