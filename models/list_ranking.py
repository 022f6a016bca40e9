"""Which items does a learner's list hold, in which order, and how much did each source contribute?

Every kind of list blends the same sources with its own weights: the content-based cosine (three terms,
`models.content_based`) and popularity (`models.trending`).  A learner of whom nothing is known gets what is popular,
so that no list is empty while there is content left to show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import Float32, Float64, Int64, Mask
from models.content_based import Scores

TERMS = ("history", "interests", "dislikes", "trending")
"""Names of the terms of a score, in the order of every array of terms here and of the table's column ``terms``."""

# By kind of list: the weights of the content-based cosine and of popularity, for a learner with a profile.
# The hybrid weights are a judgement until they are learnt from what learners do next.
BLEND: dict[str, tuple[float, float]] = {
    "content_based": (1.0, 0.0),
    "trending": (0.0, 1.0),
    "hybrid": (0.75, 0.25),
}
WITHOUT_PROFILE = (0.0, 1.0)

CONFIDENCE_EVENTS = 20.0
"""Interactions after which a learner is 1 − 1/e known."""

# Only there to order equal scores: far below any difference that means something.
_TIE = 1e-6


class Ranked(NamedTuple):
    """The lists of L learners, best first, at most N items each."""

    item: Int64
    """(L, N) positions of items; −1 behind the end of a list."""
    terms: Float64
    """(L, N, 4) in the order of `TERMS`, rounded to 4 decimals; an item's score is their sum."""


def rank(kind: str, scores: Scores, popularity: Float32, excluded: Mask, tie_order: Int64, limit: int) -> Ranked:
    """The lists of one kind.

    Args:
        kind: a key of `BLEND`.
        scores: content-based, of L learners and I items.
        popularity: (I,) in [0, 1].
        excluded: (L, I) what a learner must not be shown.
        tie_order: (I,) a permutation's ranks: of equal scores, the lower rank comes first.
        limit: N, at most.
    """
    known, unknown = BLEND[kind], WITHOUT_PROFILE
    content_weight = np.where(scores.known, known[0], unknown[0]).astype(np.float32)[:, None]
    trend_weight = np.where(scores.known, known[1], unknown[1]).astype(np.float32)[:, None]
    ties = (tie_order * (_TIE / max(1, len(tie_order)))).astype(np.float32)
    total = content_weight * scores.cosine + (trend_weight * popularity - ties)
    total[excluded] = -np.inf
    item = _largest(total, limit)
    owner = np.arange(len(item))[:, None]
    item = np.where(np.isfinite(total[owner, item]), item, -1)
    terms: Float64 = np.empty((*item.shape, len(TERMS)), np.float64)
    for place, part in enumerate((scores.history, scores.interests, scores.dislikes)):
        terms[..., place] = content_weight * part[owner, item]
    terms[..., 3] = trend_weight * popularity[item]
    rounded: Float64 = np.round(terms, 4) + np.float64(0.0)  # no negative zero
    return Ranked(item, rounded)


def confidence(events: Int64) -> Float64:
    """How much is known, in [0, 1), from a number of interactions."""
    return -np.expm1(-events / CONFIDENCE_EVENTS)


def blocked(completed: Mask, item: Int64, prerequisite: Int64) -> Mask:
    """(L, I) items whose prerequisites a learner has not all completed.

    Args:
        completed: (L, I) what each learner has completed.
        item: (p,) positions of items that have a prerequisite, one entry a prerequisite.
        prerequisite: (p,) its position; −1 for one that nobody can complete yet, since it is unknown.
    """
    result = np.zeros(completed.shape, bool)
    for one, needed in zip(item.tolist(), prerequisite.tolist(), strict=True):
        result[:, one] |= True if needed < 0 else ~completed[:, needed]
    return result


def _largest(total: Float32, limit: int) -> Int64:
    """(L, N) positions of the largest of each row, largest first."""
    if total.shape[1] <= limit:
        return np.argsort(-total, axis=1, kind="stable")
    candidates = np.argpartition(-total, limit - 1, axis=1)[:, :limit]
    order = np.argsort(-np.take_along_axis(total, candidates, axis=1), axis=1, kind="stable")
    return np.take_along_axis(candidates, order, axis=1)
