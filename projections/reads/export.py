"""What is held about a learner?  Every row of every table that names one, table by table, the interactions last.

Keys of ours are replaced by the platform's ids and names.  Other people's are left out.  What topics hold for their
retention is the same; the hashes of event ids name nobody, and sums over all learners hold nobody's part apart.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, LiteralString

from projections.stores.postgres_pool import ReadPool, Rows
from schemas.interactions import TYPE_OF_CODE

TABLES: Final[tuple[LiteralString, ...]] = (
    "learner_private",
    "learner_private_answers",
    "learner_private_page",
    "learner_private_text",
    "learner_zone",
    "learner_travel",
    "engagement",
    "behaviour",
    "learner_session",
    "recent_interaction",
    "preference",
    "item_progress",
    "learner_ability",
    "learner_skill",
    "learner_item",
    "learner_model_teacher",
    "skill_history",
    "skill_mastered",
    "personality",
    "learner_insight",
    "active_dates",
    "learner_day",
    "streak_cover",
    "streak_freeze",
    "achievement_progress",
    "achievement_period",
    "achievement_unlock",
    "achievement_claim",
    "achievement_kudos",
    "learning_path",
    "path_module",
    "path_milestone",
    "recommendations",
    "impression",
    "learner_feedback",
    "learner_override",
    "experiment_exposure",
    "command_result",
    "notification_delivery",
    "outbox",
)
"""Every table with a row a learner but the log of record (a test compares them with the database's)."""
ROWS_AT_ONCE: Final = 5_000
TRANSACTIONS_AT_ONCE: Final = 5_000
"""Of the log of record, looked through by one statement: its time is bounded, however long the log."""
SECONDS: Final = 2.0
"""One statement has this long; nobody waits for the whole."""

LEARNER: LiteralString = "SELECT learner_key, to_jsonb(l) - 'learner_key' FROM learners l WHERE user_id = %(user_id)s"
KUDOS_GIVEN: LiteralString = """
SELECT jsonb_build_object('achievement_id', achievement_id, 'given_at', given_at) FROM achievement_kudos
WHERE giver_key = %(learner_key)s
"""
DEAD_LETTERS: LiteralString = """
SELECT to_jsonb(d) - 'record_key' || jsonb_build_object('record_value', encode(record_value, 'escape'))
FROM dead_letter d WHERE record_key = convert_to(%(user_id)s, 'UTF8')
"""
WITNESSED: LiteralString = """
SELECT jsonb_build_object('day', day, 'dimension', dimension, 'cell', cell) FROM cell_witness
WHERE learner_keys @> ARRAY[%(learner_key)s::bigint]
"""
CONTENT: LiteralString = "SELECT item_key, content_id FROM content WHERE item_key = ANY (%(keys)s::bigint[])"
SKILLS: LiteralString = "SELECT skill_key, name FROM skill WHERE skill_key = ANY (%(keys)s::bigint[])"
NEWEST: LiteralString = "SELECT coalesce(max(applied_seq), 0) FROM applied_range"
INTERACTIONS: LiteralString = """
SELECT i.applied_seq, i.ordinal, i.occurred_at, i.interaction_type, t.name, c.content_id, i.time_spent_seconds,
       i.completion_rate, i.rating, i.clicks, i.scroll_depth, i.score, i.sentiment, i.success, i.consent
FROM interaction_log i
LEFT JOIN content c USING (item_key)
LEFT JOIN content_types t ON t.content_type_key = i.content_type_key
WHERE i.learner_key = %(learner_key)s::bigint AND i.applied_seq > %(after)s - 1 AND i.applied_seq <= %(upto)s
  AND (i.applied_seq, i.ordinal) > (%(after)s, %(ordinal)s)
ORDER BY i.applied_seq, i.ordinal LIMIT %(limit)s
"""
_NUMBERS: Final = ("timeSpent", "completionRate", "rating", "clicksCount", "scrollDepth", "score", "sentiment")
_WORD: Final = re.compile(r"_(\w)")

Line = tuple[str, dict[str, Any]]
"""(what it is about, what is held)."""


async def find(pool: ReadPool, user_id: str) -> tuple[int, dict[str, Any]] | None:
    """(surrogate key, identity row) of a learner; None for an unknown one."""
    row = await pool.row(LEARNER, {"user_id": user_id})
    return (row[0], _named(row[1])) if row else None


async def lines(pool: ReadPool, user_id: str, learner_key: int) -> AsyncIterator[Line]:
    """What is held about a learner besides the identity row.

    Raises:
        Unavailable: Postgres did not answer in time; what came before is not all.
    """
    who = {"user_id": user_id, "learner_key": learner_key}
    for table in TABLES:
        rows = await pool.rows(_of(table), who, seconds=SECONDS)
        for row in await _resolved(pool, [row for (row,) in rows]):
            yield _camel(table), row
    for name, query in (("kudosGiven", KUDOS_GIVEN), ("deadLetter", DEAD_LETTERS), ("cellWitness", WITNESSED)):
        for (row,) in await pool.rows(query, who, seconds=SECONDS):
            yield name, _named(row)
    async for row in _interactions(pool, learner_key):
        yield "interaction", row


def _of(table: LiteralString) -> LiteralString:
    # Who gave kudos is another person's.
    return (
        f"SELECT to_jsonb(t) - 'learner_key' - 'giver_key' FROM {table} t"  # noqa: S608 - a name of ours
        " WHERE learner_key = %(learner_key)s::bigint"
    )


async def _resolved(pool: ReadPool, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with ids and names for our keys."""
    items, skills = _keys(rows, "item_key"), _keys(rows, "skill_key")
    contents: dict[int, str] = dict(await pool.rows(CONTENT, {"keys": items})) if items else {}
    names: dict[int, str] = dict(await pool.rows(SKILLS, {"keys": skills})) if skills else {}
    with_ids = [_replaced(row, "item_key", "content_id", contents) for row in rows]
    return [_named(_replaced(row, "skill_key", "skill", names)) for row in with_ids]


def _keys(rows: Sequence[dict[str, Any]], name: str) -> list[int]:
    one = {row[each] for row in rows for each in row if each.endswith(name)}
    many = {key for row in rows for each in row if each.endswith(f"{name}s") for key in row[each] or ()}
    return sorted((one | many) - {None})


def _replaced(row: dict[str, Any], name: str, by: str, values: Mapping[int, str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for each, value in row.items():
        if each.endswith(name):
            made[each.removesuffix(name) + by] = values.get(value)
        elif each.endswith(f"{name}s"):
            made[each.removesuffix(f"{name}s") + f"{by}s"] = [values.get(key) for key in value or ()]
        else:
            made[each] = value
    return made


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {_camel(name): value for name, value in row.items()}


def _camel(name: str) -> str:
    return _WORD.sub(lambda found: found[1].upper(), name)


async def _interactions(pool: ReadPool, learner_key: int) -> AsyncIterator[dict[str, Any]]:
    row = await pool.row(NEWEST)
    newest: int = row[0] if row else 0
    after, ordinal, upto = 0, -1, TRANSACTIONS_AT_ONCE
    while after < newest:
        bounds = {"after": after, "ordinal": ordinal, "upto": upto, "limit": ROWS_AT_ONCE}
        rows = await pool.rows(INTERACTIONS, {**bounds, "learner_key": learner_key}, seconds=SECONDS)
        for found in _read(rows):
            yield found
        if len(rows) == ROWS_AT_ONCE:
            after, ordinal = rows[-1][:2]
        else:
            after, ordinal, upto = upto, 2**31 - 1, upto + TRANSACTIONS_AT_ONCE


def _read(rows: Rows) -> list[dict[str, Any]]:
    found = []
    for _, _, occurred_at, code, content_type, content_id, *numbers, success, consent in rows:
        said: dict[str, Any] = {
            "occurredAt": occurred_at.astimezone(dt.UTC),
            "interactionType": TYPE_OF_CODE[code],
            "contentType": content_type,
            "contentId": content_id,
        }
        said |= {name: None if math.isnan(value) else value for name, value in zip(_NUMBERS, numbers, strict=True)}
        found.append({**said, "success": None if success < 0 else bool(success), "consent": consent})
    return found
