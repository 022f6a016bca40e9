"""How likely does a learner succeed at a module, and is it mastered already?  Read from the skills that it trains.

    success = σ(mean_k logit(mastery_k) − d)      k skills of the module, d its difficulty beyond theirs, logits

Mastery is an expectation, so its logit already is the cautious one where little is known.  ``before`` is the same as
it stood before the newest day on which any skill of the path was attempted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from models.learner.constants import MASTERED_AT
from models.learner.skill_mastery import sigmoid

SURE = 1e-6
"""Masteries are kept this far away from 0 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillStanding:
    """One skill of a path's modules, for one learner."""

    mastery: float
    """Expected success rate now, [0, 1]; without attempts by general ability."""
    mastered: bool
    last_at_ms: int
    """Newest attempt; 0: none."""
    mastery_before: float
    """On the day with attempts before the newest one."""


@dataclass(frozen=True, slots=True)
class ModuleStanding:
    """One module, now or before."""

    success: float
    """Expected success rate, (0, 1)."""
    mastered: bool
    """Every skill counts as mastered."""


def changed_ms(skills: Mapping[str, SkillStanding]) -> int:
    """When any of the skills was attempted last; 0: never."""
    return max((skill.last_at_ms for skill in skills.values()), default=0)


def standings(
    modules: Sequence[tuple[Sequence[str], float]], skills: Mapping[str, SkillStanding], *, before: bool = False
) -> list[ModuleStanding | None]:
    """Where each module stands; None for one without skills.

    Args:
        modules: the names of each module's skills, all of them in ``skills``, and its difficulty beyond theirs.
        skills: by name.
        before: as it was before the newest attempts.
    """
    newest = changed_ms(skills)
    found: list[ModuleStanding | None] = []
    for names, difficulty in modules:
        own = [skills[name] for name in names]
        moved = [before and skill.last_at_ms == newest and newest > 0 for skill in own]
        shares = [skill.mastery_before if back else skill.mastery for skill, back in zip(own, moved, strict=True)]
        mastered = [
            skill.mastery_before >= MASTERED_AT if back else skill.mastered
            for skill, back in zip(own, moved, strict=True)
        ]
        if not own:
            found.append(None)
            continue
        logits = [log(share / (1.0 - share)) for share in (min(max(s, SURE), 1.0 - SURE) for s in shares)]
        found.append(ModuleStanding(sigmoid(sum(logits) / len(logits) - difficulty), all(mastered)))
    return found
