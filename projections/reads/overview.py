"""What does somebody see who watches the whole?  How much is folded now, who was active last, what just happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from projections.stores.postgres_pool import ReadPool
from schemas.interactions import TYPE_OF_CODE, InteractionType

SECONDS = 180
"""How much of the past the rate is told for."""

# applied_range has a BRIN index on committed_at: only its newest pages are read.
RATES: LiteralString = """
SELECT extract(epoch FROM date_trunc('second', committed_at))::bigint AS second, sum(applied)::bigint
FROM applied_range
WHERE committed_at > now() - interval '3 minutes' AND topic = 'interactions' GROUP BY second
"""
TODAY: LiteralString = """
SELECT (SELECT coalesce(sum(applied), 0)::bigint FROM applied_range WHERE committed_at > now() - interval '1 day'),
       (SELECT coalesce(sum(dead), 0)::bigint FROM applied_range WHERE committed_at > now() - interval '1 day'),
       (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'learners'::regclass),
       extract(epoch FROM now())::bigint
"""
COMMIT_AGE: LiteralString = """
SELECT extract(epoch FROM now() - max(updated_at))::float8 FROM stream_offset WHERE projection = 'worker'
"""
FEW_LEARNERS: LiteralString = "SELECT count(*) FROM learners"
ACTIVE: LiteralString = """
SELECT l.user_id FROM engagement e JOIN learners l USING (learner_key) ORDER BY e.last_at DESC LIMIT %(limit)s
"""
JUST_NOW: LiteralString = """
SELECT l.user_id, e.type, coalesce(c.title, c.content_id), e.at_ms, e.dedupe_key
FROM recent_interaction r
JOIN learners l USING (learner_key),
     unnest(r.item_keys[1:1], r.types[1:1], r.at_ms[1:1], r.dedupe_keys[1:1]) AS e (item_key, type, at_ms, dedupe_key)
JOIN content c USING (item_key)
WHERE r.learner_key = ANY (%(learner_keys)s::bigint[])
ORDER BY r.applied_seq DESC, e.at_ms DESC LIMIT %(limit)s
"""
EXACT_BELOW = 100_000
"""Below so many learners they are counted; above, Postgres' own estimate says it well enough."""


class Overview(NamedTuple):
    """The pipeline now."""

    rates: list[int]
    """Interactions folded in each of the last seconds, oldest first."""
    folded_today: int
    dead_today: int
    learners: int
    commit_age_seconds: float | None
    """Since the newest commit; None before any."""


class Happened(NamedTuple):
    """One interaction."""

    user_id: str
    type: InteractionType
    title: str
    at_ms: int
    key: int
    """Tells it from others."""


async def read(pool: ReadPool) -> Overview:
    """The pipeline now."""
    folded, dead, learners, now = await _only(pool, TODAY)
    if learners < EXACT_BELOW:
        (learners,) = await _only(pool, FEW_LEARNERS)
    (age,) = await _only(pool, COMMIT_AGE)
    by_second = {row[0]: row[1] for row in await pool.rows(RATES)}
    rates = [by_second.get(second, 0) for second in range(now - SECONDS, now)]
    return Overview(rates, folded, dead, learners, None if age is None else max(0.0, age))


async def active(pool: ReadPool, limit: int) -> list[str]:
    """Ids of the learners who were active last."""
    return [row[0] for row in await pool.rows(ACTIVE, {"limit": limit})]


async def just_now(pool: ReadPool, learner_keys: Sequence[int], limit: int) -> list[Happened]:
    """The newest interactions of some learners, those folded last first."""
    rows = await pool.rows(JUST_NOW, {"learner_keys": list(learner_keys), "limit": limit})
    return [Happened(row[0], TYPE_OF_CODE[row[1]], row[2], row[3], row[4]) for row in rows]


async def _only(pool: ReadPool, query: LiteralString) -> tuple[int, ...]:
    row = await pool.row(query)
    assert row is not None
    return tuple(row)
