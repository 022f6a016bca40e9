"""What is done with a scored list: diversity, exploration, measures."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommendation.bounded_rows import empty_rows
from models.recommendation.diversity import diversified, similarity_of
from models.recommendation.exploration import SHARE, explore
from models.recommendation.metrics import coverage, hit_rate, ndcg, set_ndcg, set_recall


def test_full_balance_keeps_the_order_of_relevance() -> None:
    """With lambda 1 nothing changes."""
    order = diversified(np.array([3.0, 1.0, 2.0]), np.ones((3, 3)), 3, balance=1.0)
    assert order.tolist() == [0, 2, 1]


def test_a_twin_of_the_first_waits() -> None:
    """An item equal to the one picked gives way to a different one that is nearly as relevant."""
    similarity = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert diversified(np.array([1.0, 0.95, 0.9]), similarity, 3, balance=0.5).tolist() == [0, 2, 1]


def test_diversity_of_nothing_is_nothing_and_bad_balance_is_refused() -> None:
    """An empty list stays empty; a balance outside [0, 1] is an error."""
    assert len(diversified(np.zeros(0), np.zeros((0, 0)), 5)) == 0
    with pytest.raises(ValueError, match="between 0"):
        diversified(np.zeros(1), np.zeros((1, 1)), 1, balance=1.5)


def test_similarity_is_symmetric_even_if_one_row_dropped_the_pair() -> None:
    """The larger of both directions counts."""
    rows = empty_rows(5, 2, 1)
    rows.ids[1, 0], rows.weights[1, 0, 0], rows.length[1] = 3, 0.7, 1
    similarity = similarity_of(np.array([1, 3]), rows.ids, rows.weights, rows.length)
    np.testing.assert_allclose(similarity, [[0.0, 0.7], [0.7, 0.0]])


def test_exploration_happens_at_its_share_with_honest_propensities() -> None:
    """The slot explores in about 10 % of lists, and inverse propensities of what was shown sum to what they should."""
    generator = np.random.default_rng(1)
    clicks, shows = np.array([0, 1, 5]), np.array([0, 2, 9])
    outcomes = [explore(clicks, shows, generator) for _ in range(4_000)]
    tried = [one for one in outcomes if one.place >= 0]
    assert len(tried) / 4_000 == pytest.approx(SHARE, abs=0.02)
    assert all(0.0 < one.propensity <= SHARE for one in tried)
    assert {one.place for one in tried} == {0, 1, 2}
    for place in range(3):
        shown = [one.propensity for one in tried if one.place == place]
        assert len(shown) / 4_000 == pytest.approx(np.mean(shown), abs=0.02)


def test_exploration_without_candidates_leaves_the_list_alone() -> None:
    """No candidates: the list stays for certain; impossible counts are refused."""
    generator = np.random.default_rng(1)
    none = np.zeros(0, np.int64)
    assert explore(none, none, generator).propensity == 1.0
    with pytest.raises(ValueError, match="between 0 and shows"):
        explore(np.array([2]), np.array([1]), generator)


def test_measures_of_one_relevant_item() -> None:
    """Rank 0 gains 1, rank 1 gains 1 / log2 3, rank 10 nothing."""
    rank = np.array([0, 1, 10], np.int32)
    assert hit_rate(rank) == pytest.approx(2 / 3)
    assert ndcg(rank) == pytest.approx((1 + 1 / np.log2(3)) / 3)
    assert hit_rate(rank[:0]) == ndcg(rank[:0]) == 0.0


def test_measures_of_a_set() -> None:
    """A perfect list has recall and NDCG 1; recall divides by what could be shown."""
    relevant = frozenset(range(20))
    assert set_recall(list(range(10)), relevant) == 1.0
    assert set_ndcg(list(range(10)), relevant) == pytest.approx(1.0)
    assert set_recall([1, 99], frozenset({1, 2})) == 0.5
    assert set_ndcg([99, 1], frozenset({1})) == pytest.approx(1 / np.log2(3))


def test_coverage_ignores_empty_places() -> None:
    """Coverage counts different items shown, of those known."""
    assert coverage(np.array([[1, 2, -1], [2, -1, -1]], np.int32), 4) == 0.5
