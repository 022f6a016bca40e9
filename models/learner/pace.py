r"""How long will it take this learner, and when will it be finished?  Log-normal times with a pace per learner.

    ln T ~ N(β_i − τ_u, σ²)        (van der Linden 2006)

β is a module's log time for a learner of usual pace, shared between learners and begun at the author's estimate; τ is
the learner's own pace, above 0 for quick ones.  Each time observed moves both by a step that shrinks with their number,
η(n) = .5 / (1 + .05 n).  The sum over modules is taken as log-normal with the same mean and variance (Fenton 1960).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil, exp, log, sqrt

STEP, STEP_DECAY = 0.5, 0.05
SHORTEST_SECONDS = 1.0
"""Shorter times are clicks, not work, and are not counted."""
LONGEST_SECONDS = 1800.0
"""The gap that ends a session.  A time beyond it and beyond the module's usual one counts as the longer of the two."""
VARIANCE_START = 0.49
"""σ² of log times before any is seen: two learners in three within a factor of two."""
VARIANCE_STEP = 0.05
VARIANCE_MAX = 4.0
"""Beyond it the mean would leave the interval."""
INTERVAL_Z = 1.2815515655446004
"""P10 to P90."""
MINUTES_A_DAY = {"SLOW": 15.0, "MODERATE": 30.0, "FAST": 60.0}
"""Study time per active day supposed of a declared pace, until the learner's own is known."""
OWN_PACE_FROM_DAYS = 5
"""Active days after which the learner's own minutes replace the declared pace."""


@dataclass(frozen=True, slots=True)
class LearnerPace:
    """A learner's state: log speed, how many times it rests on, and the spread of the learner's times."""

    tau: float = 0.0
    times: int = 0
    variance: float = VARIANCE_START


@dataclass(frozen=True, slots=True)
class ModuleTime:
    """A module's shared state: log seconds at usual pace, and how many times it rests on."""

    beta: float
    times: int = 0


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """Expected time with the interval that holds four times in five, seconds."""

    seconds: float
    low_seconds: float
    high_seconds: float


def module_time(estimate_seconds: float) -> ModuleTime:
    """A module nobody has done yet, at the author's estimate of the mean.

    Raises:
        ValueError: the estimate is not above 0.
    """
    if not estimate_seconds > 0:
        raise ValueError(f"duration must be above 0 seconds, got {estimate_seconds}")
    return ModuleTime(log(estimate_seconds) - VARIANCE_START / 2)


def observed(pace: LearnerPace, module: ModuleTime, seconds: float) -> tuple[LearnerPace, ModuleTime]:
    """Both states after a time was taken; times under a second change nothing."""
    if not seconds >= SHORTEST_SECONDS:
        return pace, module
    error = log(min(seconds, max(LONGEST_SECONDS, exp(module.beta)))) - (module.beta - pace.tau)
    spread = pace.variance + VARIANCE_STEP * (error * error - pace.variance)
    moved = replace(
        pace,
        tau=pace.tau - _step(pace.times) * error,
        times=pace.times + 1,
        variance=min(spread, VARIANCE_MAX),
    )
    return moved, ModuleTime(module.beta + _step(module.times) * error, module.times + 1)


def module_estimate(pace: LearnerPace, module: ModuleTime) -> TimeEstimate:
    """Time that this learner will need for one module."""
    middle, deviation = module.beta - pace.tau, sqrt(pace.variance)
    return TimeEstimate(
        exp(middle + pace.variance / 2),
        exp(middle - INTERVAL_Z * deviation),
        exp(middle + INTERVAL_Z * deviation),
    )


def path_estimate(pace: LearnerPace, modules: Sequence[tuple[ModuleTime, float]]) -> TimeEstimate:
    """Time for what is left of several modules, each with the share of it that is left, [0, 1]."""
    expected = [left * module_estimate(pace, module).seconds for module, left in modules]
    mean = sum(expected)
    if mean == 0.0:
        return TimeEstimate(0.0, 0.0, 0.0)
    spread = log(1 + (exp(pace.variance) - 1) * sum((part / mean) ** 2 for part in expected))
    middle = log(mean) - spread / 2
    reach = INTERVAL_Z * sqrt(spread)
    return TimeEstimate(mean, exp(middle - reach), exp(middle + reach))


def daily_minutes(declared_pace: str, active_minutes: Sequence[float], days_observed: int) -> float:
    """Study minutes per calendar day: the learner's median active day times the share of days that are active.

    Args:
        declared_pace: SLOW, MODERATE or FAST; decides until there are ``OWN_PACE_FROM_DAYS`` active days.
        active_minutes: minutes studied on each active day.
        days_observed: calendar days they are taken from.

    Raises:
        ValueError: another declared pace.
    """
    if declared_pace not in MINUTES_A_DAY:
        raise ValueError(f"preferredPace must be one of {', '.join(MINUTES_A_DAY)}, got {declared_pace!r}")
    if len(active_minutes) < OWN_PACE_FROM_DAYS or days_observed < len(active_minutes):
        return MINUTES_A_DAY[declared_pace]
    ordered = sorted(active_minutes)
    half = len(ordered) // 2
    median = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return max(median * len(ordered) / days_observed, 1.0)


def finish_dates(estimate: TimeEstimate, minutes_a_day: float, today: date) -> tuple[date, date, date]:
    """Expected, earliest and latest day on which the work is done, today being the first day of it."""
    days = (
        max(ceil(seconds / 60 / minutes_a_day - 1e-9), 1) - 1 if seconds > 0 else 0
        for seconds in (estimate.seconds, estimate.low_seconds, estimate.high_seconds)
    )
    expected, earliest, latest = (today + timedelta(days=n) for n in days)
    return expected, earliest, latest


def _step(times: int) -> float:
    return STEP / (1 + STEP_DECAY * times)
