"""Does a list hold the best items that may be shown, in order, with terms that add up and a fitting reason?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.content_based import Scores
from models.list_ranking import BLEND, TERMS, WITHOUT_PROFILE, blocked, confidence, rank
from models.reasons import NO_TERM, reason

EXAMPLES = settings(max_examples=200, deadline=None)


def some_scores(rng: np.random.Generator, learners: int, items: int) -> Scores:
    """Terms in their ranges; every third learner without a profile."""
    history, interests, dislikes = (
        rng.random((learners, items)).astype(np.float32) * part for part in (0.6, 0.3, -0.4)
    )
    known = np.arange(learners) % 3 != 0
    history, interests, dislikes = (part * known[:, None] for part in (history, interests, dislikes))
    return Scores(history + interests + dislikes, history, interests, dislikes, known)


@EXAMPLES
@given(
    kind=st.sampled_from(sorted(BLEND)),
    seed=st.integers(0, 10_000),
    items=st.integers(1, 40),
    limit=st.integers(1, 45),
)
def test_a_list_holds_the_best_that_may_be_shown(kind: str, seed: int, items: int, limit: int) -> None:
    """Lists equal a full sort of the blended scores, without what is excluded, and their terms sum to the score."""
    rng = np.random.default_rng(seed)
    scores = some_scores(rng, 6, items)
    popularity = rng.random(items).astype(np.float32)
    excluded = rng.random((6, items)) < 0.3
    ranked = rank(kind, scores, popularity, excluded, rng.permutation(items), limit)
    for learner in range(6):
        content, trend = BLEND[kind] if scores.known[learner] else WITHOUT_PROFILE
        total = content * scores.cosine[learner] + trend * popularity
        shown = [item for item in ranked.item[learner].tolist() if item >= 0]
        allowed = np.flatnonzero(~excluded[learner])
        assert len(shown) == len(set(shown)) == min(limit, len(allowed))
        assert not excluded[learner, shown].any()
        best = np.sort(total[allowed])[::-1][: len(shown)]
        np.testing.assert_allclose(total[shown], best, atol=2e-6)  # ties may be ordered either way
        terms = ranked.terms[learner, : len(shown)]
        np.testing.assert_allclose(terms.sum(axis=1), total[shown], atol=3e-4)  # four terms of four decimals


def test_equal_scores_come_in_the_given_order() -> None:
    """Where nothing is known, the tie order decides alone."""
    nothing = np.zeros((1, 5), np.float32)
    scores = Scores(nothing, nothing, nothing, nothing, np.array([False]))
    ranked = rank("hybrid", scores, nothing[0], np.zeros((1, 5), bool), np.array([3, 0, 4, 1, 2]), 3)
    assert ranked.item.tolist() == [[1, 3, 4]]


def test_an_item_waits_for_all_of_its_prerequisites() -> None:
    """Item 2 needs 0 and 1, item 3 needs something unknown; only who completed both may see item 2."""
    completed = np.array([[False, False, False, False], [True, False, False, False], [True, True, False, False]])
    found = blocked(completed, np.array([2, 2, 3]), np.array([0, 1, -1]))
    assert found[:, 2].tolist() == [True, True, False]
    assert found[:, 3].tolist() == [True, True, True]
    assert not found[:, :2].any()


def test_confidence_grows_with_evidence() -> None:
    """Nothing known is 0, and more interactions only add."""
    grown = confidence(np.array([0, 1, 20, 500]))
    assert grown[0] == 0
    assert (np.diff(grown) > 0).all()
    assert grown[2] == pytest.approx(1 - np.exp(-1))


@pytest.mark.parametrize(
    ("terms", "because", "begun", "sentence"),
    [
        ((0.5, 0.1, 0.0, 0.2), "Linear equations", False, "Close to “Linear equations”, which you used."),
        ((0.5, 0.1, 0.0, 0.2), "Linear equations", True, "You began it and have not finished it."),
        ((0.5, 0.1, -0.3, 0.2), None, False, "Close to what you used."),
        ((0.1, 0.4, 0.0, 0.2), "Linear equations", False, "Fits the interests in your profile."),
        ((0.1, 0.1, 0.0, 0.2), "Linear equations", False, "Popular with other learners right now."),
        ((0.0, 0.0, -0.2, 0.0), None, False, NO_TERM),
        ((0.0, 0.0, 0.0, 0.0), None, False, NO_TERM),
    ],
)
def test_the_reason_is_made_from_the_largest_term(
    terms: tuple[float, ...], because: str | None, begun: bool, sentence: str
) -> None:
    """Hand-made terms, and the sentence."""
    assert len(terms) == len(TERMS)
    assert reason(terms, because, begun=begun) == sentence
