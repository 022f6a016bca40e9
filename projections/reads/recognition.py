"""What does a shared page show, and what stands behind a credential?  Unlocked achievements with the kudos for them."""

from __future__ import annotations

import datetime as dt
from typing import LiteralString, NamedTuple

import msgspec

from projections.stores.postgres_pool import ReadPool
from schemas.achievement_rules import AchievementRule
from schemas.read_models import SharedAchievement, SharedPage

PAGE: LiteralString = """
SELECT page.display_name, held.achievement_id, held.tier, held.unlocked_at, rule.definition::text,
       (SELECT count(*)::int FROM achievement_kudos AS given
        WHERE given.learner_key = held.learner_key AND given.achievement_id = held.achievement_id),
       held.times
FROM learner_private_page AS page
JOIN learners ON learners.learner_key = page.learner_key AND learners.consent & 32 <> 0
LEFT JOIN (
    SELECT DISTINCT ON (learner_key, achievement_id) learner_key, achievement_id, tier, unlocked_at,
           (count(*) OVER (PARTITION BY learner_key, achievement_id, tier))::int AS times
    FROM achievement_unlock ORDER BY learner_key, achievement_id, tier DESC, unlocked_at DESC, period DESC
) AS held ON held.learner_key = page.learner_key
LEFT JOIN achievement_rule AS rule USING (achievement_id)
WHERE page.token = %(token)s ORDER BY held.unlocked_at DESC, held.achievement_id
"""
HELD: LiteralString = """
SELECT held.unlock_id::text, held.tier, held.unlocked_at, rule.definition::text, held.period
FROM achievement_unlock AS held JOIN achievement_rule AS rule USING (achievement_id)
WHERE held.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
  AND held.achievement_id = %(achievement_id)s
  AND (%(period)s = '' OR held.period = %(period)s)
ORDER BY held.tier DESC, held.unlocked_at DESC, held.period DESC LIMIT 1
"""

_rule = msgspec.json.Decoder(AchievementRule).decode


class Held(NamedTuple):
    """The highest tier of an achievement that a learner holds, the last time it was unlocked."""

    unlock_id: str
    rule: AchievementRule
    tier: int
    unlocked_at: dt.datetime
    period: str = ""
    """The local day, week or month that it was unlocked in; empty of what does not repeat."""


async def page(pool: ReadPool, token: str) -> SharedPage | None:
    """The page behind a token; None when there is none, or none any more."""
    rows = await pool.rows(PAGE, {"token": token})
    if not rows:
        return None
    shown = []
    for _, _, tier, unlocked_at, definition, kudos, times in rows:
        rule = _rule(definition) if definition else None
        if rule is not None and tier <= len(rule.tiers):
            shown.append(
                SharedAchievement(
                    achievement_id=rule.id,
                    title=rule.tiers[tier - 1].title or rule.title,
                    description=rule.description,
                    tier=tier,
                    unlocked_at=unlocked_at,
                    kudos=kudos,
                    times=times,
                )
            )
    return SharedPage(display_name=rows[0][0], achievements=tuple(shown))


async def held(pool: ReadPool, user_id: str, achievement_id: str, period: str = "") -> Held | None:
    """What a learner's credential of an achievement says; None when it is not unlocked, or not in that period."""
    row = await pool.row(HELD, {"user_id": user_id, "achievement_id": achievement_id, "period": period})
    if row is None:
        return None
    unlock_id, tier, unlocked_at, definition, unlocked_in = row
    rule = _rule(definition)
    return Held(unlock_id, rule, min(tier, len(rule.tiers)), unlocked_at, unlocked_in)
