"""Which achievements does a learner hold, and how far is the next?  The rules of the table, with one learner's row."""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple

import msgspec

from models.achievement_periods import period_name, period_of
from models.decay import DAY_MS
from models.learner.streaks import local_day
from projections.reads import streaks
from projections.reads.freshness import Seen, freshness, learner_offsets, seen
from projections.stores.postgres_pool import ReadPool, Rows
from schemas.achievement_rules import AchievementRule, Repeat
from schemas.read_models import Achievement, Achievements, OwnPage

KNOWN: LiteralString = "SELECT learner_key FROM learners WHERE user_id = %(user_id)s"
RULES: LiteralString = "SELECT slot, definition::text FROM achievement_rule ORDER BY slot"
PROGRESS: LiteralString = """
SELECT progress, tiers, applied_seq
FROM achievement_progress WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
PERIODS: LiteralString = """
SELECT slot, period, progress, tiers, applied_seq FROM achievement_period
WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s) AND period > %(after)s
"""
UNLOCKED: LiteralString = """
SELECT * FROM (
    SELECT DISTINCT ON (u.achievement_id, u.tier) u.achievement_id, u.tier, u.unlocked_at, c.claimed_at,
           (SELECT count(*)::int FROM achievement_kudos k
            WHERE k.learner_key = u.learner_key AND k.achievement_id = u.achievement_id),
           u.period, (count(*) OVER own)::int, (count(*) FILTER (WHERE c.claimed_at IS NULL) OVER own)::int
    FROM achievement_unlock u LEFT JOIN achievement_claim c USING (learner_key, achievement_id, tier, period)
    WHERE u.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
    WINDOW own AS (PARTITION BY u.achievement_id, u.tier)
    ORDER BY u.achievement_id, u.tier, u.unlocked_at DESC, u.period DESC
) AS newest
ORDER BY unlocked_at DESC, achievement_id, tier DESC
"""
"""The newest unlock of every tier; how often it was unlocked, and how many of those are still to be claimed."""

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
    within = {**who, "after": now_ms // DAY_MS - 2 - Repeat.MONTHLY.most_days}
    offsets, known, rules, progress, periods, unlocked, page, *dates = await pool.snapshot(
        [
            learner_offsets(part),
            (KNOWN, who),
            (RULES, None),
            (PROGRESS, who),
            (PERIODS, within),
            (UNLOCKED, who),
            (PAGE, who),
            *streaks.queries(user_id),
        ]
    )
    if not known:
        return None
    what = seen(offsets)
    reached, tiers, applied_seq = progress[0] if progress else ([], [], 0)
    applied_seq = max([applied_seq, *(row[4] for row in periods)])
    by_slot = {slot: _rule(definition) for slot, definition in rules}
    timezone, day_start_hour = dates[-1][0]
    today = local_day(max(now_ms, what.as_of_ms), timezone, day_start_hour)
    where = f"/achievements/{page[0][0]}" if page else None
    body = Achievements(
        user_id=user_id,
        unlocked=_unlocked(unlocked, {rule.id: rule for rule in by_slot.values()}, where),
        next=_next(
            by_slot,
            dict(enumerate(zip(reached, tiers, strict=True), start=1)),
            {(slot, period): (so_far, tier) for slot, period, so_far, tier, _ in periods},
            {(achievement_id, tier): times for achievement_id, tier, *_, times, _ in unlocked},
            today,
        ),
        page=OwnPage(path=where, display_name=page[0][1], shared_at=page[0][2]) if where else None,
        streak=streaks.streak_of(dates, max(now_ms, what.as_of_ms)),
        freshness=freshness(what, applied_seq, now_ms, stale=False),
    )
    return AchievementsAnswer(body, what)


def _unlocked(rows: Rows, rules: dict[str, AchievementRule], page: str | None) -> tuple[Achievement, ...]:
    held = []
    for achievement_id, tier, unlocked_at, claimed_at, kudos, period, times, unclaimed in rows:
        rule = rules.get(achievement_id)
        if rule is None or tier > len(rule.tiers):
            continue  # a tier that the rules no longer have
        held.append(
            _achievement(
                rule,
                tier,
                float(rule.tiers[tier - 1].gte),
                unlocked_at=unlocked_at,
                claimed_at=claimed_at,
                kudos=kudos,
                period=period or None,
                times=times,
                unclaimed=unclaimed,
                share_path=f"{page}/{rule.id}" if page else None,
            )
        )
    return tuple(held)


def _next(
    rules: dict[int, AchievementRule],
    once: dict[int, tuple[int, int]],
    periods: dict[tuple[int, int], tuple[int, int]],
    times: dict[tuple[str, int], int],
    today: int,
) -> tuple[Achievement, ...]:
    """The next tier of every rule that has one left, in the period of today where it repeats; nearest first."""
    ahead = []
    for slot, rule in rules.items():
        repeats = rule.repeat is not Repeat.NEVER
        first_day = period_of(rule.repeat, today)
        reached, tiers = periods.get((slot, first_day), (0, 0)) if repeats else once.get(slot, (0, 0))
        if tiers < len(rule.tiers):
            period = period_name(rule.repeat, first_day) or None
            before = times.get((rule.id, tiers + 1), 0)
            ahead.append(_achievement(rule, tiers + 1, reached / rule.unit, period=period, times=before))
    return tuple(sorted(ahead, key=lambda entry: (-entry.progress / entry.target, entry.achievement_id)))


def _achievement(rule: AchievementRule, tier: int, progress: float, **more: Any) -> Achievement:
    step = rule.tiers[tier - 1]
    return Achievement(
        achievement_id=rule.id,
        title=step.title or rule.title,
        description=rule.description,
        tier=tier,
        progress=progress,
        target=float(step.gte),
        repeat=rule.repeat,
        **more,
    )
