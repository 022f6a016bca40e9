"""Which learners are there?  Ids in the order of their characters, a page at a time; and ids of surrogate keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from models.columns import CONSENT_SHARE
from projections.stores.postgres_pool import ReadPool
from schemas.fields import MAX_ID_LENGTH

# The byte order of "C" is the one that a prefix and a cursor can rely on; the index learners_by_id has it.
PAGE: LiteralString = """
SELECT user_id, created_at FROM learners
WHERE user_id COLLATE "C" >= %(prefix)s AND user_id COLLATE "C" > %(after)s
  AND (%(end)s = '' OR user_id COLLATE "C" < %(end)s)
ORDER BY user_id COLLATE "C" LIMIT %(limit)s
"""
KEY: LiteralString = "SELECT learner_key FROM learners WHERE user_id = %(user_id)s"
SHARES: LiteralString = "SELECT consent & %(share)s > 0 FROM learners WHERE user_id = %(user_id)s"
IDS: LiteralString = "SELECT learner_key, user_id FROM learners WHERE learner_key = ANY (%(learner_keys)s::bigint[])"
BEYOND = "\U0010ffff" * (MAX_ID_LENGTH + 1)
"""Behind a prefix, comes after every id that begins with it."""


class Found(NamedTuple):
    """A learner."""

    user_id: str
    first_seen_at: dt.datetime


async def page(pool: ReadPool, prefix: str, after: str, limit: int) -> list[Found]:
    """Learners whose id begins with ``prefix`` and comes after ``after``, ascending."""
    end = prefix + BEYOND if prefix else ""
    rows = await pool.rows(PAGE, {"prefix": prefix, "after": after, "end": end, "limit": limit})
    return [Found(*row) for row in rows]


async def key(pool: ReadPool, user_id: str) -> int | None:
    """The surrogate key of a learner; None for one that is not known."""
    row = await pool.row(KEY, {"user_id": user_id})
    return row[0] if row else None


async def consents_to_share(pool: ReadPool, user_id: str) -> bool:
    """Whether a learner agrees that data are shared with others; False for one that is not known."""
    row = await pool.row(SHARES, {"user_id": user_id, "share": CONSENT_SHARE})
    return bool(row and row[0])


async def ids(pool: ReadPool, learner_keys: Sequence[int]) -> dict[int, str]:
    """The platform's ids of learners by their keys."""
    return {row[0]: row[1] for row in await pool.rows(IDS, {"learner_keys": list(learner_keys)})}
