r"""How much does each source count for this learner now? A listwise logistic blend whose weights learn online.

Features of a candidate x per source with score v (V = the best score of the source for this learner):

    A = v / V,   B = ln(1 + 100 A) / ln 101   (popularities: ln(1 + v) / 10),   C = v / (V + mean V so far)

and two of the item itself: log10(seconds since its last event + 10) / 6 and log10(seconds since its first + 10) / 8.
The score is (w_0 + w_b) . f, b = history (1, 2-4, 5-19, 20+ events) x (gap to the last event <= 30 min or not).
With p = softmax of the scores over the candidates and y the item that the learner really took next:

    g = f_y - sum_x p_x f_x - 1e-4 w,   G += g^2,   w += .1 g / sqrt(G + 1)

for w_0 and w_b: AdaGrad (Duchi et al., JMLR 2011) on the listwise logistic loss (Cao et al., ListNet top one, ICML
2007). An event is scored first, then learnt from, then counted, so the ranks seen on the way are an honest online
evaluation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation import sources
from models.recommendation.candidates import LIMIT, Candidates
from models.recommendation.compiled import compiled
from models.recommendation.histories import Histories
from models.recommendation.popularity import POPULARITIES, RATE_PER_MS
from models.recommendation.tables import Items

KINDS = 3  # features per source: A, B, C
FEATURES = KINDS * sources.SOURCE_COUNT + 2
HISTORY_BUCKETS = (1, 2, 5, 20)  # lower bounds, events
BUCKETS = 2 * len(HISTORY_BUCKETS)
SESSION_MS = 30 * 60_000
RATE = 0.1
DECAY = 1e-4
_ACCUMULATED, _SOURCES = sources.ACCUMULATED, sources.SOURCE_COUNT
_LOG_101 = float(np.log(101.0))


class Blend(NamedTuple):
    """What the blend has learnt. F features, B buckets; row 0 of the weights is shared, row 1 + b is the bucket's."""

    weight: NDArray[np.float64]  # (1 + B, F)
    square: NDArray[np.float64]  # (1 + B, F) sums of squared gradients
    maximum_sum: NDArray[np.float64]  # (S,) of the best score of a source, over the lists where it spoke
    maximum_count: NDArray[np.float64]  # (S,)
    learnt: NDArray[np.int64]  # (1,) events learnt from


def empty_blend() -> Blend:
    """Return a blend that weighs nothing yet."""
    return Blend(
        np.zeros((1 + BUCKETS, FEATURES)),
        np.zeros((1 + BUCKETS, FEATURES)),
        np.zeros(_SOURCES),
        np.zeros(_SOURCES),
        np.zeros(1, np.int64),
    )


@compiled
def bucket_of(histories: Histories, learner: int, at_ms: int) -> int:
    """Return the bucket of a learner with a history: 4 lengths of history, +4 in a new session."""
    events = histories.ring_length[learner]
    length = 0
    for b in range(1, 4):
        if events >= HISTORY_BUCKETS[b]:
            length = b
    same = at_ms - histories.ring_at_ms[learner, 0] <= SESSION_MS
    return length if same else length + 4


@compiled
def fill_features(
    features: NDArray[np.float64], candidates: Candidates, count: int, blend: Blend, items: Items, at_ms: int
) -> None:
    """Write the features of ``count`` candidates to ``features`` (LIMIT, F)."""
    for source in range(_SOURCES):
        best = candidates.maximum[source]
        popular = source - _ACCUMULATED
        log_now = RATE_PER_MS[popular] * at_ms if popular >= 0 else 0.0
        level = np.exp(best - log_now) if popular >= 0 else best
        mean = blend.maximum_sum[source] / max(1.0, blend.maximum_count[source])
        scale = level / (level + mean) if level > 0.0 else 0.0
        a, b, c = KINDS * source, KINDS * source + 1, KINDS * source + 2
        for k in range(count):
            value = candidates.value[k, source]
            if popular >= 0:
                share = np.exp(value - best) if candidates.top_count[source] > 0 else 0.0
                features[k, b] = np.log1p(share * level) / 10.0
            else:
                share = value / best if best > 0.0 else 0.0
                features[k, b] = np.log1p(100.0 * share) / _LOG_101 if share > 0.0 else 0.0
            features[k, a] = share
            features[k, c] = share * scale
    for k in range(count):
        item = candidates.item[k]
        if items.events[item] > 0:
            idle = max(0.0, (at_ms - items.last_ms[item]) / 1000.0)
            age = max(0.0, (at_ms - items.first_ms[item]) / 1000.0)
        else:
            idle, age = 0.0, 0.0
        features[k, FEATURES - 2] = np.log10(idle + 10.0) / 6.0
        features[k, FEATURES - 1] = np.log10(age + 10.0) / 8.0


@compiled
def blend_scores(
    score: NDArray[np.float64], features: NDArray[np.float64], count: int, blend: Blend, bucket: int
) -> None:
    """Write (w_0 + w_b) . f of ``count`` candidates to ``score``."""
    weight = blend.weight[0] + blend.weight[1 + bucket]
    for k in range(count):
        total = 0.0
        for f in range(FEATURES):
            total += weight[f] * features[k, f]
        score[k] = total


@compiled
def learn(
    blend: Blend,
    features: NDArray[np.float64],
    score: NDArray[np.float64],
    count: int,
    bucket: int,
    target: int,
) -> None:
    """Take one gradient step towards the candidate at place ``target``; ``score`` is overwritten."""
    highest = score[:count].max()
    total = 0.0
    for k in range(count):
        score[k] = np.exp(score[k] - highest)
        total += score[k]
    gradient = features[target].copy()
    for k in range(count):
        share = score[k] / total
        for f in range(FEATURES):
            gradient[f] -= share * features[k, f]
    for row in (0, 1 + bucket):
        for f in range(FEATURES):
            g = gradient[f] - DECAY * blend.weight[row, f]
            blend.square[row, f] += g * g
            blend.weight[row, f] += RATE * g / np.sqrt(blend.square[row, f] + 1.0)
    blend.learnt[0] += 1


@compiled
def note_maxima(blend: Blend, candidates: Candidates, at_ms: int) -> None:
    """Let the running means of the best scores see one list."""
    for source in range(_SOURCES):
        if candidates.top_count[source] > 0:
            level = candidates.maximum[source]
            if source >= _ACCUMULATED:
                level = np.exp(level - RATE_PER_MS[source - _ACCUMULATED] * at_ms)
            blend.maximum_sum[source] += level
            blend.maximum_count[source] += 1.0


__all__ = ["BUCKETS", "FEATURES", "LIMIT", "POPULARITIES", "Blend"]
