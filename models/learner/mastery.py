"""How well does a learner master each skill, and how sure is that?  The skill vector, read from the ratings.

Mastery is the expected success rate at the skill's average item.  The ability m = θ_u + θ_uk − d_k − mean_i d_i, i over
the skill's items attempted by anyone, is uncertain with variance v = v_u + v_uk, so the expectation is
σ(m / sqrt(1 + π v / 8)) (MacKay 1992), and the interval σ(m ± z sqrt v).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.learner import kernel
from models.learner import layout as t
from models.learner.kernel import holds_mastery, recent_failures
from models.learner.learners import Learners
from models.learner.shared import Shared
from models.learner.skill_mastery import SkillMastery, mastery_of

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


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
            recent_failures=recent_failures(own),
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


def is_mastered(entry: SkillMastery, was_mastered: bool) -> bool:
    """Whether a skill counts as mastered, given whether it did before this attempt."""
    return bool(holds_mastery(entry.mastery, entry.attempts, entry.recent_failures, was_mastered))


def masteries(
    shared: Shared, learners: Learners, learner: Int64, skill: Int64, was_mastered: Mask
) -> tuple[Float64, Mask]:
    """Mastery and whether it counts as mastered for n (learner, skill) pairs, attempted or not.  About 0.2 µs a pair.

    What a planner needs for all modules of a path, without building the entries of the skill vector.
    """
    rows = np.array([learners.row(key) for key in learner.tolist()], np.int64)
    found, mastered = np.empty(len(rows)), np.empty(len(rows), np.bool_)
    kernel.masteries(learners.tables, shared.tables.skill_rating, (rows, skill, was_mastered), found, mastered)
    return found, mastered


def shared_difficulty(shared: Shared, skill: int) -> float:
    """Difficulty of a skill's average item in logits, 0 where it is not known."""
    return float(kernel.typical_difficulty(shared.tables.skill_rating[skill])) if 0 <= skill < shared.skills else 0.0
