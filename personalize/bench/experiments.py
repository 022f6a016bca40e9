"""Do experiments tell the truth to somebody who looks all the time?  Simulations with the product's own statistics.

A/A: both variations are the same, learners come in steps, and after each step somebody looks; a run that ever shows a
difference is a false positive.  Beside it, the same looks with an ordinary t-interval.  Values are exponential:
skewed, as times and counts of learners are.  A/B: the treated mean is 5 % higher; found means that some look says so.
 Mismatch:
48 % instead of half get the treatment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.experiments.inference import RATIO_ALARM, Sums, effect, ratio_p_value
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, describe_machine

LOOKS: Final = 60
STEP: Final = 200
"""Learners that come between two looks."""
PLANTED_LOOKS: Final = 60
PLANTED_STEP: Final = 1_000
LIFT: Final = 0.05
LOST: Final = 0.04
"""The planted mismatch: 48 % and 52 %."""
CHUNK: Final = 500
"""Runs simulated at once."""
EVEN: Final = np.array([0.5, 0.5])


def bench(*, runs: int = 10_000, planted_runs: int = 1_000, seed: int = 0) -> Report:
    """Simulates.

    Args:
        runs: A/A tests.
        planted_runs: tests with a planted lift, and as many with a planted mismatch.
        seed: of everything.
    """
    machine = describe_machine()
    with progress("simulated experiments", runs + 2 * planted_runs) as done:
        figures = simulate(runs, planted_runs, seed, done)
    return Report.of("experiments", figures, machine)


def simulate(
    runs: int, planted_runs: int, seed: int, done: Callable[[int], None] = lambda _: None
) -> dict[str, Figure]:
    """The figures; ``done`` is told how many runs are through."""
    rng = np.random.default_rng(seed)
    false, naive, alarms, found, wrong_way, looks, caught, so_far = 0, 0, 0, 0, 0, 0, 0, 0
    for start in range(0, runs, CHUNK):
        size = min(CHUNK, runs - start)
        shown, fooled, alarmed, _ = _looked_at(rng, size, LOOKS, STEP, 0.0, 0.5)
        false, naive, alarms = false + int((shown != 0).sum()), naive + int(fooled.sum()), alarms + int(alarmed.sum())
        done(so_far := so_far + size)
    for start in range(0, planted_runs, CHUNK):
        size = min(CHUNK, planted_runs - start)
        shown, _, _, first = _looked_at(rng, size, PLANTED_LOOKS, PLANTED_STEP, LIFT, 0.5)
        found, wrong_way = found + int((shown > 0).sum()), wrong_way + int((shown < 0).sum())
        looks += int(first[shown > 0].sum())
        done(so_far := so_far + size)
        _, _, alarmed, _ = _looked_at(rng, size, PLANTED_LOOKS // 2, PLANTED_STEP, 0.0, 0.5 - LOST / 2)
        caught += int(alarmed.sum())
        done(so_far := so_far + size)
    return {
        "runs": runs,
        "looks": LOOKS,
        "learners": LOOKS * STEP,
        "false_positives_percent": 100.0 * false / runs,
        "naive_false_positives_percent": 100.0 * naive / runs,
        "ratio_false_alarms_percent": 100.0 * alarms / runs,
        "planted_runs": planted_runs,
        "planted_lift_percent": 100.0 * LIFT,
        "planted_lift_found_percent": 100.0 * found / planted_runs,
        "planted_lift_wrong_way_percent": 100.0 * wrong_way / planted_runs,
        "learners_until_found_mean": PLANTED_STEP * looks / max(found, 1),
        "planted_mismatch_caught_percent": 100.0 * caught / planted_runs,
    }


def _looked_at(
    rng: np.random.Generator, runs: int, looks: int, step: int, lift: float, treated_share: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Of each run: the sign of the first difference shown (0: none), whether a t-interval ever left out 0, whether the
    ratio alarm was on at the last look, and the look at which the difference was shown."""
    totals = np.zeros((3, 2, runs))  # count, sum, sum of squares; control, treated
    shown = np.zeros(runs, np.int64)
    first = np.zeros(runs, np.int64)
    fooled = np.zeros(runs, np.bool_)
    for look in range(1, looks + 1):
        treated = rng.random((runs, step)) < treated_share
        values = rng.standard_exponential((runs, step)) * (1.0 + lift * treated)
        for arm, chosen in enumerate((~treated, treated)):
            totals[:, arm] += (chosen.sum(1), (values * chosen).sum(1), (values**2 * chosen).sum(1))
        control, other = Sums(*totals[:, 0]), Sums(*totals[:, 1])
        seen = effect(control, other)
        sign = np.sign(seen.low) * (np.sign(seen.low) == np.sign(seen.high))
        first[(shown == 0) & (sign != 0)] = look
        shown = np.where(shown == 0, sign.astype(np.int64), shown)
        spread = np.sqrt(control.variance / control.count + other.variance / other.count)
        fooled |= np.abs(seen.difference) > 1.96 * spread
    return shown, fooled, ratio_p_value(totals[0].T, EVEN) < RATIO_ALARM, first
