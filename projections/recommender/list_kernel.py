"""What would each of these learners take next?  One compiled pass over learners: candidates, scores and their terms."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.columns import Float32, Int16, Int32, Int64
from models.recommendation import blend as blend_module
from models.recommendation import compiled, sources
from models.recommendation.blend import Blend, blend_scores, bucket_of
from models.recommendation.fold import Work, apply_network, prepare
from models.recommendation.histories import has_taken
from models.recommendation.reranker import Reranker, is_served
from models.recommendation.scoring import clear_scores
from models.recommendation.sources import CONTEXT, FAMILIES
from models.recommendation.tables import Tables

KEPT = 150
"""Candidates of a list: enough for a read to filter, and to be reordered by what the reader is doing."""

MIXED = 20
"""So many places at the top are filled with regard to each other."""
UNDAMPED = 5
"""The first places, where most hits are, go by score alone, whatever coverage asks for."""
POOL = 60
"""Best candidates that come into question for them."""
ALIKE = 0.3
"""What an exact double of an item already placed loses for the choice; the stored score stays what it is."""

_POPULAR_SHARE = blend_module.KINDS * sources.POPULAR
_KINDS, _SOURCES, _FEATURES = blend_module.KINDS, sources.SOURCE_COUNT, blend_module.FEATURES
_FAMILY = np.array([source.family for source in sources.SOURCES], np.int64)
_CONTEXT, _FAMILY_COUNT = CONTEXT, len(FAMILIES)


class Ranked(NamedTuple):
    """The candidates of L learners, best first; the first `MIXED` are mixed by maximal marginal relevance."""

    length: Int32
    """(L,)"""
    bucket: Int32
    """(L,) -1 for a learner without a history."""
    item: Int32
    """(L, KEPT) item slots."""
    terms: Float32
    """(L, KEPT, 4) what each family adds to the score; they sum to it."""
    source: Int16
    """(L, KEPT) the source that adds most."""

    def scores(self) -> NDArray[np.float32]:
        """(L, KEPT) the scores."""
        return cast(NDArray[np.float32], self.terms.sum(axis=2))


def empty_ranked(learners: int) -> Ranked:
    """No candidates for so many learners."""
    return Ranked(
        np.zeros(learners, np.int32),
        np.full(learners, -1, np.int32),
        np.zeros((learners, KEPT), np.int32),
        np.zeros((learners, KEPT, _FAMILY_COUNT), np.float32),
        np.full((learners, KEPT), -1, np.int16),
    )


def _mix_plain(order: NDArray[np.int64], work: Work, tables: Tables, closest: Float32, damping: float) -> None:
    """Puts the best candidates in the order of maximal marginal relevance (Carbonell and Goldstein 1998).

    The next place goes to the largest score - ALIKE x cosine to the nearest item placed before, from place `UNDAMPED`
    on less ``damping`` x popularity (1: the most popular); ``closest`` is work space, zero between calls.
    """
    pool = min(POOL, order.shape[0])
    rows = tables.content
    for place in range(min(MIXED, pool)):
        best, best_value = place, -1e300
        for k in range(place, pool):
            value = work.final[order[k]] - ALIKE * closest[work.candidates.item[order[k]]]
            if place >= UNDAMPED:
                value -= damping * work.features[order[k], _POPULAR_SHARE]
            if value > best_value:
                best, best_value = k, value
        chosen = order[best]
        for k in range(best, place, -1):
            order[k] = order[k - 1]
        order[place] = chosen
        item = work.candidates.item[chosen]
        for k in range(rows.length[item]):
            other = rows.ids[item, k]
            closest[other] = max(closest[other], rows.weights[item, k, 0])
    for place in range(min(MIXED, pool)):
        item = work.candidates.item[order[place]]
        for k in range(rows.length[item]):
            closest[rows.ids[item, k]] = 0.0


def _rank(
    out: Ranked,
    work: Work,
    tables: Tables,
    blend: Blend,
    reranker: Reranker,
    admitted: NDArray[np.bool_],
    learner: Int32,
    at_ms: Int64,
    damping: float,
) -> None:
    """Fills ``out`` for learners (slots) as of the given times.

    ``damping`` is what the most popular item loses for the choice of places from `UNDAMPED` on, others in proportion.
    """
    served = is_served(reranker)
    closest = np.zeros(tables.items.events.shape[0], np.float32)
    for row in range(learner.shape[0]):
        if tables.histories.ring_length[learner[row]] == 0:
            continue
        bucket = bucket_of(tables.histories, learner[row], at_ms[row])
        count = prepare(work, tables, blend, admitted, learner[row], at_ms[row], False)
        clear_scores(work.scores)
        out.bucket[row] = bucket
        if count == 0:
            continue
        blend_scores(work.score, work.features, count, blend, bucket)
        work.final[:count] = work.score[:count]
        if served:
            apply_network(work, reranker, count, bucket)
        order = np.argsort(-work.final[:count], kind="mergesort")
        _mix(order, work, tables, closest, damping)
        kept = min(KEPT, count)
        out.length[row] = kept
        weight = blend.weight[0] + blend.weight[1 + bucket]
        for place in range(kept):
            k = order[place]
            out.item[row, place] = work.candidates.item[k]
            terms = np.zeros(_FAMILY_COUNT)
            most = 0.0
            for source in range(_SOURCES):
                term = 0.0
                for f in range(_KINDS * source, _KINDS * (source + 1)):
                    term += weight[f] * work.features[k, f]
                terms[_FAMILY[source]] += term
                if term > most:
                    most = term
                    out.source[row, place] = source
            for f in range(_KINDS * _SOURCES, _FEATURES):
                terms[_CONTEXT] += weight[f] * work.features[k, f]
            terms[_CONTEXT] += work.final[k] - work.score[k]
            for family in range(_FAMILY_COUNT):
                out.terms[row, place, family] = terms[family]


def _taken(tables: Tables, learner: int, item: Int32) -> NDArray[np.bool_]:
    taken = np.zeros(item.shape[0], np.bool_)
    for k in range(item.shape[0]):
        taken[k] = has_taken(tables.histories, learner, item[k])
    return taken


def _with_cache(function: Any) -> Any:
    """The compiled function; its cache on disk is valid for the sources of this file and of every kernel it calls."""
    dispatcher: Any = cast(Any, njit)(cache=True, fastmath=False, nogil=True)(function)
    cache_file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if cache_file is not None:
        digest = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=16)
        for path in sorted(Path(compiled.__file__).parent.glob("*.py")):
            digest.update(path.read_bytes())
        cache_file._source_stamp = digest.hexdigest()
    return dispatcher


_mix = _with_cache(_mix_plain)
rank_into = _with_cache(_rank)
"""`_rank`, compiled."""
taken_of = _with_cache(_taken)
"""(n,) which item slots a learner (slot) has had."""
