"""The compiled kernels against the plain Python definition and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.recommendation.blend import FEATURES, empty_blend, learn
from models.recommendation.bounded_rows import empty_rows, entry_for, prune_half
from models.recommendation.candidates import choose_candidates
from models.recommendation.fold import empty_work
from models.recommendation.popularity import LEADERS, count_popularity, empty_popularity
from models.recommendation.reference import Reference, features_of, gradient_step
from models.recommendation.scoring import clear_scores, score_sources
from models.recommendation.selection import kth_largest
from models.recommendation.sources import ACCUMULATED, NAMES, SOURCE_COUNT
from models.recommendation.tables import Capacity, count_events, empty_tables

DAY_MS = 86_400_000
ITEMS = 40


def random_log(seed: int, events: int = 400, learners: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events with repeats, short and long gaps and some equal time stamps, in order of time."""
    rng = np.random.default_rng(seed)
    learner = rng.integers(0, learners, events)
    item = np.minimum(rng.geometric(0.08, events) - 1, ITEMS - 1)
    gap = rng.choice([60_000, 3 * 3_600_000, 2 * DAY_MS], events, p=[0.6, 0.3, 0.1])
    return learner.astype(np.int64), item.astype(np.int64), (1_600_000_000_000 + np.cumsum(gap)).astype(np.int64)


@pytest.mark.parametrize("seed", [1, 2])
def test_scores_of_every_counted_source_equal_the_reference(seed: int) -> None:
    """While no row is full, each source scores each item as the plain Python definition does."""
    learner, item, at_ms = random_log(seed)
    tables = empty_tables(Capacity(items=ITEMS, learners=12, pairs=500))
    work = empty_work(ITEMS, 12, 200)
    count_events(tables, learner, item, at_ms)
    plain = Reference(ITEMS)
    for u, i, t in zip(learner.tolist(), item.tolist(), at_ms.tolist(), strict=True):
        plain.count(u, i, t)
    admitted = np.ones(SOURCE_COUNT, np.bool_)
    now = int(at_ms[-1]) + 60_000
    for u in range(12):
        expected = plain.scores(u, now)
        score_sources(work.scores, tables, admitted, u, now)
        for source, name in enumerate(NAMES[:ACCUMULATED]):
            if name in expected:
                wanted = np.array([expected[name].get(x, 0.0) for x in range(ITEMS)])
                np.testing.assert_allclose(work.scores.score[:, source], wanted, rtol=2e-5, atol=1e-9, err_msg=name)
        count = choose_candidates(work.candidates, work.scores, tables, admitted, u, True)
        clear_scores(work.scores)
        assert set(work.candidates.item[:count].tolist()) <= set(range(ITEMS)) - plain.taken[u]
    for kind, name in ((0, "pop"), (1, "pop30"), (2, "pop7")):
        rate = 0.0 if kind == 0 else np.log(2.0) / ((30, 7)[kind - 1] * DAY_MS)
        counted = np.exp(tables.popularity.log_weight[kind] - rate * now)
        wanted = np.array([expected[name].get(x, 0.0) for x in range(ITEMS)])
        np.testing.assert_allclose(counted, wanted, rtol=1e-9)


def test_work_space_is_clean_after_a_request() -> None:
    """Clearing leaves no score, mark or similarity behind for the next learner."""
    learner, item, at_ms = random_log(3)
    tables = empty_tables(Capacity(items=ITEMS, learners=12, pairs=500))
    count_events(tables, learner, item, at_ms)
    work = empty_work(ITEMS, 12, 200)
    score_sources(work.scores, tables, np.ones(SOURCE_COUNT, np.bool_), 0, int(at_ms[-1]))
    choose_candidates(work.candidates, work.scores, tables, np.ones(SOURCE_COUNT, np.bool_), 0, True)
    assert work.scores.score.any()
    clear_scores(work.scores)
    assert not work.scores.score.any()
    assert not work.scores.seen.any()
    assert not work.scores.neighbours.similarity.any()
    assert not work.candidates.chosen.any()


def test_learning_equals_numpy() -> None:
    """One gradient step of the kernel equals the NumPy formula, shared and bucket weights, and moves nothing else."""
    rng = np.random.default_rng(4)
    features = rng.random((50, FEATURES))
    blend = empty_blend()
    weight, square = np.zeros_like(blend.weight), np.zeros_like(blend.square)
    for target, bucket in ((7, 2), (0, 5), (49, 2)):
        score = features @ (blend.weight[0] + blend.weight[1 + bucket])
        learn(blend, features, score, 50, bucket, target)
        gradient_step(weight, square, features, bucket, target)
    np.testing.assert_allclose(blend.weight, weight, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(blend.square, square, rtol=1e-9, atol=1e-12)
    assert not blend.weight[1].any()


def test_reference_features_are_normalised() -> None:
    """Feature A of the best item is 1, B is 1 there too, and C shrinks it by the mean maximum so far."""
    a, b, c = features_of(np.array([0.0, 1.0, 4.0]), popular=False, mean=4.0)[2]
    assert (a, b, c) == pytest.approx((1.0, 1.0, 0.5))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.data())
@settings(max_examples=60, deadline=None)
def test_kth_largest_equals_sorting(numbers: list[int], data: st.DataObject) -> None:
    """Quickselect finds what sorting finds, ties included."""
    k = data.draw(st.integers(1, len(numbers)))
    assert kth_largest(np.array(numbers, np.float64), k) == sorted(numbers, reverse=True)[k - 1]


@given(st.lists(st.integers(1, 5), min_size=8, max_size=8))
@settings(max_examples=60, deadline=None)
def test_prune_keeps_the_heavier_half_in_order(weights: list[int]) -> None:
    """Of a full row the heavier half stays, in its old order; of equal weights the younger entries stay."""
    rows = empty_rows(1, 8, 2)
    for item, weight in enumerate(weights):
        rows.weights[0, entry_for(rows, 0, item)] = (weight, 10 * weight)
    prune_half(rows, 0)
    kept = sorted(sorted(range(8), key=lambda k: (-weights[k], -k))[:4])
    assert rows.ids[0, :4].tolist() == kept
    assert rows.weights[0, :4].tolist() == [[weights[k], 10 * weights[k]] for k in kept]
    assert rows.length[0] == 4


def test_a_newcomer_to_a_full_row_starts_at_zero() -> None:
    """After a prune the newcomer has its own weight only, not a dropped entry's."""
    rows = empty_rows(1, 4, 1)
    for item in range(4):
        rows.weights[0, entry_for(rows, 0, item), 0] += 5.0
    entry = entry_for(rows, 0, 99)
    assert rows.length[0] == 3
    assert rows.weights[0, entry, 0] == 0.0
    assert rows.ids[0, entry] == 99


def test_the_most_popular_are_kept_exactly() -> None:
    """The ready list equals a sort of all counts, with more items than it holds and with fading counts."""
    rng = np.random.default_rng(5)
    popularity = empty_popularity(600)
    for k, item in enumerate(np.minimum(rng.geometric(0.004, 4000) - 1, 599).tolist()):
        count_popularity(popularity, item, 1_600_000_000_000 + k * 3_600_000)
    for kind in range(3):
        weight = popularity.log_weight[kind]
        assert popularity.leaders_length[kind] == LEADERS
        shown = weight[popularity.leaders[kind]]
        np.testing.assert_array_equal(np.sort(weight)[::-1][:LEADERS], shown)
