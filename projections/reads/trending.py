"""What is popular now?  The items with the largest fading counts, overall or of one content type or topic."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.trending import HALF_LIFE_MS, popularity_at
from projections.reads.freshness import OFFSETS, Seen, seen
from projections.stores.postgres_pool import ReadPool
from projections.trending import SELECT_TOP
from schemas.lists import TrendingItem

LARGEST = 1e300
"""Read long before the events of a skewed clock, a count would leave float64; JSON has no infinity."""


class TrendingQuestion(NamedTuple):
    """What is asked for; equal questions share an answer."""

    window: str
    content_type: str | None = None
    topic: str | None = None
    limit: int = 10


class TrendingAnswer(NamedTuple):
    """The ranked items and what they reflect."""

    items: tuple[TrendingItem, ...]
    seen: Seen


async def read(pool: ReadPool, question: TrendingQuestion, now_ms: int) -> TrendingAnswer:
    """The ranked items as of now, or of the newest event should that be later."""
    offsets, rows = await pool.snapshot([(OFFSETS, None), (SELECT_TOP, question._asdict())])
    what = seen(offsets)
    at_ms = max(now_ms, what.as_of_ms)
    scores = popularity_at(np.array([row[6] for row in rows], np.float64), at_ms, question.window)
    items = tuple(
        TrendingItem(
            content_id=row[0],
            content_type=row[1],
            title=row[2],
            score=min(score, LARGEST),
            rank=rank,
            half_life_seconds=HALF_LIFE_MS[question.window] / 1000,
            interactions=row[4],
        )
        for rank, (row, score) in enumerate(zip(rows, scores.tolist(), strict=True), start=1)
    )
    return TrendingAnswer(items, what)
