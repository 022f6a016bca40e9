"""How do the learner model's states lie in Postgres?  A row a learner, a learner's skill, and a learner's content."""

from __future__ import annotations

from typing import LiteralString

import numpy as np

from models.columns import Int64
from models.learner.fsrs import Memories, due_ms
from models.learner.learners import Columns
from models.learner.skill_states import MasteryDays, SkillStates
from projections.stores.packed import packed_columns
from projections.stores.postgres import Connection

HISTORY_DAYS = 365
"""Days of history kept a learner and skill, counted back from the newest."""

LOAD_ABILITIES: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(ability)), array_send(array_agg(variance)),
       array_send(array_agg(successes)), array_send(array_agg(failures)), array_send(array_agg(residual)),
       array_send(array_agg(recent)), array_send(array_agg(last_at)), array_send(array_agg(last_item_key)),
       array_send(array_agg(last_outcome)), array_send(array_agg(last_skill_key)),
       array_send(array_agg(shared_version))
FROM (SELECT * FROM learner_ability WHERE learner_key = ANY (%(learners)s::bigint[]) ORDER BY learner_key) AS known
"""
LOAD_SKILLS: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(skill_key)), array_send(array_agg(ability)),
       array_send(array_agg(variance)), array_send(array_agg(successes)), array_send(array_agg(failures)),
       array_send(array_agg(residual)), array_send(array_agg(recent)), array_send(array_agg(last_at)),
       array_send(array_agg(mastered::int::smallint))
FROM (
    SELECT s.* FROM unnest(%(learners)s::bigint[], %(skills)s::bigint[]) AS touched (learner_key, skill_key)
    JOIN learner_skill AS s ON s.learner_key = touched.learner_key AND s.skill_key = touched.skill_key::integer
    ORDER BY s.learner_key, s.skill_key
) AS known
"""
LOAD_ITEMS: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(item_key)), array_send(array_agg(successes)),
       array_send(array_agg(failures)), array_send(array_agg(recent)), array_send(array_agg(last_at)),
       array_send(array_agg(stability_days)), array_send(array_agg(difficulty))
FROM (
    SELECT i.* FROM unnest(%(learners)s::bigint[], %(items)s::bigint[]) AS touched (learner_key, item_key)
    JOIN learner_item AS i USING (learner_key, item_key)
    ORDER BY i.learner_key, i.item_key
) AS known
"""
PUT_ABILITIES: LiteralString = """
INSERT INTO learner_ability (learner_key, ability, variance, successes, failures, residual, recent, last_at,
                             last_item_key, last_outcome, last_skill_key, shared_version, applied_seq)
SELECT u.*, %(applied_seq)s
FROM unnest(%(learner)s, %(ability)s, %(variance)s, %(successes)s, %(failures)s, %(residual)s, %(recent)s, %(last_at)s,
            %(last_item)s, %(last_outcome)s, %(last_skill)s, %(version)s) AS u
ON CONFLICT (learner_key) DO UPDATE SET
    ability = excluded.ability, variance = excluded.variance, successes = excluded.successes,
    failures = excluded.failures, residual = excluded.residual, recent = excluded.recent, last_at = excluded.last_at,
    last_item_key = excluded.last_item_key, last_outcome = excluded.last_outcome,
    last_skill_key = excluded.last_skill_key, shared_version = excluded.shared_version,
    applied_seq = excluded.applied_seq
"""
PUT_SKILLS: LiteralString = """
INSERT INTO learner_skill (learner_key, skill_key, ability, variance, successes, failures, residual, recent, last_at,
                           mastered, applied_seq)
SELECT u.*, %(applied_seq)s
FROM unnest(%(learner)s, %(skill)s, %(ability)s, %(variance)s, %(successes)s, %(failures)s, %(residual)s, %(recent)s,
            %(last_at)s, %(mastered)s) AS u
ON CONFLICT (learner_key, skill_key) DO UPDATE SET
    ability = excluded.ability, variance = excluded.variance, successes = excluded.successes,
    failures = excluded.failures, residual = excluded.residual, recent = excluded.recent, last_at = excluded.last_at,
    mastered = excluded.mastered, applied_seq = excluded.applied_seq
"""
PUT_ITEMS: LiteralString = """
INSERT INTO learner_item (learner_key, item_key, successes, failures, recent, last_at, stability_days, difficulty,
                          due_at, applied_seq)
SELECT u.*, %(applied_seq)s
FROM unnest(%(learner)s, %(item)s, %(successes)s, %(failures)s, %(recent)s, %(last_at)s, %(stability)s, %(difficulty)s,
            %(due_at)s) AS u
ON CONFLICT (learner_key, item_key) DO UPDATE SET
    successes = excluded.successes, failures = excluded.failures, recent = excluded.recent, last_at = excluded.last_at,
    stability_days = excluded.stability_days, difficulty = excluded.difficulty, due_at = excluded.due_at,
    applied_seq = excluded.applied_seq
"""
PUT_DAYS: LiteralString = """
INSERT INTO skill_history (learner_key, skill_key, local_day, mastery, low, high, attempts)
SELECT u.* FROM unnest(%(learner)s, %(skill)s, %(day)s, %(mastery)s, %(low)s, %(high)s, %(attempts)s) AS u
ON CONFLICT (learner_key, skill_key, local_day) DO UPDATE SET
    mastery = excluded.mastery, low = excluded.low, high = excluded.high, attempts = excluded.attempts
