"""Which tiers were unlocked, and who is told?  A row can be inserted once, and only the insert announces it.

Its id is made of learner, rule, tier and, where the rule repeats, period: the same whenever it is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import LiteralString, NamedTuple

import msgspec
import numpy as np

from models.achievement_periods import period_name
from models.achievement_rules import CompiledRule
from models.achievements import Unlocks
from models.columns import Int64
from projections import outbox
from projections.projection import Effects, OutboxRecord
from projections.stores.postgres import Connection
from schemas import topics
from schemas.achievement_rules import AchievementRule, Aggregate, When
from schemas.notifications import (
    CONTENT_TYPE,
    MilestoneKind,
    ReachedMilestone,
    UnlockedAchievement,
    achievement_unlocked,
    milestone_reached,
    stable_bytes,
    uuid_text,
)

INSERT: LiteralString = f"""
WITH inserted AS (
    INSERT INTO achievement_unlock (learner_key, achievement_id, tier, period, unlock_id, unlocked_at, applied_seq)
    SELECT new.learner_key, rule.achievement_id, new.tier, new.period,
           encode(substr(%(unlock_ids)s::bytea, (n::int - 1) * 16 + 1, 16), 'hex')::uuid, new.unlocked_at,
           %(applied_seq)s::bigint
    FROM unnest(%(learners)s::bigint[], %(slots)s::smallint[], %(tiers)s::smallint[], %(periods)s::text[],
                %(unlocked_at)s::timestamptz[])
         WITH ORDINALITY AS new (learner_key, slot, tier, period, unlocked_at, n)
    JOIN achievement_rule AS rule USING (slot)
    ORDER BY n
    ON CONFLICT DO NOTHING
    RETURNING unlock_id
), announced AS (
    {outbox.INTO}
    SELECT topic, NULL, record_key, record_value, %(headers)s::jsonb, learner_key
    FROM unnest(%(topics)s::text[], %(keys)s::bytea[], %(values)s::bytea[], %(told)s::bigint[], %(places)s::int[])
         WITH ORDINALITY AS made (topic, record_key, record_value, learner_key, place, m)
    WHERE (encode(substr(%(unlock_ids)s::bytea, place * 16 + 1, 16), 'hex')::uuid
           IN (SELECT unlock_id FROM inserted)) IS TRUE
    ORDER BY m
)
SELECT uuid_send(unlock_id) FROM inserted
"""  # noqa: S608 - of constants only
"""The ids come end to end, 16 bytes each: a list of UUIDs would cost more than the insert.  The same statement puts
into the outbox what tells of the rows that it inserted, so nobody waits to learn which those were.  IS TRUE has the
ids hashed; as a join they would be compared each with each, since nobody knows how many they will be."""
SELECT_USERS: LiteralString = (
    "SELECT learner_key, user_id FROM learners WHERE learner_key = ANY (%(learners)s::bigint[])"
)
HEADERS = (("content-type", CONTENT_TYPE.encode()),)


class _Unlock(NamedTuple):
    """One tier that a learner has reached, in a period of the rule where it repeats."""

    unlock_id: bytes
    learner: int
    rule: AchievementRule
    tier: int
    period: str
    at_ms: int


def put(connection: Connection, unlocks: Unlocks, compiled: Sequence[CompiledRule], effects: Effects) -> None:
    """Inserts those that are new, and announces them unless this is a rebuild; inside the caller's transaction."""
    if not len(unlocks.learner):
        return
    found = _found(unlocks, {rule.slot: rule.rule for rule in compiled})
    made = [] if effects.replaying else _announcements(found, _user_ids(connection, unlocks.learner, effects))
    # Rows sorted by key, as everywhere; what is announced keeps the order of the log.
    order = np.lexsort((unlocks.period, unlocks.tier, unlocks.slot, unlocks.learner))
    place_of = np.argsort(order)
    inserted = connection.execute(
        INSERT,
        {
            "learners": unlocks.learner[order],
            "slots": (unlocks.slot[order] + 1).astype(np.int16),
            "tiers": unlocks.tier[order].astype(np.int16),
            "periods": [found[row].period for row in order.tolist()],
            "unlock_ids": b"".join([found[row].unlock_id for row in order.tolist()]),
            "unlocked_at": unlocks.at_ms[order].astype("datetime64[ms]"),
            "applied_seq": effects.applied_seq,
            "headers": outbox.encode_headers(HEADERS),
            "topics": [record.topic for _, record in made],
            "keys": [record.key for _, record in made],
            "values": [record.value for _, record in made],
            "told": np.array([record.learner_key for _, record in made], np.int64),
            "places": place_of[np.array([row for row, _ in made], np.int64)].astype(np.int32),
        },
        binary=True,
    )

    def announced() -> None:
        new = {unlock_id for (unlock_id,) in inserted.fetchall()}
        effects.announced += [record for row, record in made if found[row].unlock_id in new]

    if made:
        effects.when_over(announced)


def _found(unlocks: Unlocks, rule_of: Mapping[int, AchievementRule]) -> list[_Unlock]:
    found = []
    for learner, slot, tier, at_ms, first_day in zip(*(column.tolist() for column in unlocks), strict=True):
        rule = rule_of[slot]
        period = period_name(rule.repeat, first_day)
        unlock_id = stable_bytes("achievement", learner, rule.id, tier, *([period] if period else []))
        found.append(_Unlock(unlock_id, learner, rule, tier, period, at_ms))
    return found


def _user_ids(connection: Connection, learners: Int64, effects: Effects) -> Mapping[int, str]:
    """The platform's ids of these learners and of others, by key."""
    missing = {key for key in learners.tolist() if key not in effects.user_ids}
    if not missing:
        return effects.user_ids
    return {**effects.user_ids, **dict(connection.execute(SELECT_USERS, {"learners": sorted(missing)}).fetchall())}


def _announcements(found: Sequence[_Unlock], user_ids: Mapping[int, str]) -> list[tuple[int, OutboxRecord]]:
    """What is told of each unlock, with its row."""
    made = []
    for row, one in enumerate(found):
        user_id = user_ids[one.learner]
        unlocked = UnlockedAchievement(
            user_id=user_id,
            achievement_id=one.rule.id,
            title=one.rule.tiers[one.tier - 1].title or one.rule.title,
            tier=one.tier,
            unlocked_at=datetime.fromtimestamp(one.at_ms / 1000, UTC),
            period=one.period or None,
        )
        value = msgspec.json.encode(achievement_unlocked(unlocked, uuid_text(one.unlock_id)))
        made.append((row, _record(topics.ACHIEVEMENTS.name, user_id, value, one.learner)))
        if one.rule.agg is Aggregate.STREAK and one.rule.when == When() and not one.period:
            reached = ReachedMilestone(
                user_id=user_id,
                kind=MilestoneKind.STREAK,
                days=one.rule.thresholds[one.tier - 1],
                reached_at=datetime.fromtimestamp(one.at_ms / 1000, UTC),
            )
            value = msgspec.json.encode(milestone_reached(reached))
            made.append((row, _record(topics.MILESTONES.name, user_id, value, one.learner)))
    return made


def _record(topic: str, user_id: str, value: bytes, learner: int) -> OutboxRecord:
    return OutboxRecord(topic=topic, key=user_id.encode(), value=value, headers=HEADERS, learner_key=learner)
