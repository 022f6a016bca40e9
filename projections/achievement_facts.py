"""What counts towards achievements besides interactions?  Kudos received and skills mastered, as rows of a batch.

Both lie in tables that no rebuild makes anew, each row with the transaction that brought it; so the worker and a
rebuild see the same facts.  A skill counts once, with the first attempt behind which the learner model holds it for
mastered; what the model thinks of it later changes nothing.  The fact stands behind that attempt in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import numpy as np

from models.columns import COLUMNS, Interactions
from models.grouping import group_pairs
from projections.projection import Effects
from projections.stores.postgres import Connection
from schemas.achievement_rules import Fact

NOTE_MASTERED: LiteralString = """
INSERT INTO skill_mastered (learner_key, skill_key, mastered_at, applied_seq)
SELECT DISTINCT ON (learner_key, skill_key) learner_key, skill_key, mastered_at, %(applied_seq)s::bigint
FROM unnest(%(learners)s::bigint[], %(skills)s::int[], %(at)s::timestamptz[])
     WITH ORDINALITY AS new (learner_key, skill_key, mastered_at, n)
ORDER BY learner_key, skill_key, n
ON CONFLICT DO NOTHING
RETURNING learner_key, %(code)s::int, skill_key::bigint, (date_part('epoch', mastered_at) * 1000)::bigint, 0
"""
BETWEEN: LiteralString = """
SELECT learner_key, code, member, (date_part('epoch', at) * 1000)::bigint, local_day
FROM (
    SELECT applied_seq, learner_key, %(kudos)s::int AS code, giver_key AS member, given_at AS at, local_day
    FROM achievement_kudos
    UNION ALL
    SELECT applied_seq, learner_key, %(mastered)s::int, skill_key, mastered_at, 0 FROM skill_mastered
) AS facts
WHERE applied_seq > %(after)s AND applied_seq <= %(upto)s ORDER BY applied_seq, code, learner_key, member
"""
FORGET: tuple[LiteralString, ...] = ("DELETE FROM skill_mastered WHERE learner_key = %(learner_key)s",)


def facts(connection: Connection, effects: Effects) -> Interactions:
    """The facts of this transaction, or in a rebuild those behind the last chunk up to this one's end."""
    if effects.replaying:
        wanted = {
            "after": effects.after_seq,
            "upto": effects.applied_seq,
            "kudos": Fact.KUDOS_RECEIVED.code,
            "mastered": Fact.SKILL_MASTERED.code,
        }
        return _rows(connection.execute(BETWEEN, wanted).fetchall())
    found: list[tuple[Any, ...]] = [(learner, Fact.KUDOS_RECEIVED.code, *rest) for learner, *rest in effects.kudos]
    if effects.mastered:
        learner, skill, at_ms = (np.array(column, np.int64) for column in zip(*effects.mastered, strict=True))
        masterings: dict[str, Any] = {
            "learners": learner,
            "skills": skill.astype(np.int32),
            "at": at_ms.astype("datetime64[ms]"),
            "applied_seq": effects.applied_seq,
            "code": Fact.SKILL_MASTERED.code,
        }
        found += connection.execute(NOTE_MASTERED, masterings).fetchall()
    return _rows(found)


def among(batch: Interactions, more: Interactions) -> Interactions:
    """The interactions of a batch with the facts: a mastered skill behind its attempt, everything else at the end."""
    n = len(batch)
    tried = np.flatnonzero((batch.success >= 0) | ~np.isnan(batch.score))
    moments = group_pairs(
        np.concatenate((batch.learner[tried], more.learner)), np.concatenate((batch.at_ms[tried], more.at_ms))
    ).groups
    last = np.full(moments.size, n, np.int64)
    last[moments.inverse[: len(tried)]] = tried  # of several attempts at one moment, the last
    place = np.where(more.type == Fact.SKILL_MASTERED.code, last[moments.inverse[len(tried) :]], n)
    order = np.argsort(np.concatenate((np.arange(n), place)), kind="stable")
    return Interactions.concatenate([batch, more]).take(order)


def _rows(found: Sequence[tuple[Any, ...]]) -> Interactions:
    if not found:
        return Interactions.empty()
    learner, code, member, at_ms, local_day = (np.array(column, np.int64) for column in zip(*found, strict=True))
    stated = {"learner": learner, "type": code, "item": member, "at_ms": at_ms, "local_day": local_day}
    absent = {
        name: np.full(len(found), np.nan if np.dtype(dtype).kind == "f" else -1) for name, dtype in COLUMNS.items()
    }
    return Interactions(**{name: {**absent, **stated}[name].astype(dtype) for name, dtype in COLUMNS.items()})
