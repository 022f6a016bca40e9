r"""What may be said of an experiment at any time?  Intervals that hold however often one looks; when to say nothing.

For a difference δ̂ of two means with variance V after N learners, the asymptotic confidence sequence of Waudby-Smith
et al.
("Time-uniform central limit theory and asymptotic confidence sequences", 2021), with s² = V·N and a tuning N*:

    δ̂ ± √s² · √( 2(Nρ² + 1) / (N²ρ²) · ln(√(Nρ² + 1) / α) ),     ρ = √( (−2 ln α + ln(−2 ln α + 1)) / N* )

It covers the truth at all N at once with probability 1 − α, so that looking early and often is no mistake.  The price
is an interval about 1.4 times as wide at N* as that of a test that is looked at once.

The share of each variation is checked with χ² = Σ (O − E)² / E against the weights (sample-ratio mismatch): below
``RATIO_ALARM`` something is wrong with assignment or logging, and no result is worth showing.

CUPED (Deng et al. 2013): Y' = Y − θ (X − X̄) with X from before the exposure and θ = cov(X, Y) / var(X), pooled over the
variations; the mean stays, the variance falls by the squared correlation.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import chdtrc

from models.columns import Float64

TUNED_FOR: Final = 5_000
"""N*: learners at which the interval is tightest."""
ALPHA: Final = 0.05
RATIO_ALARM: Final = 0.001

Array = Any
"""A float, or an array of them: everything here works elementwise."""


class Sums(NamedTuple):
    """What is known of the learners of a variation; each a number or an array (one an experiment)."""

    count: Array
    total: Array
    """Sum of y."""
    squares: Array
    """Sum of y²."""

    @property
    def mean(self) -> Array:
        """Mean of y; NaN without learners."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.divide(self.total, self.count)

    @property
    def variance(self) -> Array:
        """Unbiased variance of y; NaN with fewer than two learners."""
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = self.squares - np.divide(np.square(self.total), self.count)
            return np.maximum(spread, 0.0) / (self.count - 1)


class Effect(NamedTuple):
    """A difference to the control, and an interval that holds at all times."""

    difference: Array
    low: Array
    high: Array
    p_value: Array
    """Always valid: the smallest α at which the interval leaves out 0."""


def sums(values: Float64) -> Sums:
    """The sums of n learners' values."""
    return Sums(len(values), float(values.sum()), float(np.square(values).sum()))


def effect(control: Sums, treated: Sums, alpha: float = ALPHA) -> Effect:
    """The difference of two means."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.divide(control.variance, control.count) + np.divide(treated.variance, treated.count)
    return _always_valid(treated.mean - control.mean, spread, control.count + treated.count, alpha)


def relative_effect(control: Sums, treated: Sums, alpha: float = ALPHA) -> Effect:
    """The difference as a share of the control's mean, by the delta method; NaN where that mean is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        base = np.where(np.asarray(control.mean) != 0, control.mean, np.nan)
        ratio = treated.mean / base
        spread = treated.variance / treated.count / base**2 + ratio**2 * control.variance / control.count / base**2
    return _always_valid(ratio - 1.0, spread, control.count + treated.count, alpha)


def _always_valid(difference: Array, spread: Array, learners: Array, alpha: float) -> Effect:
    odds = -2.0 * np.log(alpha)
    rho2 = (odds + np.log(odds + 1.0)) / TUNED_FOR
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        grown = learners * rho2 + 1.0
        s2 = spread * learners
        half = np.sqrt(s2) * np.sqrt(2.0 * grown / (learners**2 * rho2) * np.log(np.sqrt(grown) / alpha))
        evidence = rho2 * difference**2 * learners / (spread * 2.0 * grown)
        p_value = np.minimum(1.0, np.sqrt(grown) * np.exp(-evidence))
    return Effect(difference, difference - half, difference + half, p_value)


def ratio_p_value(counts: Float64, weights: Float64) -> Array:
    """The p-value of variations' learners against their weights.

    Args:
        counts: (..., v) learners of each variation.
        weights: (v,) what they should be in proportion to.
    """
    counts = np.asarray(counts, float)
    expected = counts.sum(axis=-1, keepdims=True) * (weights / weights.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.nansum(np.square(counts - expected) / expected, axis=-1)
    return chdtrc(counts.shape[-1] - 1, statistic)


def adjusted(values: Float64, before: Float64) -> Float64:
    """(n,) CUPED: the values without what the time before already told; of all variations together."""
    spread = float(np.var(before))
    if len(values) < 2 or spread == 0.0:
        return values
    theta = float(np.mean((values - values.mean()) * (before - before.mean()))) / spread
    kept: Float64 = values - theta * (before - before.mean())
    return kept
