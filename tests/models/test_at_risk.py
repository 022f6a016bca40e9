"""Does the risk of failing come from a learner's own activity, and do its reasons say so?"""

from __future__ import annotations

import numpy as np
import pytest

from models import at_risk
from models.at_risk import DAYS, Activity
from models.at_risk_weights import SHIPPED


def test_days_become_weeks() -> None:
    """The newest day belongs to the last week; what is older than four weeks is 'earlier'."""
    learner, ago = np.array([0, 0, 0, 1, 2]), np.array([0, 6, 7, 27, 28])
    ones = np.ones(5)
    events, clicks, active, silent, earlier_clicks, earlier_days = at_risk.activity_of(4, learner, ago, ones, 3 * ones)
    assert events.tolist() == [[0, 0, 1, 2], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert (clicks == 3 * events).all()
    assert (active == events).all()
    assert silent.tolist() == [0, 27, DAYS, DAYS]
    assert earlier_clicks.tolist() == [0, 0, 3, 0]
    assert earlier_days.tolist() == [0, 0, 1, 0]


def known(busy: float, silent: float) -> Activity:
    """One learner who does as much every week."""
    week = np.full((1, 4), busy)
    one = np.ones(1)
    return Activity(3 * week, 9 * week, np.minimum(week, 7), silent * one, 10 * busy * one, 10 * busy * one, one, one)


def test_whoever_does_less_is_more_at_risk_and_told_why() -> None:
    """With the shipped weights: less activity and longer silence raise the risk; reasons name them."""
    busy, idle = known(6, 0), known(0.5, 12)
    risks = [float(at_risk.probability(SHIPPED, at_risk.features(each))[0]) for each in (busy, idle)]
    assert 0 < risks[0] < risks[1] < 1
    assert at_risk.silent(busy).tolist() == [False]
    assert at_risk.silent(idle).tolist() == [True]
    assert at_risk.reasons(SHIPPED, idle)[0][0] == "not seen for 12 days or more"
    assert len(SHIPPED.coefficient) == len(at_risk.FEATURES) == at_risk.features(busy).shape[1]


def test_fitting_finds_what_decides() -> None:
    """Learners who fail because they are silent get higher probabilities."""
    rng = np.random.default_rng(0)
    people = [known(float(rng.uniform(1, 6)), float(silent)) for silent in rng.integers(0, 28, 300)]
    table = np.concatenate([at_risk.features(each) for each in people])
    failed = np.array([each.silent_days[0] > 14 for each in people])
    weights = at_risk.fit(table, failed)
    said = at_risk.probability(weights, table)
    assert said[failed].min() > said[~failed].mean()


def test_the_interval_of_a_difference() -> None:
    """A better ranking is better by more than chance; the same ranking differs by nothing."""
    rng = np.random.default_rng(1)
    outcome = rng.random(600) < 0.5
    good = outcome + rng.normal(size=600)
    low, high = at_risk.bootstrap_difference(outcome, good, rng.normal(size=600), np.arange(600), 200, 0)
    assert 0 < low < high
    assert at_risk.bootstrap_difference(outcome, good, good, np.arange(600), 20, 0) == pytest.approx((0, 0))
