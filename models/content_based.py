r"""Which content is about what a learner likes?  TF-IDF vectors of the content, and one profile vector a learner.

A word t of a text weighs (1 + ln tf) ln(N / df); an item's vector x has unit length (Salton and Buckley 1988).  A
learner's profile is

    p = Σ_i ln(1 + P_i) x_i  −  ½ Σ_i ln(1 + Q_i) x_i  +  q ,

where P and Q are what speaks for and against each item (`models.preferences`; the logarithm keeps one much-used item
from drowning the rest) and q is the unit vector of the declared interests, worth about one finished item.  The score
of an item is the cosine of p and its vector.  It is a sum of three terms, one a part of p, so that a reason can be
made from the largest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from models.columns import Float32, Float64, Int64, Mask

TITLE_REPEATS = 3
"""A title says more about its content than a sentence of its description."""
DISLIKE_WEIGHT = 0.5
INTERESTS_WEIGHT = 1.0

# A profile whose likes and dislikes cancel out has no direction; float32 would make one up.
_LEAST_SQUARE = 1e-6

_WORD = re.compile(r"[^\W_]+")


class TextModel(NamedTuple):
    """What a set of texts says about words."""

    vocabulary: dict[str, int]
    inverse_frequency: Float64
    """(T,) ln(N / df) of each word."""


class Taste(NamedTuple):
    """What is known of L learners, as r pairs of a learner and an item."""

    owner: Int64
    """(r,) position of the learner, ascending."""
    item: Int64
    """(r,) position of the item among the vectors."""
    positive: Float64
    """(r,) what speaks for the item, >= 0."""
    negative: Float64
    """(r,) what speaks against it, >= 0."""
    interests: csr_array
    """(L, T) unit vectors of the declared interests; an empty row without any."""


class Scores(NamedTuple):
    """Cosines of L learners and I items, and what they are made of."""

    cosine: Float32
    """(L, I) in [−1, 1]; the sum of the three terms."""
    history: Float32
    """(L, I) >= 0"""
    interests: Float32
    """(L, I) >= 0"""
    dislikes: Float32
    """(L, I) <= 0"""
    known: Mask
    """(L,) whether there is a profile at all; without one every cosine is 0."""


def item_text(title: str | None, description: str | None, topics: Sequence[str], skills: Sequence[str]) -> str:
    """The text that stands for an item."""
    return " ".join([*([title or ""] * TITLE_REPEATS), description or "", *topics, *skills])


def fit(texts: Sequence[str]) -> TextModel:
    """The words of N texts; a word in all of them tells nothing and weighs 0."""
    having: Counter[str] = Counter()
    for text in texts:
        having.update(set(_WORD.findall(text.lower())))
    vocabulary = {word: place for place, word in enumerate(sorted(having))}
    frequency = np.array([having[word] for word in vocabulary], np.float64)
    return TextModel(vocabulary, np.log(len(texts) / np.maximum(frequency, 1.0)))


def vectors(model: TextModel, texts: Sequence[str]) -> csr_array:
    """Unit TF-IDF vectors of texts, (len(texts), T) float32; an empty row for a text without a telling word."""
    indices: list[int] = []
    counts: list[int] = []
    starts = [0]
    for text in texts:
        words = Counter(word for word in _WORD.findall(text.lower()) if word in model.vocabulary)
        indices += [model.vocabulary[word] for word in words]
        counts += words.values()
        starts.append(len(indices))
    columns = np.array(indices, np.int32)
    weights = (1.0 + np.log(np.array(counts, np.float64))) * model.inverse_frequency[columns]
    shape = (len(texts), max(1, len(model.vocabulary)))
    table = csr_array((weights, columns, np.array(starts, np.int32)), shape=shape)
    table.eliminate_zeros()
    return _unit_rows(table)


def score(items: csr_array, similar: Float32, known: Int64, taste: Taste) -> Scores:
    """The cosine of every learner's profile with every item, in its terms.

    Args:
        items: (I, T) unit vectors.
        similar: (k, I) cosines of the ``known`` items with all, see `similarities`.
        known: (k,) ascending positions of the items that occur in ``taste``.
        taste: what is known of the learners.
    """
    learners = taste.interests.shape[0]
    column = np.searchsorted(known, taste.item)
    shape = (learners, len(known))
    like = np.log1p(taste.positive).astype(np.float32)
    dislike = (DISLIKE_WEIGHT * np.log1p(taste.negative)).astype(np.float32)
    history = csr_array((like, (taste.owner, column)), shape=shape) @ similar
    disliked = dislike > 0
    aversion = csr_array((dislike[disliked], (taste.owner[disliked], column[disliked])), shape=shape)
    dislikes = -(aversion @ similar)
    interests = INTERESTS_WEIGHT * np.asarray((taste.interests @ items.T).toarray(), np.float32)
    product = history + dislikes + interests
    # |p|² = p·p with p = Σ w x + q:  Σ w (p·x) + Σ w (q·x) + q·q, all of which are there already.
    own = (like - dislike) * (product + interests)[taste.owner, taste.item]
    declared = INTERESTS_WEIGHT**2 * (np.diff(taste.interests.indptr) > 0)
    square = np.bincount(taste.owner, own, learners) + declared
    profiled = square > _LEAST_SQUARE
    scale = np.where(profiled, 1.0 / np.sqrt(np.maximum(square, _LEAST_SQUARE)), 0.0).astype(np.float32)[:, None]
    return Scores(product * scale, history * scale, interests * scale, dislikes * scale, profiled)


def similarities(items: csr_array, known: Int64) -> Float32:
    """(k, I) cosines of some items with all."""
    return np.asarray((items[known] @ items.T).toarray(), np.float32)


def strongest(taste: Taste, similar: Float32, known: Int64, wanted: Int64) -> Int64:
    """Position in ``taste`` of the pair that brings most to the history term of each wanted item; −1 without any.

    Args:
        taste: what is known of the learners.
        similar: (k, I) cosines of the ``known`` items with all.
        known: (k,) ascending positions of the items that occur in ``taste``.
        wanted: (L, m) positions of items; −1 is none.
    """
    best = np.full(wanted.shape, -1, np.int64)
    if not len(taste.owner):
        return best
    column = np.searchsorted(known, taste.item)
    brings = similar[column[:, None], wanted[taste.owner]] * np.log1p(taste.positive).astype(np.float32)[:, None]
    starts = np.flatnonzero(np.diff(taste.owner, prepend=-1))
    owners = taste.owner[starts]
    largest = np.maximum.reduceat(brings, starts, axis=0)
    # The first pair, in the order of taste, that brings the largest.
    is_largest = brings == largest[np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(taste.owner))))]
    place = np.where(is_largest, np.arange(len(taste.owner))[:, None], len(taste.owner))
    first = np.minimum.reduceat(place, starts, axis=0)
    best[owners] = np.where((largest > 0) & (wanted[owners] >= 0), first, -1)
    return best


def _unit_rows(table: csr_array) -> csr_array:
    length: NDArray[np.float64] = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    return csr_array(diags_array(1.0 / np.maximum(length, 1e-12)) @ table, dtype=np.float32)
