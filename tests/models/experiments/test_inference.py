"""Do intervals hold however often one looks?  The whole simulation is `personalize bench experiments`."""

from __future__ import annotations

import numpy as np
import pytest

from models.experiments import inference
from models.experiments.inference import Sums, adjusted, effect, ratio_p_value, relative_effect
from personalize.bench.experiments import simulate


def test_the_formula() -> None:
    """One case worked out by hand: N = 5,000, unit variances, α = .05."""
    one = Sums(2_500, 2_500.0, 2_500.0 * 2 - 1)
    found = effect(one, Sums(2_500, 2_750.0, 2_500.0 * (1 + 1.21)))
    rho2 = (-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 5_000
    spread = one.variance / 2_500 + Sums(2_500, 2_750.0, 2_500.0 * (1 + 1.21)).variance / 2_500
    half = np.sqrt(spread * 5_000) * np.sqrt(
        2 * (5_000 * rho2 + 1) / (5_000**2 * rho2) * np.log(np.sqrt(5_000 * rho2 + 1) / 0.05)
    )
    assert found.difference == pytest.approx(0.1)
    assert found.high - found.low == pytest.approx(2 * half)


def test_the_p_value_is_the_edge_of_the_interval() -> None:
    """At α = p the interval ends at 0."""
    rng = np.random.default_rng(1)
    one, other = (inference.sums(rng.exponential(mean, 4_000)) for mean in (1.0, 1.1))
    p_value = float(effect(one, other).p_value)
    assert 0 < p_value < 1
    # ρ depends on α: the edge is where the interval of the usual α would be with evidence for p.
    assert (effect(one, other, 0.05).low > 0) == (p_value < 0.05)


def test_sums_are_mean_and_variance() -> None:
    """As NumPy has them; a relative effect is that of the means."""
    values = np.array([1.0, 4.0, 2.5])
    found = inference.sums(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.variance == pytest.approx(values.var(ddof=1))
    assert relative_effect(Sums(10, 10.0, 20.0), Sums(10, 11.0, 21.0)).difference == pytest.approx(0.1)


def test_the_ratio_check() -> None:
    """Equal shares pass; two in a hundred off at 20,000 learners is an alarm."""
    even = np.array([0.5, 0.5])
    assert ratio_p_value(np.array([10_020.0, 9_980.0]), even) > 0.5
    assert ratio_p_value(np.array([10_400.0, 9_600.0]), even) < inference.RATIO_ALARM


def test_cuped_keeps_the_mean_and_lowers_the_variance() -> None:
    """By the squared correlation with the time before."""
    rng = np.random.default_rng(2)
    before = rng.normal(size=5_000)
    values = 3.0 + before + rng.normal(size=5_000)
    found = adjusted(values, before)
    assert found.mean() == pytest.approx(values.mean())
    assert found.var() == pytest.approx(values.var() * (1 - np.corrcoef(values, before)[0, 1] ** 2), rel=1e-6)
    assert (adjusted(values, np.zeros(5_000)) == values).all()


def test_peeking_does_no_harm_and_effects_are_found() -> None:
    """A short form of the bench: false alarms of A/A tests, a planted lift, a planted mismatch."""
    figures = simulate(runs=400, planted_runs=60, seed=3)
    assert figures["false_positives_percent"] <= 5.0
    assert figures["planted_lift_found_percent"] >= 90.0
    assert figures["planted_mismatch_caught_percent"] == 100.0
    assert figures["naive_false_positives_percent"] > 15.0