"""
PRUNE_DAYS: LiteralString = """
DELETE FROM skill_history AS old
USING (
    SELECT touched.learner_key, touched.skill_key::integer AS skill_key, (
        SELECT max(h.local_day) FROM skill_history AS h
        WHERE h.learner_key = touched.learner_key AND h.skill_key = touched.skill_key::integer) AS newest
    FROM unnest(%(learners)s::bigint[], %(skills)s::bigint[]) AS touched (learner_key, skill_key)
) AS kept
WHERE old.learner_key = kept.learner_key AND old.skill_key = kept.skill_key
  AND old.local_day <= kept.newest - %(days)s
"""

_MS = "datetime64[ms]"
_ABILITY_TYPES = (
    np.int64, *([np.float64] * 2), *([np.int32] * 2), np.float64, np.int16, _MS, np.int64, np.int16, np.int32, np.int64,
)  # fmt: skip
_SKILL_TYPES = (
    np.int64, np.int32, *([np.float64] * 2), *([np.int32] * 2), np.float64, np.int16, _MS, np.int16,
)  # fmt: skip
_ITEM_TYPES = (np.int64, np.int64, np.int32, np.int32, np.int16, _MS, np.float64, np.float64)

Pairs = tuple[Int64, Int64]


def load(connection: Connection, learners: Int64, skills: Pairs, items: Pairs) -> SkillStates:
    """What is kept of these learners (ascending), of these pairs of learner and skill, and of learner and item."""
    keys, *head = packed_columns(connection, LOAD_ABILITIES, {"learners": learners}, _ABILITY_TYPES)
    of_skills = {"learners": skills[0], "skills": skills[1]}
    skill_learner, *skill, mastered = packed_columns(connection, LOAD_SKILLS, of_skills, _SKILL_TYPES)
    of_items = {"learners": items[0], "items": items[1]}
    item_learner, *item = packed_columns(connection, LOAD_ITEMS, of_items, _ITEM_TYPES)
    *item, stability, difficulty = item
    columns = Columns(
        keys, np.column_stack(head), skill_learner, np.column_stack(skill), item_learner, np.column_stack(item)
    )
    return SkillStates(columns, mastered > 0, Memories(stability, difficulty, columns.item[:, 4].astype(np.int64)))


def put(connection: Connection, states: SkillStates, days: MasteryDays, applied_seq: int) -> None:
    """Writes the states and the days, rows in the order of their keys."""
    _put_abilities(connection, states.columns, applied_seq)
    _put_skills(connection, states, applied_seq)
    _put_items(connection, states, applied_seq)
    _put_days(connection, days)


def _put_abilities(connection: Connection, columns: Columns, applied_seq: int) -> None:
    head = columns.head.T
    connection.execute(
        PUT_ABILITIES,
        {
            "learner": columns.learner,
            "ability": head[0],
            "variance": head[1],
            "successes": head[2].astype(np.int32),
            "failures": head[3].astype(np.int32),
            "residual": head[4],
            "recent": head[5].astype(np.int16),
            "last_at": head[6].astype(np.int64).astype(_MS),
            "last_item": head[7].astype(np.int64),
            "last_outcome": head[8].astype(np.int16),
            "last_skill": head[9].astype(np.int32),
            "version": head[10].astype(np.int64),
            "applied_seq": applied_seq,
        },
    )


def _put_skills(connection: Connection, states: SkillStates, applied_seq: int) -> None:
    columns = states.columns
    if not len(columns.skill):
        return
    skill = columns.skill.T
    connection.execute(
        PUT_SKILLS,
        {
            "learner": columns.skill_learner,
            "skill": skill[0].astype(np.int32),
            "ability": skill[1],
            "variance": skill[2],
            "successes": skill[3].astype(np.int32),
            "failures": skill[4].astype(np.int32),
            "residual": skill[5],
            "recent": skill[6].astype(np.int16),
            "last_at": skill[7].astype(np.int64).astype(_MS),
            "mastered": states.mastered,
            "applied_seq": applied_seq,
        },
    )


def _put_items(connection: Connection, states: SkillStates, applied_seq: int) -> None:
    item = states.columns.item.T
    connection.execute(
        PUT_ITEMS,
        {
            "learner": states.columns.item_learner,
            "item": item[0].astype(np.int64),
            "successes": item[1].astype(np.int32),
            "failures": item[2].astype(np.int32),
            "recent": item[3].astype(np.int16),
            "last_at": item[4].astype(np.int64).astype(_MS),
            "stability": states.memories.stability_days,
            "difficulty": states.memories.difficulty,
            "due_at": due_ms(states.memories).astype(_MS),
            "applied_seq": applied_seq,
        },
    )


def _put_days(connection: Connection, days: MasteryDays) -> None:
    if not len(days.learner):
        return
    connection.execute(
        PUT_DAYS,
        {
            "learner": days.learner,
            "skill": days.skill.astype(np.int32),
            "day": days.day.astype(np.int32),
            "mastery": days.mastery,
            "low": days.low,
            "high": days.high,
            "attempts": days.attempts.astype(np.int32),
        },
    )
    connection.execute(PRUNE_DAYS, {"learners": days.learner, "skills": days.skill, "days": HISTORY_DAYS})
