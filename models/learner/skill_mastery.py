"""What is shown of the mastery of one skill?  The expected success rate at its average item, with its interval.

Plain arithmetic, for whoever reads one learner; `models.learner.mastery` reads many with compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi, sqrt

from models.learner.constants import EVIDENCE_ATTEMPTS

INTERVAL_Z = 1.6448536269514722
"""Half-width of the interval in standard deviations: 90 %."""


@dataclass(frozen=True, slots=True)
class SkillMastery:
    """One entry of the skill vector."""

    skill: int
    """Dense skill key."""
    mastery: float
    """Expected success rate at the skill's average item, (0, 1)."""
    low: float
    high: float
    """90 % interval of the success rate."""
    attempts: int
    successes: int
    last_at_ms: int
    """Newest attempt, Unix milliseconds; 0 where times are not known."""
    recent_failures: int = 0
    """Failures among the last three attempts."""

    @property
    def uncertainty(self) -> float:
        """Half the width of the interval, (0, 0.5)."""
        return (self.high - self.low) / 2


def mastery_of(
    *,
    skill: int,
    ability: float,
    variance: float,
    outcomes: tuple[int, int] = (0, 0),
    last_at_ms: int = 0,
    recent_failures: int = 0,
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
        recent_failures=recent_failures,
    )


def sigmoid(z: float) -> float:
    """1 / (1 + e^(−z)), z in [−35, 35], as the compiled one."""
    return 1.0 / (1.0 + exp(-min(max(z, -35.0), 35.0)))


def failures_of(recent: int, attempts: int) -> int:
    """Failures among the last ``EVIDENCE_ATTEMPTS`` of so many attempts, given the last outcomes as bits."""
    known = min(attempts, EVIDENCE_ATTEMPTS)
    return known - (recent & ((1 << known) - 1)).bit_count()
