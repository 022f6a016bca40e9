r"""How hard should the next thing be?  Bounded, step-limited adaptation around a target success rate of .8.

Two rules, for two scales:

    adapted = base (1 + pf (target − performance) + tf (1 − actual time / estimated time) + ef engagement)
    d*      = θ − logit((p − c) / (1 − c)),   p the target success rate, c the chance of guessing

The first is the request's own formula on the author's scale, with times in units of the estimate.  A learner below the
target needs easier material, so ``PERFORMANCE_FACTOR`` is negative; quick and engaged learners get harder material.
The second inverts the rating curve.  The target itself is corrected by what happened lately (Papoušek, Pelánek 2015,
as in the proso engine): p' = p + (p − r)/norm · (1 − norm), norm = 1 − p where the recent success rate r > p, else p.
"""

from __future__ import annotations

from math import log

TARGET_SUCCESS = 0.8
TARGET_MIN, TARGET_MAX = 0.6, 0.95
"""Bounds of the corrected target: neither hopeless nor pointless."""
PERFORMANCE_FACTOR = -0.5
TIME_FACTOR = 0.2
ENGAGEMENT_FACTOR = 0.1
FACTOR_MIN, FACTOR_MAX = 0.5, 1.5
"""Bounds of adapted / base."""
FACTOR_STEP = 0.15
"""Largest change of adapted / base from one adaptation to the next: no swinging."""
LOGIT_STEP = 0.5
"""Largest change of a target difficulty within a session, logits."""


def adapted_difficulty(
    base: float, *, performance: float, time_ratio: float, engagement: float, previous: float | None = None
) -> float:
    """The next difficulty on the author's scale, within ``FACTOR_MIN..FACTOR_MAX`` of the base.

    Args:
        base: the author's difficulty, > 0.
        performance: success rate or score lately, [0, 1].
        time_ratio: actual time over estimated time, >= 0; 1 where it is not known.
        engagement: [−1, 1], 0 is usual.
        previous: the difficulty adapted last; the next one stays within ``FACTOR_STEP`` of it.

    Raises:
        ValueError: an argument is out of range.
    """
    if base <= 0:
        raise ValueError(f"base must be above 0, got {base}")
    if not (0 <= performance <= 1 and time_ratio >= 0 and -1 <= engagement <= 1):
        raise ValueError("performance must be in [0, 1], time_ratio at least 0, engagement in [-1, 1]")
    factor = 1 + PERFORMANCE_FACTOR * (TARGET_SUCCESS - performance)
    factor += TIME_FACTOR * (1 - min(time_ratio, 2.0)) + ENGAGEMENT_FACTOR * engagement
    if previous is not None:
        factor = stepped(previous / base, factor, FACTOR_STEP)
    return base * min(max(factor, FACTOR_MIN), FACTOR_MAX)


def corrected_target(recent_success: float, target: float = TARGET_SUCCESS) -> float:
    """The success rate to aim at now: higher after failures, lower after easy successes, within its bounds."""
    norm = 1 - target if recent_success > target else target
    wanted = target + (target - recent_success) / norm * (1 - norm)
    return min(max(wanted, TARGET_MIN), TARGET_MAX)


def target_difficulty(ability: float, target: float = TARGET_SUCCESS, guess: float = 0.0) -> float:
    """The difficulty in logits at which someone of this ability succeeds with the target rate.

    Raises:
        ValueError: the target is not above the chance of guessing, or not below 1.
    """
    if not 0 <= guess < target < 1:
        raise ValueError(f"target {target} must lie between the chance of guessing {guess} and 1")
    return ability - log((target - guess) / (1 - target))


def stepped(previous: float, wanted: float, limit: float = LOGIT_STEP) -> float:
    """The wanted value, or as far towards it as one step goes."""
    return min(max(wanted, previous - limit), previous + limit)


def target_fit(success: float, target: float = TARGET_SUCCESS) -> float:
    """How near a predicted success rate is to the target, [0, 1]: 1 − (distance / largest distance on that side)²."""
    norm = 1 - target if success > target else target
    return 1 - ((target - success) / max(0.001, norm)) ** 2
