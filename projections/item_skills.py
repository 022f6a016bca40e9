"""Which skills does a piece of content train?  Those that the catalogue names, else its topics, else itself.

Skills get surrogate keys when they are first attempted: small and dense, since the models index arrays by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import LiteralString

import numpy as np

from models.columns import Int64, Interactions
from models.learner.attempts import Attempts
from models.learner.constants import MAX_SKILLS
from models.learner.of_interactions import ItemSkills, attempts_of
from projections.stores.postgres import Connection

CONTENT: LiteralString = """
SELECT item_key, skills, topics, content_id FROM content WHERE item_key = ANY (%(items)s::bigint[])
"""
KEYS: LiteralString = "SELECT name, skill_key FROM skill WHERE name = ANY (%(names)s::text[])"
# Keys are never taken back, whatever becomes of the transaction, and equal order keeps writers from waiting in a ring.
INSERT: LiteralString = """
INSERT INTO skill (name)
SELECT name FROM unnest(%(names)s::text[]) AS name
WHERE NOT EXISTS (SELECT FROM skill WHERE skill.name = name.name) ORDER BY name
ON CONFLICT DO NOTHING
"""


def names_of(skills: Sequence[str], topics: Sequence[str], content_id: str) -> list[str]:
    """The names that content counts for, without repetition, at most ``MAX_SKILLS``."""
    return list(dict.fromkeys(skills or topics or [content_id]))[:MAX_SKILLS]


def attempts_in(connection: Connection, batch: Interactions, rows: Int64) -> Attempts:
    """The attempts at ``rows`` of a batch with the skills that the catalogue gives their content now."""
    batch = batch.take(rows)
    items, place = np.unique(batch.item, return_inverse=True)
    skills = _skills(connection, items)
    start = np.concatenate([[0], np.cumsum([len(own) for own in skills])]).astype(np.int64)
    flat = np.array([key for own in skills for key in own], np.int64)
    attempts, _ = attempts_of(replace(batch, item=place.astype(np.int64)), ItemSkills(start, flat))
    return replace(attempts, item=items[attempts.item])


def _skills(connection: Connection, items: Int64) -> list[list[int]]:
    """The skill keys of each item; content that is not known has none."""
    rows = connection.execute(CONTENT, {"items": items}).fetchall()
    named = {item: names_of(skills, topics, content_id) for item, skills, topics, content_id in rows}
    names = sorted({name for own in named.values() for name in own})
    keys: dict[str, int] = dict(connection.execute(KEYS, {"names": names}).fetchall())
    if len(keys) < len(names):
        connection.execute(INSERT, {"names": [name for name in names if name not in keys]})
        keys = dict(connection.execute(KEYS, {"names": names}).fetchall())
    return [[keys[name] for name in named.get(item, ())] for item in items.tolist()]
