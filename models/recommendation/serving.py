"""What list does a learner get now, and what is each place in it made of?

The score of an item is the sum of its terms: one per source (weights times features), ``recency`` (how lately the
item was first and last taken) and ``network`` (the re-ranker's correction where it is served, else 0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommendation import sources
from models.recommendation.blend import FEATURES, KINDS, Blend, blend_scores, bucket_of
from models.recommendation.candidates import LIMIT
from models.recommendation.compiled import compiled
from models.recommendation.fold import Work, apply_network, falling_order, prepare
from models.recommendation.reranker import Reranker, is_served
from models.recommendation.scoring import clear_scores
from models.recommendation.sources import SOURCES
from models.recommendation.tables import Tables

TERMS = sources.SOURCE_COUNT + 2
RECENCY, NETWORK = sources.SOURCE_COUNT, sources.SOURCE_COUNT + 1
TERM_NAMES: tuple[str, ...] = (*sources.NAMES, "recency", "network")
TERM_FAMILIES = np.array([*(source.family for source in SOURCES), sources.CONTEXT, sources.CONTEXT])
_SOURCES = sources.SOURCE_COUNT


@compiled
def _fill_terms(work: Work, blend: Blend, bucket: int, place: int, terms: NDArray[np.float64]) -> None:
    """Write the terms of the candidate at ``place`` to ``terms`` (TERMS,); they sum to its final score."""
    weight, shared = blend.weight[1 + bucket], blend.weight[0]
    feature = work.features[place]
    for source in range(_SOURCES):
        total = 0.0
        for f in range(KINDS * source, KINDS * source + KINDS):
            total += (shared[f] + weight[f]) * feature[f]
        terms[source] = total
    terms[RECENCY] = 0.0
    for f in range(FEATURES - 2, FEATURES):
        terms[RECENCY] += (shared[f] + weight[f]) * feature[f]
    terms[NETWORK] = work.final[place] - work.score[place]


@compiled
def many_lists(
    work: Work,
    tables: Tables,
    blend: Blend,
    reranker: Reranker,
    admitted: NDArray[np.bool_],
    learner: NDArray[np.int64],
    at_ms: int,
    known_only: bool,
    item_out: NDArray[np.int32],
    score_out: NDArray[np.float64],
    terms_out: NDArray[np.float64],
    count_out: NDArray[np.int32],
) -> None:
    """Write the best lists of m learners with a history: items and scores (m, L), terms (m, L, TERMS), lengths (m,).

    ``known_only`` leaves out items that nobody has had yet (they can only come in by their content).
    """
    best = np.empty(LIMIT, np.int64)
    for row in range(learner.shape[0]):
        bucket = bucket_of(tables.histories, learner[row], at_ms)
        count = prepare(work, tables, blend, admitted, learner[row], at_ms, known_only)
        clear_scores(work.scores)
        if count > 0:
            blend_scores(work.score, work.features, count, blend, bucket)
            apply_network(work, reranker, count, bucket)
            if not is_served(reranker):
                work.final[:count] = work.score[:count]
            falling_order(work.final, count, best)
        length = min(count, item_out.shape[1])
        for k in range(length):
            item_out[row, k] = work.candidates.item[best[k]]
            score_out[row, k] = work.final[best[k]]
            _fill_terms(work, blend, bucket, best[k], terms_out[row, k])
        count_out[row] = length
