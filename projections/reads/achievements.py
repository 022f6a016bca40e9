"""Which achievements does a learner hold, and how far is the next?  The rules of the table, with one learner's row."""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple

import msgspec

from projections.reads import streaks
from projections.reads.freshness import Seen, freshness, learner_offsets, seen
from projections.stores.postgres_pool import ReadPool, Rows
from schemas.achievement_rules import AchievementRule
from schemas.read_models import Achievement, Achievements, OwnPage

KNOWN: LiteralString = "SELECT learner_key FROM learners WHERE user_id = %(user_id)s"
RULES: LiteralString = "SELECT slot, definition::text FROM achievement_rule ORDER BY slot"
PROGRESS: LiteralString = """
SELECT progress, tiers, applied_seq
FROM achievement_progress WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
UNLOCKED: LiteralString = """
SELECT u.achievement_id, u.tier, u.unlocked_at, c.claimed_at,
       (SELECT count(*)::int FROM achievement_kudos k
        WHERE k.learner_key = u.learner_key AND k.achievement_id = u.achievement_id)
FROM achievement_unlock u LEFT JOIN achievement_claim c USING (learner_key, achievement_id, tier)
WHERE u.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
ORDER BY u.unlocked_at DESC, u.achievement_id, u.tier DESC
"""

PAGE: LiteralString = """
SELECT token, display_name, shared_at FROM learner_private_page JOIN learners USING (learner_key)
WHERE user_id = %(user_id)s AND consent & 32 <> 0
"""

_rule = msgspec.json.Decoder(AchievementRule).decode


class AchievementsAnswer(NamedTuple):
    """A learner's achievements and what they reflect."""

    achievements: Achievements
    seen: Seen


async def read(pool: ReadPool, user_id: str, part: int, now_ms: int) -> AchievementsAnswer | None:
    """The achievements of a learner; None for an unknown one."""
    who = {"user_id": user_id}
    offsets, known, rules, progress, unlocked, page, *dates = await pool.snapshot(
        [
            learner_offsets(part),
            (KNOWN, who),
            (RULES, None),
            (PROGRESS, who),
            (UNLOCKED, who),
            (PAGE, who),
            *streaks.queries(user_id),
        ]
    )
    if not known:
        return None
    what = seen(offsets)
    reached, tiers, applied_seq = progress[0] if progress else ([], [], 0)
    by_slot = {slot: _rule(definition) for slot, definition in rules}
    body = Achievements(
        user_id=user_id,
        unlocked=_unlocked(unlocked, {rule.id: rule for rule in by_slot.values()}),
        next=_next(by_slot, dict(enumerate(reached, start=1)), dict(enumerate(tiers, start=1))),
        page=OwnPage(path=f"/achievements/{page[0][0]}", display_name=page[0][1], shared_at=page[0][2])
        if page
        else None,
        streak=streaks.streak_of(dates, max(now_ms, what.as_of_ms)),
        freshness=freshness(what, applied_seq, now_ms, stale=False),
    )
    return AchievementsAnswer(body, what)


def _unlocked(rows: Rows, rules: dict[str, AchievementRule]) -> tuple[Achievement, ...]:
    held = []
    for achievement_id, tier, unlocked_at, claimed_at, kudos in rows:
        rule = rules.get(achievement_id)
        if rule is None or tier > len(rule.tiers):
            continue  # a tier that the rules no longer have
        target = float(rule.tiers[tier - 1].gte)
        held.append(_achievement(rule, tier, target, unlocked_at=unlocked_at, claimed_at=claimed_at, kudos=kudos))
    return tuple(held)


def _next(rules: dict[int, AchievementRule], reached: dict[int, int], tiers: dict[int, int]) -> tuple[Achievement, ...]:
    """The next tier of every rule that has one left, nearest first."""
    ahead = [
        _achievement(rule, tiers.get(slot, 0) + 1, reached.get(slot, 0) / rule.unit)
        for slot, rule in rules.items()
        if tiers.get(slot, 0) < len(rule.tiers)
    ]
    return tuple(sorted(ahead, key=lambda entry: (-entry.progress / entry.target, entry.achievement_id)))


def _achievement(rule: AchievementRule, tier: int, progress: float, **times: Any) -> Achievement:
    step = rule.tiers[tier - 1]
    return Achievement(
        achievement_id=rule.id,
        title=step.title or rule.title,
        description=rule.description,
        tier=tier,
        progress=progress,
        target=float(step.gte),
        **times,
    )
