"""What is missing?  Knowledge gaps: skills that goals or a path require and that are untried, weak or due."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from models.learner.constants import MASTERED_AT
from models.learner.skill_mastery import SkillMastery
from schemas.skills import GapReason


@dataclass(frozen=True, slots=True)
class KnowledgeGap:
    """One required skill that is missing, with what is known of it."""

    skill: int
    reason: GapReason
    mastery: float
    """Expected success rate; of a skill that was never tried, the learner's prior for it."""
    needed_by: int
    """How many goals and path modules require it."""


def knowledge_gaps(
    needed_by: Mapping[int, int], mastery: Mapping[int, SkillMastery], due: Collection[int] = ()
) -> list[KnowledgeGap]:
    """Gaps, most needed first, then weakest, then by skill key.

    Args:
        needed_by: required skill -> how many goals and modules require it; skills not in here are never gaps.
        mastery: skill vector entries, including priors of skills without attempts.
        due: skills with a review that is due, whatever their mastery.
    """
    found = []
    for skill, count in needed_by.items():
        entry = mastery.get(skill)
        if entry is None or entry.attempts == 0:
            found.append(KnowledgeGap(skill, GapReason.NEVER_TRIED, entry.mastery if entry else 0.0, count))
        elif entry.mastery < MASTERED_AT:
            found.append(KnowledgeGap(skill, GapReason.LOW_MASTERY, entry.mastery, count))
        elif skill in due:
            found.append(KnowledgeGap(skill, GapReason.DUE, entry.mastery, count))
    return sorted(found, key=lambda gap: (-gap.needed_by, gap.mastery, gap.skill))
