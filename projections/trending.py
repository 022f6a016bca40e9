"""What is popular just now, overall and by content type or topic?

One row an item, shared by all workers: a batch is summed an item first, then added in SQL.  Ranks by content type or
topic join ``content`` when read, so that a changed catalogue entry counts at once.  The overall ranks are mirrored to
Redis as sorted sets ``trending:{window}`` whose scores are the log-space sums; they only grow, so that ``ZADD GT`` of
the absolute value may come late, twice or out of order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models import trending
from models.columns import Interactions
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

ADD = """
INSERT INTO trending AS old (item_key, log_1h, log_24h, log_7d, events, last_at)
SELECT * FROM unnest(%(item)s::bigint[], %(log_1h)s::float8[], %(log_24h)s::float8[], %(log_7d)s::float8[],
                     %(events)s::bigint[], %(last_at)s::timestamptz[])
ON CONFLICT (item_key) DO UPDATE SET
    log_1h = log_add(old.log_1h, excluded.log_1h),
    log_24h = log_add(old.log_24h, excluded.log_24h),
    log_7d = log_add(old.log_7d, excluded.log_7d),
    events = old.events + excluded.events,
    last_at = greatest(old.last_at, excluded.last_at)
RETURNING item_key, log_1h, log_24h, log_7d
"""

SELECT_TOP = """
SELECT content.content_id, content.content_type, content.title, content.topics, trending.events, trending.last_at,
       CASE %(window)s WHEN '1h' THEN log_1h WHEN '7d' THEN log_7d ELSE log_24h END AS log_sum
FROM trending JOIN content USING (item_key)
WHERE NOT content.withdrawn
  AND (%(content_type)s::text IS NULL OR content.content_type = %(content_type)s)
  AND (%(topic)s::text IS NULL OR %(topic)s = ANY (content.topics))
  AND CASE %(window)s WHEN '1h' THEN log_1h WHEN '7d' THEN log_7d ELSE log_24h END > '-Infinity'
ORDER BY log_sum DESC, item_key
LIMIT %(limit)s
"""
"""Parameters: window (`models.trending.WINDOWS`), content_type and topic (or None), limit.  The popularity as of a time
is `models.trending.popularity_at(log_sum, at_ms, window)`."""

SELECT_RANKS = "SELECT item_key, log_1h, log_24h, log_7d FROM trending"
"""For refilling an emptied Redis, by `mirror`."""

MIRRORED_ITEMS = 1_000
"""Items kept in each sorted set."""


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Adds a batch to its items."""
    added = trending.of(batch)
    if not len(added.item):
        return
    log_1h, log_24h, log_7d = added.log_sums
    answer = connection.execute(
        ADD,
        {
            "item": added.item,
            "log_1h": log_1h,
            "log_24h": log_24h,
            "log_7d": log_7d,
            "events": added.events,
            "last_at": added.last_at_ms.astype("datetime64[ms]"),
        },
    )
    if not effects.replaying:
        effects.when_over(lambda: effects.mirror.update(trending=answer.fetchall()))


def redis_key(window: str) -> str:
    """The sorted set of a window: members are item keys, the highest score is the most popular."""
    return f"trending:{window}"


def mirror(redis: Any, rows: list[tuple[int, float, float, float]]) -> None:
    """Queues the sums of some items (item_key, then one a window) for the sorted sets.

    Args:
        redis: a `projections.stores.redis.Mirror`.
        rows: absolute values, as the upsert returned them.
    """
    for place, window in enumerate(trending.WINDOWS, start=1):
        scores = {row[0]: row[place] for row in rows if np.isfinite(row[place])}
        if scores:
            redis.zadd(redis_key(window), scores, gt=True)
            redis.zremrangebyrank(redis_key(window), 0, -MIRRORED_ITEMS - 1)


PROJECTION = Projection(
    name="trending",
    question="What is popular just now?",
    tables=("trending",),
    apply=apply,
    forget=(),
    shared=True,
    mirror=mirror,
)
