"""What should this learner do next?  The list the worker has written, or what is popular while there is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

import msgspec
import numpy as np

from models.trending import DEFAULT_WINDOW, relative
from projections import list_answers
from projections.overrides import FORBIDDEN
from projections.reads import ready_list
from projections.reads.freshness import OFFSETS, seen, to_ms
from projections.reads.ready_list import ReadyList
from projections.recommender import list_rows
from projections.recommender.reranking import Context
from projections.stores.postgres_pool import ReadPool
from schemas.lists import Recommendation, RecommendationType

POPULAR_ITEMS = 100
"""Most items of a popular list: the largest limit."""
POPULAR_CONFIDENCE = 0.2
"""A popular list knows nothing of its reader."""

NEEDED: LiteralString = """
SELECT l.learner_key, greatest(e.applied_seq, r.applied_seq, p.version, l.rules_seq)
FROM learners l
LEFT JOIN engagement e USING (learner_key)
LEFT JOIN recent_interaction r USING (learner_key)
LEFT JOIN learner_private p USING (learner_key)
WHERE l.user_id = %(user_id)s
"""
# Each list has its own writer and pace: a reader waits for the one that was asked for, and for no other.
REACHED: LiteralString = """
SELECT learner_key, type, applied_seq FROM recommendations
WHERE (learner_key, type) IN (SELECT * FROM unnest(%(learner_keys)s::bigint[], %(types)s::text[]))
"""
# What nobody has used yet comes after what is used, in the order of the catalogue: never empty while there is content.
POPULAR: LiteralString = (
    """
SELECT content.content_id, content.content_type, content.title, coalesce(t.log_24h, '-Infinity') AS log_sum
FROM (SELECT %(learner_key)s::bigint AS learner_key, 'trending' AS type) AS list
CROSS JOIN content LEFT JOIN trending t USING (item_key)
WHERE NOT content.withdrawn
  AND NOT EXISTS (
      SELECT FROM preference p
      WHERE p.learner_key = list.learner_key AND p.item_key = content.item_key AND p.completions > 0)
  AND NOT ("""  # noqa: S608 - of constants only
    + FORBIDDEN
    + """)
ORDER BY log_sum DESC, content.catalogue_position NULLS LAST, content.item_key
LIMIT %(items)s
"""
)
SITUATION: LiteralString = """
SELECT 'topic', topic FROM content, unnest(topics) AS topic WHERE content_id = %(content_id)s
UNION ALL
SELECT 'module', module_id FROM path_module JOIN learners USING (learner_key)
WHERE path_id = %(path_id)s AND user_id = %(user_id)s AND completion < 1
"""
"""Topics of what is open now, and what is open in the reader's own path."""
ListKey = tuple[int, str]
"""(learner_key, type) of a list."""
NOBODY = 0
"""A learner_key that no learner has."""


class Needed(NamedTuple):
    """What a learner's list has to reflect."""

    learner_key: int
    applied_seq: int
    """The newest transaction that changed the learner's read models or declared profile."""


class StoredList(NamedTuple):
    """A list from Postgres."""

    learner_key: int
    applied_seq: int
    ready: ReadyList
    """All of it."""
    kept: ReadyList
    """What of it is kept in Redis."""
    amended: bool
    """Whether the read followed rules that the stored list does not reflect: its version is then not the answer's."""


async def needed(pool: ReadPool, user_id: str) -> Needed | None:
    """What the lists of a learner have to reflect to be up to date; None for an unknown learner."""
    row = await pool.row(NEEDED, {"user_id": user_id})
    return Needed(*row) if row else None


async def reached(pool: ReadPool, lists: Sequence[ListKey]) -> dict[ListKey, int]:
    """The transaction that each of these lists reflects; those that are not there yet are left out."""
    which = {"learner_keys": [key for key, _ in lists], "types": [list_answers.stored_kind(kind) for _, kind in lists]}
    found = {(key, kind): applied_seq for key, kind, applied_seq in await pool.rows(REACHED, which)}
    stored = ((key, list_answers.stored_kind(kind)) for key, kind in lists)
    return {asked: found[one] for asked, one in zip(lists, stored, strict=True) if one in found}


async def stored(pool: ReadPool, user_id: str, kind: str, wanted: Context | None = None) -> StoredList | None:
    """A learner's list of one kind, in the order of a context; None for an unknown learner, or one without it."""
    if wanted is not None and (wanted.content_id or wanted.path_id):
        wanted = await _looked_up(pool, user_id, wanted)
    which = {"user_id": user_id, "type": list_answers.stored_kind(kind)}
    rows = await pool.rows(list_answers.SELECT_LIST, which)
    if not rows:
        return None
    learner_key, applied_seq, generated_at, as_of = rows[0][:4]
    items = [msgspec.json.encode(item) for item in list_answers.of_stored(kind, rows, wanted)]
    times = {"generated_at_ms": to_ms(generated_at), "as_of_ms": to_ms(as_of)}
    rank, explored, propensity = list_rows.slot_of(kind, rows, wanted)
    slot = {"slot_rank": rank, "explored": explored, "propensity": propensity}
    return StoredList(
        learner_key=learner_key,
        applied_seq=applied_seq,
        amended=bool(rows[0][20]),
        ready=msgspec.structs.replace(ready_list.pack(items, **times), **slot),
        kept=msgspec.structs.replace(ready_list.pack(items, most=ready_list.MOST_ITEMS, **times), **slot),
    )


async def _looked_up(pool: ReadPool, user_id: str, wanted: Context) -> Context:
    """The context with what the database knows of the content and the path that it names."""
    which = {"user_id": user_id, "content_id": wanted.content_id, "path_id": wanted.path_id}
    rows = await pool.rows(SITUATION, which)
    return wanted._replace(
        near_topics=frozenset(value.lower() for what, value in rows if what == "topic"),
        modules=frozenset(value for what, value in rows if what == "module"),
    )


async def popular(pool: ReadPool, learner_key: int, recommendation_id: str, now_ms: int) -> ReadyList:
    """What is popular now, without what the learner has completed, as a list of type ``trending``.

    Args:
        pool: where to ask.
        learner_key: the learner, or ``NOBODY``.
        recommendation_id: begins the id of each item, which is told apart by its rank.
        now_ms: the time of reading [Unix ms].
    """
    offsets, rows = await pool.snapshot(
        [(OFFSETS, None), (POPULAR, {"learner_key": learner_key, "items": POPULAR_ITEMS})]
    )
    shares = relative(np.array([row[3] for row in rows], np.float64)).tolist()
    generated_at = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
    items = [
        msgspec.json.encode(_popular_item(row, share, rank, f"{recommendation_id}-{rank}", generated_at))
        for rank, (row, share) in enumerate(zip(rows, shares, strict=True), start=1)
    ]
    return ready_list.pack(items, generated_at_ms=now_ms, as_of_ms=seen(offsets).as_of_ms)


def _popular_item(
    row: tuple[Any, ...], share: float, rank: int, recommendation_id: str, generated_at: dt.datetime
) -> Recommendation:
    content_id, content_type, title, _ = row
    reason = f"Popular with learners in the last {DEFAULT_WINDOW}." if share else "Next in the catalogue."
    return Recommendation(
        type=RecommendationType.TRENDING,
        content_id=content_id,
        content_type=content_type,
        title=title or content_id,
        relevance_score=share,
        confidence_score=POPULAR_CONFIDENCE,
        reason=reason,
        recommendation_id=recommendation_id,
        terms={"trending": share},
        rank=rank,
        generated_at=generated_at,
    )
