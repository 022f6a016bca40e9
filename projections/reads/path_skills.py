"""What does the learner model say of a path's modules?  The learner's standing in every skill that they train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from models.learner.constants import LEARNER_SKILL_VARIANCE
from models.learner.difficulty import TARGET_SUCCESS
from models.learner.skill_mastery import mastery_of
from models.module_mastery import ModuleStanding, SkillStanding, changed_ms, standings
from projections.item_skills import names_of
from projections.reads.freshness import to_ms
from projections.stores.postgres_pool import Rows

RECENT_ATTEMPTS = 5
PRIOR_ATTEMPTS = 2.0
"""A recent success rate counts the target rate as so many attempts."""

ABILITY: LiteralString = """
SELECT a.ability, a.variance, a.successes + a.failures, a.recent
FROM learning_path p JOIN learner_ability a USING (learner_key) WHERE p.path_id = %(path_id)s
"""
# Before the newest day with attempts at a skill stands the last day before it.
SKILLS: LiteralString = """
SELECT s.name, s.difficulty, k.ability, k.variance, k.last_at, k.mastered, (
    SELECT h.mastery FROM skill_history h
    WHERE h.learner_key = k.learner_key AND h.skill_key = k.skill_key ORDER BY h.local_day DESC OFFSET 1 LIMIT 1)
FROM (
    SELECT DISTINCT m.learner_key, unnest(
        CASE WHEN cardinality(c.skills) > 0 THEN c.skills WHEN cardinality(c.topics) > 0 THEN c.topics
             ELSE ARRAY[c.content_id] END) AS name
    FROM path_module m JOIN content c ON c.content_id = m.module_id WHERE m.path_id = %(path_id)s
) AS named
JOIN skill s USING (name)
LEFT JOIN learner_skill k ON k.learner_key = named.learner_key AND k.skill_key = s.skill_key
"""


class Known(NamedTuple):
    """What is known of a learner as to a path; nothing without attempts."""

    skills: Mapping[str, SkillStanding]
    recent_success: float | None
    untried: float
    """Mastery of a skill that nobody has attempted."""

    @property
    def attempted_ms(self) -> int:
        """Newest attempt at any of the path's skills; 0: none."""
        return changed_ms(self.skills)

    def standings(self, modules: Sequence[tuple[Any, ...]], *, before: bool = False) -> list[ModuleStanding | None]:
        """Where the modules stand, each given as (skills, topics, contentId, difficulty) of its content."""
        if self.recent_success is None:
            return [None] * len(modules)
        skills = dict(self.skills)
        described = []
        for own, topics, content_id, difficulty in modules:
            names = names_of(own, topics, content_id) if content_id is not None else []
            for name in names:
                skills.setdefault(name, _standing(self.untried))
            described.append((names, difficulty))
        return standings(described, skills, before=before)


def known(ability: Rows, rows: Rows) -> Known:
    """What the answers to `ABILITY` and `SKILLS` say."""
    if not ability:
        return Known({}, None, 0.5)
    level, variance, attempts, recent = ability[0]
    prior = variance + LEARNER_SKILL_VARIANCE
    found = {}
    for name, difficulty, own, own_variance, last_at, mastered, before in rows:
        untried = mastery_of(skill=0, ability=level - difficulty, variance=prior).mastery
        if own is None:
            found[name] = _standing(untried)
            continue
        now = mastery_of(skill=0, ability=level + own - difficulty, variance=variance + own_variance).mastery
        found[name] = SkillStanding(
            mastery=now,
            mastered=mastered,
            last_at_ms=to_ms(last_at),
            mastery_before=untried if before is None else before,
        )
    counted = min(attempts, RECENT_ATTEMPTS)
    successes = (recent & ((1 << counted) - 1)).bit_count()
    rate = (PRIOR_ATTEMPTS * TARGET_SUCCESS + successes) / (PRIOR_ATTEMPTS + counted)
    return Known(found, rate, mastery_of(skill=0, ability=level, variance=prior).mastery)


def _standing(mastery: float) -> SkillStanding:
    return SkillStanding(mastery=mastery, mastered=False, last_at_ms=0, mastery_before=mastery)
