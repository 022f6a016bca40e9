"""The batch models against their defining equations and on a log whose right answer is obvious."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommendation.bounded_rows import empty_rows
from models.recommendation.content import item_text, nearest_rows, tfidf
from models.recommendation.ease import most_taken, train_ease
from models.recommendation.ials import PENALTY, UNOBSERVED, fold_in, score_ials, train_ials
from models.recommendation.item_weights import largest, rows_of, taken_matrix
from models.recommendation.next_item_ridge import examples, train_ridge
from models.recommendation.svd import item_factors, train_svd
from models.recommendation.user_similarity import score_users, similar_learners

ODD = np.array([1, 3, 5, 7])


def checkerboard() -> tuple[np.ndarray, np.ndarray]:
    """Twelve learners take either the even or the odd ones of eight items, each but one of them."""
    pairs = [(u, i) for u in range(12) for i in range(8) if i % 2 == u % 2 and i // 2 != (u // 2) % 4]
    learner, item = np.array(pairs, np.int32).T
    return learner, item


def best(score: np.ndarray, had: list[int]) -> int:
    """The best item that was not had."""
    return int(np.argmax([-np.inf if k in had else value for k, value in enumerate(score)]))


@pytest.mark.parametrize("model", ["svd", "ials", "users", "ease"])
def test_every_model_completes_the_checkerboard(model: str) -> None:
    """Who took three of the four odd items is offered the fourth."""
    learner, item = checkerboard()
    taken = taken_matrix(learner, np.arange(8), item)
    had = np.array([1, 3, 5])
    if model == "svd":
        score = train_svd(learner, np.arange(8), item)[had].sum(axis=0)
    elif model == "ials":
        score = score_ials(train_ials(taken, factors=4), had)
    elif model == "users":
        score = score_users(taken, had)
    else:
        score = train_ease(learner, np.arange(8), item)[had].sum(axis=0)
    assert best(score, had.tolist()) == 7


def test_ease_is_the_constrained_ridge_solution() -> None:
    """B has a zero diagonal and each column is the ridge regression of its item on all the others."""
    learner, item = checkerboard()
    x = taken_matrix(learner, np.arange(8), item).toarray()
    weights = train_ease(learner, np.arange(8), item)
    shrinkage = 7.0 * len(item) / 12
    for column in range(8):
        others = [k for k in range(8) if k != column]
        gram = x[:, others].T @ x[:, others] + shrinkage * np.eye(7)
        expected = np.linalg.solve(gram, x[:, others].T @ x[:, column])
        np.testing.assert_allclose(weights[others, column], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(np.diag(weights), 0.0)


def test_ease_counts_repeats_once() -> None:
    """Taking an item twice is taking it."""
    learner, item = checkerboard()
    twice = train_ease(np.tile(learner, 2), np.arange(8), np.tile(item, 2))
    np.testing.assert_allclose(twice, train_ease(learner, np.arange(8), item))


def test_rows_keep_the_entries_of_largest_size() -> None:
    """A bounded row holds the largest weights of its line, of either sign, and no others."""
    weights = np.array([[0.0, 0.5, -1.0, 0.2, 0.9], *np.zeros((4, 5))])
    rows = empty_rows(10, 2, 1)
    slots = np.array([1, 3, 5, 7, 9])
    rows_of(largest(slots, weights, 2), slots, rows)
    assert dict(zip(rows.ids[1].tolist(), rows.weights[1, :, 0].tolist(), strict=True)) == {
        5: -1.0,
        9: pytest.approx(0.9),
    }
    assert rows.length[3] == 0


def test_most_taken_are_in_slot_order() -> None:
    """The most frequent items are chosen and returned by slot."""
    assert most_taken(np.array([4, 4, 1, 2, 2, 2], np.int32), 2).tolist() == [2, 4]


def test_ridge_examples_weigh_the_history_by_age() -> None:
    """The third event of a learner has his last item with weight 1 and the one before with .8."""
    x, y = examples(np.array([0, 1, 0, 0], np.int32), np.array([2, 3, 4, 5], np.int32), np.arange(6))
    lines = [line for line in x.toarray() if line.any()]
    np.testing.assert_allclose(lines[1], [0, 0, 0.8, 0, 1.0, 0])
    assert y.sum() == 4


def test_ridge_learns_the_next_item() -> None:
    """On walks 0, 1, 2, 3 the best item after 0, 1 is 2."""
    learner, item = np.repeat(np.arange(20), 4).astype(np.int32), np.tile(np.arange(4), 20).astype(np.int32)
    weights = train_ridge(learner, np.arange(4), item)
    assert best(weights[1] + 0.85 * weights[0], [0, 1]) == 2


def test_ials_factors_are_the_minimum_of_the_loss() -> None:
    """A folded-in learner's factors are where the gradient of the loss vanishes."""
    learner, item = checkerboard()
    model = train_ials(taken_matrix(learner, np.arange(8), item), factors=3)
    p = fold_in(model, ODD[:3], age=1.0)
    q = model.item[ODD[:3]]
    penalty = PENALTY * (3 + UNOBSERVED * 8)
    gradient = q.T @ (q @ p - 1.0) + UNOBSERVED * model.item.T @ (model.item @ p) + penalty * p
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


