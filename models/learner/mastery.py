"""How well does a learner master each skill, and how sure is that?  The skill vector, read from the ratings.

Mastery is the expected success rate at a typical item of the skill.  The ability m = θ_u + θ_uk − d_k is uncertain with
variance v = v_u + v_uk, so the expectation is σ(m / sqrt(1 + π v / 8)) (MacKay 1992), and the interval σ(m ± z sqrt v).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

from models.learner import learners as t
from models.learner.kernel import sigmoid
from models.learner.learners import Learners
from models.learner.shared import Shared

INTERVAL_Z = 1.6448536269514722
"""Half-width of the interval in standard deviations: 90 %."""
MASTERED_AT = 0.85
LOST_BELOW = 0.75
"""A skill counts as mastered from the first on, and as lost again only below the second: no flicker in between."""


@dataclass(frozen=True, slots=True)
class SkillMastery:
    """One entry of the skill vector."""

    skill: int
    """Dense skill key."""
    mastery: float
    """Expected success rate at a typical item of the skill, (0, 1)."""
    low: float
    high: float
    """90 % interval of the success rate."""
    attempts: int
    successes: int
    last_at_ms: int
    """Newest attempt, Unix milliseconds; 0 where times are not known."""

    @property
    def uncertainty(self) -> float:
        """Half the width of the interval, (0, 0.5)."""
        return (self.high - self.low) / 2


def skill_vector(shared: Shared, learners: Learners, learner: int) -> list[SkillMastery]:
    """Every skill that the learner has attempted, by skill key."""
    row = learners.tables.learner[learners.row(learner)]
    return [
        mastery_of(
            skill=int(own[t.ROW_KEY]),
            ability=float(row[t.ABILITY] + own[t.SKILL_ABILITY]) - shared_difficulty(shared, int(own[t.ROW_KEY])),
            variance=float(row[t.VARIANCE] + own[t.SKILL_VARIANCE]),
            outcomes=(int(own[t.SKILL_WINS]), int(own[t.SKILL_FAILS])),
            last_at_ms=int(own[t.SKILL_LAST_AT]),
        )
        for own in learners.skill_rows(learner)
    ]


def skill_mastery(shared: Shared, learners: Learners, learner: int, skill: int) -> SkillMastery:
    """One skill, attempted or not: without attempts it rests on the learner's general ability."""
    for entry in skill_vector(shared, learners, learner):
        if entry.skill == skill:
            return entry
    row = learners.tables.learner[learners.row(learner)]
    prior = float(learners.tables.skill[0, t.SKILL_VARIANCE])
    ability = float(row[t.ABILITY]) - shared_difficulty(shared, skill)
    return mastery_of(skill=skill, ability=ability, variance=float(row[t.VARIANCE]) + prior)


def mastery_of(
    *, skill: int, ability: float, variance: float, outcomes: tuple[int, int] = (0, 0), last_at_ms: int = 0
) -> SkillMastery:
    """Mastery and interval of an ability (logits above the skill's difficulty) with a variance."""
    spread = INTERVAL_Z * sqrt(variance)
    return SkillMastery(
        skill=skill,
        mastery=sigmoid(ability / sqrt(1.0 + pi * variance / 8.0)),
        low=sigmoid(ability - spread),
        high=sigmoid(ability + spread),
        attempts=sum(outcomes),
        successes=outcomes[0],
        last_at_ms=last_at_ms,
    )


def is_mastered(mastery: float, was_mastered: bool) -> bool:
    """Whether a skill counts as mastered, with hysteresis."""
    return mastery >= (LOST_BELOW if was_mastered else MASTERED_AT)


def shared_difficulty(shared: Shared, skill: int) -> float:
    """Difficulty of a skill in logits, 0 where it is not known."""
    return float(shared.tables.skill_rating[skill, 0]) if 0 <= skill < shared.skills else 0.0
