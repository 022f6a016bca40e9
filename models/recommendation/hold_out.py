r"""How well does a model foretell what learners take after a moment that it knows nothing of?

A temporal hold-out: events before the cut are histories, events from the cut on are the future. Judged are learners
with both; relevant, R, are the items of a learner's future that are not in his history (also those that the model
does not know). He is shown the 10 best-scored items outside his history; with h hits at ranks r (from 0):

    precision = h / 10,   recall = h / min(10, |R|),   F1 = 2 precision recall / (precision + recall)
    NDCG = sum_hits 1 / log2(r + 2), over the same sum of a perfect list          (Jarvelin and Kekalainen, TOIS 2002)

All are means over learners, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.recommendation.ials import ItemFactors, factors_of, score_ials
from models.recommendation.item_weights import ItemWeights, matrix

DEPTH = 10
AGE = 0.85
MEMORY = 20
MOST_LEARNERS = 5_000  # judged, evenly chosen
_CHUNK = 256

Scorer = Callable[[list[list[int]]], NDArray[np.float64]]
"""(n) histories, newest last, as places -> (n, M) scores."""


class Metrics(NamedTuple):
    """Means over the judged learners."""

    learners: int
    precision: float
    recall: float
    f1: float
    ndcg: float


class Split(NamedTuple):
    """Events on both sides of a cut, in order of time within a learner; keys are any integers."""

    learner: NDArray[np.int64]
    item: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    cut_ms: int


def split_at(learner: NDArray[np.int64], item: NDArray[np.int64], at_ms: NDArray[np.int64], cut_ms: int) -> Split:
    """Return n events sorted by learner and time, with their cut."""
    order = np.lexsort((at_ms, learner))
    return Split(learner[order], item[order], at_ms[order], cut_ms)


def cut_for(at_ms: NDArray[np.int64], share: float, not_before_ms: int) -> int:
    """Return the event time behind which the newest ``share`` of events lies, at least ``not_before_ms``."""
    return max(int(np.quantile(at_ms, 1.0 - share, method="higher")), not_before_ms)


def judged_learners(split: Split) -> NDArray[np.int64]:
    """Return the learners with a history and at least one item in their future that is not in it; at most 5,000."""
    past = split.at_ms < split.cut_ms
    known = np.unique(split.learner[past])
    found = [who for who in known.tolist() if len(_sides(split, who)[1])]
    if len(found) > MOST_LEARNERS:
        found = [found[int(place)] for place in np.linspace(0, len(found) - 1, MOST_LEARNERS)]
    return np.array(found, np.int64)


def _sides(split: Split, learner: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (history in order of time, different new items after the cut) of a learner."""
    first, end = np.searchsorted(split.learner, (learner, learner + 1))
    middle = first + int(np.searchsorted(split.at_ms[first:end], split.cut_ms))
    history = split.item[first:middle]
    return history, np.setdiff1d(split.item[middle:end], history)


def evaluate(model: ItemWeights | ItemFactors, split: Split, learners: NDArray[np.int64]) -> Metrics:
    """Return how well the model does for these learners (`judged_learners`)."""
    return evaluate_scores(model.items, _scorer(model), split, learners)


def evaluate_scores(items: NDArray[np.int64], score: Scorer, split: Split, learners: NDArray[np.int64]) -> Metrics:
    """Return the same for any scorer of the items (M,)."""
    place_of = {key: place for place, key in enumerate(items.tolist())}
    totals = np.zeros(4)
    for start in range(0, len(learners), _CHUNK):
        sides = [_sides(split, who) for who in learners[start : start + _CHUNK].tolist()]
        shown = _shown(score, [_places(place_of, history) for history, _ in sides])
        for places, (_, relevant) in zip(shown, sides, strict=True):
            totals += _of_one(items[places], relevant)
    means = totals / max(1, len(learners))
    return Metrics(len(learners), *(float(mean) for mean in means))


def _places(place_of: dict[int, int], history: NDArray[np.int64]) -> list[int]:
    return [place_of[key] for key in history.tolist() if key in place_of]


def _scorer(model: ItemWeights | ItemFactors) -> Scorer:
    if isinstance(model, ItemFactors):
        factors = factors_of(model.factors.astype(np.float64))

        def by_factors(histories: list[list[int]]) -> NDArray[np.float64]:
            scores = np.zeros((len(histories), len(model.items)))
            for row, places in enumerate(histories):
                if places:
                    scores[row] = score_ials(factors, np.array(places[::-1], np.int64))
            return scores

        return by_factors
    weights = matrix(model)

    def by_weights(histories: list[list[int]]) -> NDArray[np.float64]:
        rows, columns, values = [], [], []
        for row, places in enumerate(histories):
            newest = places[::-1][:MEMORY]
            rows += [row] * len(newest)
            columns += newest
            values += [AGE**a for a in range(len(newest))]
        shape = (len(histories), weights.shape[0])
        return np.asarray((csr_array((values, (rows, columns)), shape=shape) @ weights).toarray())

    return by_weights


def _shown(score: Scorer, histories: list[list[int]]) -> list[NDArray[np.int64]]:
    """Return the best places outside each history, best first; only those with a positive score."""
    scores = score(histories)
    lists = []
    for row, places in enumerate(histories):
        scores[row, places] = 0.0
        best = np.argsort(-scores[row], kind="stable")[:DEPTH]
        lists.append(best[scores[row, best] > 0.0])
    return lists


def _of_one(shown: NDArray[np.int64], relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    gain = 1.0 / np.log2(np.arange(DEPTH) + 2.0)
    hit = np.isin(shown, relevant)
    hits, most = float(hit.sum()), min(DEPTH, len(relevant))
    precision, recall = hits / DEPTH, hits / most
    f1 = 2.0 * precision * recall / (precision + recall) if hits else 0.0
    return np.array([precision, recall, f1, float(gain[: len(hit)] @ hit) / float(gain[:most].sum())])