def test_daily_models_are_deterministic() -> None:
    """The same events and seed give the same factors."""
    learner, item = checkerboard()
    taken = taken_matrix(learner, np.arange(8), item)
    np.testing.assert_array_equal(train_ials(taken, 3, seed=5).item, train_ials(taken, 3, seed=5).item)
    np.testing.assert_array_equal(item_factors(taken, 3), item_factors(taken, 3))


def test_svd_is_the_best_low_rank_projection() -> None:
    """Scores of a row that was in the matrix are its row of the rank-k approximation."""
    learner, item = checkerboard()
    taken = taken_matrix(learner, np.arange(8), item)
    u, s, v = np.linalg.svd(taken.toarray())
    expected = (u[:, :2] * s[:2]) @ v[:2]
    factors = item_factors(taken, 2)
    np.testing.assert_allclose(factors @ factors[item[learner == 0]].sum(axis=0), expected[0], atol=1e-9)


def test_svd_of_one_learner_says_nothing() -> None:
    """A matrix of one learner has no factors to speak of."""
    assert not train_svd(np.array([0], np.int32), np.arange(5), np.array([0], np.int32)).any()


def test_similar_learners_are_found_by_cosine() -> None:
    """The most similar learner shares the most, and who shares nothing is left out."""
    taken = taken_matrix(np.array([0, 0, 1, 1, 2], np.int32), np.arange(4), np.array([0, 1, 1, 2, 3], np.int32))
    who, cosine = similar_learners(taken, np.array([0, 1]))
    assert who.tolist() == [0, 1]
    np.testing.assert_allclose(cosine, [1.0, 0.5])


def test_content_vectors_follow_the_formula() -> None:
    """A vector is (1 + ln tf) ln(N / df) at unit length; rare and common words are left out."""
    texts = ["red red blue", "blue green", "green", "grey", "grey common", "a", "b", "c", "d", "e"]
    texts = [f"{text} every" for text in texts]
    vector = tfidf(texts)[[0]].toarray().ravel()
    assert vector[vector > 0].tolist() == pytest.approx([1.0])  # of the first text only "blue" is in 2 texts
    np.testing.assert_allclose(np.linalg.norm(tfidf(texts)[[1]].toarray()), 1.0)


def test_content_rows_hold_the_nearest() -> None:
    """The row of an item holds its nearest by cosine, best first, not itself; an item without text has none."""
    texts = ["alpha beta", "alpha beta", "beta gamma", "gamma delta", "delta", "", "x", "y", "z", "w"]
    rows = empty_rows(20, 3, 1)
    nearest_rows(tfidf(texts), np.arange(10, 20), rows)
    assert rows.ids[10, 0] == 11
    assert rows.weights[10, 0, 0] == pytest.approx(1.0)
    assert 10 not in rows.ids[10, : rows.length[10]]
    assert rows.length[15] == 0


def test_item_text_weighs_the_title_three_times() -> None:
    """The title counts three times."""
    assert item_text("Excel", "tables", ["office"]).split().count("Excel") == 3
