"""Do the metrics of the hold-out say what their formulas say, and do trainers give what the definition gives?"""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.recommendation.hold_out import cut_for, evaluate, judged_learners, split_at
from models.recommendation.item_weights import ItemWeights, heaviest, matrix, train_cosine
from models.recommendation.svd import train_svd

ITEMS = np.array([10, 20, 30, 40])


def weights(dense: list[list[float]]) -> ItemWeights:
    """A model over ITEMS."""
    return heaviest(ITEMS, np.array(dense))


def test_metrics_of_one_learner_by_hand() -> None:
    """History 10; shown 20, 30, 40 in this order; relevant are 30 and an item the model does not know."""
    model = weights([[0, 3, 2, 1], [0] * 4, [0] * 4, [0] * 4])
    split = split_at(np.array([1, 1, 1, 1]), np.array([10, 30, 99, 10]), np.array([1, 5, 6, 7]), 5)
    judged = judged_learners(split)
    result = evaluate(model, split, judged)
    precision, recall = 1 / 10, 1 / 2
    assert result.learners == 1
    assert result.precision == pytest.approx(precision)
    assert result.recall == pytest.approx(recall)
    assert result.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert result.ndcg == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))


def test_newer_history_weighs_more_and_history_is_not_shown() -> None:
    """The newest item's neighbour comes first: .85 for one step back; items already taken are left out."""
    model = weights([[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1], [0] * 4])
    # 10 then 30: scores 20 -> .85, 40 -> 1, 10 is in the history.
    split = split_at(np.array([1, 1, 1]), np.array([10, 30, 40]), np.array([1, 2, 9]), 5)
    assert evaluate(model, split, np.array([1])).ndcg == pytest.approx(1.0)


def test_only_learners_with_a_past_and_something_new_are_judged() -> None:
    """One without a past, one without a future, and one who only repeats himself are left out."""
    learner = np.array([1, 1, 2, 3, 4, 4])
    item = np.array([10, 20, 20, 10, 10, 10])
    at_ms = np.array([1, 9, 9, 1, 1, 9])
    assert judged_learners(split_at(learner, item, at_ms, 5)).tolist() == [1]


def test_the_cut_leaves_the_newest_share_and_never_goes_back() -> None:
    """A tenth of a hundred events lies at or behind the cut; a later floor wins."""
    at_ms = np.arange(100)
    assert int((at_ms >= cut_for(at_ms, 0.1, 0)).sum()) == 10
    assert cut_for(at_ms, 0.1, 97) == 97


def test_rows_keep_the_heaviest_positive_weights() -> None:
    """Negative and light entries are dropped, order is by weight, the matrix has what was kept."""
    model = heaviest(ITEMS, np.array([[0, 0.2, -1, 0.5], [0.1, 0, 0.3, 0.2], [0] * 4, [1, 1, 1, 0]]), row=2)
    assert model.ids.tolist() == [[3, 1], [2, 3], [0, 0], [0, 1]]
    assert matrix(model).toarray()[1].tolist() == pytest.approx([0, 0, 0.3, 0.2])


def test_cosine_is_the_share_of_common_learners() -> None:
    """Three took a, two of them b: 2 / sqrt(3 * 2); repeats count once."""
    learner = np.array([0, 0, 0, 1, 1, 2], np.int32)
    item = np.array([0, 1, 1, 0, 1, 0], np.int32)
    dense = train_cosine(learner, np.array([0, 1]), item)
    assert dense == pytest.approx(np.array([[0, 2 / math.sqrt(6)], [2 / math.sqrt(6), 0]]))


def test_svd_of_blocks_joins_what_one_block_took() -> None:
    """Two groups of learners with disjoint items: weights within a group, none between; twice the same bytes."""
    learner = np.repeat(np.arange(8), 3).astype(np.int32)
    item = np.concatenate([np.tile([0, 1, 2], 4), np.tile([3, 4, 5], 4)]).astype(np.int32)
    dense = train_svd(learner, np.arange(6), item)
    assert dense[0, 1] > 0.3
    assert abs(dense[0, 4]) < 1e-9
    assert dense.tobytes() == train_svd(learner, np.arange(6), item).tobytes()
