"""Is the content-based score the cosine it claims to be, and do its terms and reasons add up?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from models import content_based
from models.content_based import DISLIKE_WEIGHT, INTERESTS_WEIGHT, Taste

EXAMPLES = settings(max_examples=200, deadline=None)

TEXTS = [
    content_based.item_text("Linear equations", "Solving for one unknown", ["algebra"], ["equations"]),
    content_based.item_text("Quadratic equations", "Parabolas and roots", ["algebra"], ["equations"]),
    content_based.item_text("Essay writing", "Structure of an argument", ["writing"], ["essays"]),
    content_based.item_text("Poetry", "Metre and rhyme", ["writing"], []),
    content_based.item_text(None, None, [], []),
]
MODEL = content_based.fit(TEXTS)
ITEMS = content_based.vectors(MODEL, TEXTS)
ALL = np.arange(len(TEXTS))
SIMILAR = content_based.similarities(ITEMS, ALL)
INTERESTS = ["", "algebra", "poetry writing", "unheard words", "equations"]

weights = st.floats(0, 50, allow_nan=False)
tastes = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), weights, weights), max_size=15, unique_by=lambda one: one[:2]
)


def taste_of(pairs: list[tuple[int, int, float, float]]) -> Taste:
    """What (learner, item, positive, negative) say of five learners with the INTERESTS."""
    ordered = np.array(sorted(pairs), float).reshape(-1, 4)
    owner, item = ordered[:, :2].T.astype(np.int64)
    return Taste(owner, item, ordered[:, 2], ordered[:, 3], content_based.vectors(MODEL, INTERESTS))


@EXAMPLES
@given(pairs=tastes)
def test_the_score_is_the_cosine_of_profile_and_item(pairs: list[tuple[int, int, float, float]]) -> None:
    """Scores equal a dense computation of the profile and its cosine, and are the sum of their terms."""
    taste = taste_of(pairs)
    known = np.unique(taste.item)
    scores = content_based.score(ITEMS, SIMILAR[known], known, taste)
    dense, declared = ITEMS.toarray().astype(float), taste.interests.toarray().astype(float)
    for learner in range(len(INTERESTS)):
        mine = taste.owner == learner
        profile = INTERESTS_WEIGHT * declared[learner]
        profile = profile + np.log1p(taste.positive[mine]) @ dense[taste.item[mine]]
        profile = profile - DISLIKE_WEIGHT * np.log1p(taste.negative[mine]) @ dense[taste.item[mine]]
        length = np.linalg.norm(profile)
        if not scores.known[learner]:
            assert length < 2e-3
            assert not scores.cosine[learner].any()
        elif length > 0.05:  # below, float32 does not tell the direction exactly
            np.testing.assert_allclose(scores.cosine[learner], dense @ profile / length, atol=2e-3)
    np.testing.assert_allclose(scores.history + scores.interests + scores.dislikes, scores.cosine, atol=1e-3)
    assert (scores.history >= 0).all()
    assert (scores.interests >= 0).all()
    assert (scores.dislikes <= 0).all()


@EXAMPLES
@given(pairs=tastes)
def test_the_strongest_pair_is_the_one_that_brings_most(pairs: list[tuple[int, int, float, float]]) -> None:
    """The item named in a reason is the learner's own, and no other of his brings more."""
    taste = taste_of(pairs)
    known = np.unique(taste.item)
    wanted = np.tile(np.array([3, 0, -1, 1]), (len(INTERESTS), 1))
    found = content_based.strongest(taste, SIMILAR[known], known, wanted)
    assert (found[:, 2] == -1).all()
    brings = np.log1p(taste.positive)[:, None] * SIMILAR[taste.item]
    for learner in range(len(INTERESTS)):
        mine = np.flatnonzero(taste.owner == learner)
        for place, item in enumerate(wanted[learner].tolist()):
            pair = found[learner, place]
            if item >= 0 and len(mine) and brings[mine, item].max() > 1e-6:
                assert pair in mine
                np.testing.assert_allclose(brings[pair, item], brings[mine, item].max(), rtol=1e-5)
            elif item < 0 or not len(mine) or not brings[mine, item].any():
                assert pair == -1


@pytest.mark.parametrize(
    ("pairs", "first"),
    [
        ([(0, 0, 3.0, 0.0)], [0, 1]),  # linear equations, then the other equations
        ([(0, 3, 3.0, 0.0)], [3, 2]),
        ([(0, 0, 1.0, 0.0), (0, 3, 0.0, 5.0)], [0, 1]),
    ],
)
def test_rankings_of_some_learners(pairs: list[tuple[int, int, float, float]], first: list[int]) -> None:
    """Hand-made likes and dislikes, and the two items nearest to them."""
    taste = taste_of(pairs)
    known = np.unique(taste.item)
    cosine = content_based.score(ITEMS, SIMILAR[known], known, taste).cosine[0]
    assert np.argsort(-cosine, kind="stable")[:2].tolist() == first


def test_declared_interests_alone_make_a_profile() -> None:
    """A learner without history is led by the words of his interests; words that no content has make no profile."""
    taste = taste_of([])
    scores = content_based.score(ITEMS, SIMILAR[[]], np.empty(0, np.int64), taste)
    assert scores.known.tolist() == [False, True, True, False, True]
    assert set(np.argsort(-scores.cosine[1])[:2].tolist()) == {0, 1}
    assert int(np.argmax(scores.cosine[2])) == 3


def test_vectors_have_unit_length_or_none() -> None:
    """A text with a telling word has a unit vector, any other an empty one; a word in all texts tells nothing."""
    lengths = np.sqrt((ITEMS.toarray() ** 2).sum(axis=1))
    np.testing.assert_allclose(lengths, [1, 1, 1, 1, 0], atol=1e-6)
    same = content_based.fit(["a b", "a c"])
    assert content_based.vectors(same, ["a"]).toarray().tolist() == [[0.0, 0.0, 0.0]]


def test_a_catalogue_without_any_word_is_no_error() -> None:
    """Stubs alone give empty vectors and no similarity."""
    model = content_based.fit(["", ""])
    empty = content_based.vectors(model, ["", "algebra"])
    assert isinstance(empty, csr_array)
    assert not content_based.similarities(empty, np.arange(2)).any()


def test_words_are_read_without_regard_to_case_and_in_any_script() -> None:
    """Case does not matter, and letters outside ASCII make words."""
    model = content_based.fit(["Größe", "数学 ÉTÉ", "x"])
    assert set(model.vocabulary) == {"größe", "数学", "été", "x"}
    assert content_based.vectors(model, ["été"]).toarray().sum() == pytest.approx(1.0)
