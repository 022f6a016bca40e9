"""Is the engagement score the documented formula, bounded, fading and explained by its terms?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from law_logs import every_type_and_absence, interactions, logs

from models.columns import Interactions
from models.decay import DAY_MS
from models.engagement import (
    HALF_LIFE_MS,
    TERM_WEIGHTS,
    TERMS,
    TYPE_WEIGHT,
    Engagement,
    empty,
    event_shares,
    event_terms,
    score_at,
    terms_at,
    update,
)
from models.grouping import Groups, group
from schemas.interactions import TYPE_OF_CODE, InteractionType

LEARNERS = np.arange(1, 6)


def folded(log: Interactions) -> Engagement:
    """The state of the five learners of the law logs."""
    return update(empty(len(LEARNERS)), Groups(LEARNERS, log.learner - 1), log)


def plain_score(log: Interactions, row: int) -> float:
    """An event's score by the formula of CONTRACTS, one term at a time, in plain Python."""
    terms = [(0.30, TYPE_WEIGHT[TYPE_OF_CODE[log.type[row]]])]
    if not math.isnan(log.completion_rate[row]):
        terms.append((0.25, float(log.completion_rate[row])))
    if not math.isnan(log.time_spent_seconds[row]) and log.expected_seconds[row] > 0:
        terms.append((0.15, min(float(log.time_spent_seconds[row]) / float(log.expected_seconds[row]), 1.0)))
    if not math.isnan(log.scroll_depth[row]):
        terms.append((0.10, float(log.scroll_depth[row])))
    if not math.isnan(log.clicks[row]):
        terms.append((0.05, 1 - math.exp(-float(log.clicks[row]) / 10)))
    if not math.isnan(log.rating[row]):
        terms.append((0.10, (float(log.rating[row]) - 1) / 4))
    if not math.isnan(log.sentiment[row]):
        terms.append((0.05, (float(log.sentiment[row]) + 1) / 2))
    return sum(weight * x for weight, x in terms) / sum(weight for weight, _ in terms)


def test_every_type_has_a_weight_and_the_term_weights_add_up() -> None:
    """All twelve kinds of act have a weight in [0, 1], and the seven term weights sum to 1."""
    assert set(TYPE_WEIGHT) == set(InteractionType)
    assert all(0 <= weight <= 1 for weight in TYPE_WEIGHT.values())
    assert TERM_WEIGHTS.sum() == pytest.approx(1.0)


def test_an_event_score_is_the_weighted_mean_of_the_terms_present() -> None:
    """For every type and every presence of measurements the shares add up to the formula."""
    log = every_type_and_absence()
    shares = event_shares(event_terms(log)).sum(axis=0)
    np.testing.assert_allclose(shares, [plain_score(log, row) for row in range(len(log))], rtol=1e-12, atol=1e-15)
    assert shares.min() >= 0
    assert shares.max() <= 1


@settings(max_examples=200, deadline=None)
@given(log=logs())
def test_the_score_is_the_formula_over_all_events(log: Interactions) -> None:
    """The folded score at a time equals 100(1 − exp(−Σ s 2^(−age/7 d)/5)) within 1e-9, and its terms add up to it."""
    at_ms = int(log.at_ms.max(initial=0)) + 3 * DAY_MS
    total = np.zeros(len(LEARNERS))
    for row in range(len(log)):
        total[log.learner[row] - 1] += plain_score(log, row) * 2.0 ** ((int(log.at_ms[row]) - at_ms) / HALF_LIFE_MS)
    state = folded(log)
    scores = score_at(state, at_ms)
    np.testing.assert_allclose(scores, 100 * (1 - np.exp(-total / 5)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(terms_at(state, at_ms).sum(axis=0), scores, rtol=1e-9, atol=1e-12)
    assert ((scores >= 0) & (scores <= 100)).all()


def test_the_sum_behind_the_score_halves_in_a_week() -> None:
    """−ln(1 − E/100) is half as large seven days later."""
    log = every_type_and_absence()
    at_ms = int(log.at_ms.max())
    now, later = (-np.log1p(-score_at(folded(log), at) / 100) for at in (at_ms, at_ms + 7 * DAY_MS))
    np.testing.assert_allclose(later, now / 2, rtol=1e-9)


def test_nobody_is_engaged_by_nothing() -> None:
    """Without events the score and all its terms are 0, without a warning."""
    assert score_at(empty(2), 0).tolist() == [0.0, 0.0]
    assert terms_at(empty(2), 0).tolist() == [[0.0, 0.0]] * len(TERMS)


def test_a_skip_alone_scores_nothing() -> None:
    """A SKIP without measurements counts as an event but adds no engagement."""
    skip = interactions([(1, 1, InteractionType.SKIP.code, 0, 0, 0)])
    state = folded(skip)
    assert state.events.tolist() == [1, 0, 0, 0, 0]
    assert score_at(state, int(skip.at_ms[0]))[0] == 0.0


def test_reading_long_before_the_events_stays_a_number() -> None:
    """A read-out decades before the events is at most 100 and its terms stay finite."""
    state = folded(every_type_and_absence())
    assert np.all(score_at(state, 0) <= 100.0)
    assert np.isfinite(terms_at(state, 0)).all()


def test_only_the_learners_of_the_batch_are_in_the_groups() -> None:
    """Folding with the batch's own groups gives the same rows as folding with all learners."""
    log = interactions([(2, 1, 3, 5, 0, 999), (4, 1, 0, 7, 0, 12345)])
    own = update(empty(2), group(log.learner), log)
    np.testing.assert_array_equal(own.log_sums, folded(log).log_sums[:, [1, 3]])
