"""Which items come into question for a learner? The best 60 of every source, interleaved, at most 300.

Also: the exact rank of one item in every source over *all* items, which is what the figures of single sources are
made of.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation import sources
from models.recommendation.compiled import compiled
from models.recommendation.histories import in_taken
from models.recommendation.popularity import POPULARITIES
from models.recommendation.scoring import Scores
from models.recommendation.tables import Tables

TOP = 60
LIMIT = 300
_ACCUMULATED, _SOURCES = sources.ACCUMULATED, sources.SOURCE_COUNT


class Candidates(NamedTuple):
    """Work space and result of one request."""

    item: NDArray[np.int32]  # (LIMIT,)
    value: NDArray[np.float64]  # (LIMIT, SOURCES) score of every source; popularities as log-weights
    maximum: NDArray[np.float64]  # (SOURCES,) best score of every source; popularities as log-weights
    top_item: NDArray[np.int32]  # (SOURCES, TOP)
    top_value: NDArray[np.float64]  # (SOURCES, TOP)
    top_count: NDArray[np.int64]  # (SOURCES,)
    chosen: NDArray[np.bool_]  # (N,) work space, False between requests


def empty_candidates(items: int) -> Candidates:
    """Return work space for ``items`` item slots."""
    return Candidates(
        np.zeros(LIMIT, np.int32),
        np.zeros((LIMIT, _SOURCES)),
        np.zeros(_SOURCES),
        np.zeros((_SOURCES, TOP), np.int32),
        np.zeros((_SOURCES, TOP)),
        np.zeros(_SOURCES, np.int64),
        np.zeros(items, np.bool_),
    )


@compiled
def _sift_down(value: NDArray[np.float64], item: NDArray[np.int32], root: int, size: int) -> None:
    """Restore a min-heap by (value, -item) below ``root``."""
    while True:
        child = 2 * root + 1
        if child >= size:
            return
        right = child + 1
        if right < size and (
            value[right] < value[child] or (value[right] == value[child] and item[right] > item[child])
        ):
            child = right
        if value[root] < value[child] or (value[root] == value[child] and item[root] >= item[child]):
            return
        value[root], value[child] = value[child], value[root]
        item[root], item[child] = item[child], item[root]
        root = child


@compiled
def _allowed(events: NDArray[np.int32], taken: NDArray[np.int64], learner: int, item: int, known_only: bool) -> bool:
    if known_only and events[item] == 0:
        return False
    return not in_taken(taken, learner, item)


@compiled
def _keep(value: NDArray[np.float64], item: NDArray[np.int32], size: int, score: float, candidate: int) -> int:
    """Take a candidate into a min-heap of at most TOP; it has to belong there. Return the new size."""
    if size < TOP:
        value[size], item[size] = score, candidate
        if size == TOP - 1:
            for root in range(TOP // 2 - 1, -1, -1):
                _sift_down(value, item, root, TOP)
        return size + 1
    value[0], item[0] = score, candidate
    _sift_down(value, item, 0, TOP)
    return TOP


@compiled
def _falling(value: NDArray[np.float64], item: NDArray[np.int32], size: int) -> None:
    """Sort a heap (or what is to be one) best first, of equals the smaller slot."""
    if size < TOP:
        for root in range(size // 2 - 1, -1, -1):
            _sift_down(value, item, root, size)
    for end in range(size - 1, 0, -1):
        value[0], value[end] = value[end], value[0]
        item[0], item[end] = item[end], item[0]
        _sift_down(value, item, 0, end)


@compiled
def _select_scored(
    out: Candidates,
    score_of: NDArray[np.float32],
    touched: NDArray[np.int32],
    touched_count: int,
    admitted: NDArray[np.bool_],
    events: NDArray[np.int32],
    taken: NDArray[np.int64],
    learner: int,
    known_only: bool,
) -> None:
    """Keep the TOP best items of every accumulated source, best first, of equals the smaller slot.

    One pass over the items: the scores of an item share a cache line, and whether it is allowed is asked once.
    """
    floor = np.zeros(_ACCUMULATED)
    for k in range(touched_count):
        candidate = touched[k] + 0  # as wide as every other slot: one compiled version of what it is given to
        checked = False
        for source in range(_ACCUMULATED):
            score = float(score_of[candidate, source])
            if score <= 0.0 or score < floor[source] or not admitted[source]:
                continue
            size = out.top_count[source]
            if size == TOP and score == floor[source] and candidate > out.top_item[source, 0]:
                continue
            if not checked:
                if not _allowed(events, taken, learner, candidate, known_only):
                    break
                checked = True
            size = _keep(out.top_value[source], out.top_item[source], size, score, candidate)
            out.top_count[source] = size
            if size == TOP:
                floor[source] = out.top_value[source, 0]
    for source in range(_ACCUMULATED):
        _falling(out.top_value[source], out.top_item[source], out.top_count[source])


@compiled
def _select_popular(
    value: NDArray[np.float64],
    item: NDArray[np.int32],
    leaders: NDArray[np.int32],
    weight: NDArray[np.float64],
    taken: NDArray[np.int64],
    learner: int,
) -> int:
    """The same for a popularity from its ready list (L,)."""
    size = 0
    for k in range(leaders.shape[0]):
        candidate = leaders[k] + 0
        if not in_taken(taken, learner, candidate):
            item[size] = candidate
            value[size] = weight[candidate]
            size += 1
            if size == TOP:
                break
    return size


@compiled
def choose_candidates(
    out: Candidates,
    scores: Scores,
    tables: Tables,
    admitted: NDArray[np.bool_],
    learner: int,
    known_only: bool,
) -> int:
    """Fill ``out`` from accumulated scores; return the number of candidates."""
    events, taken, popularity = tables.items.events, tables.histories.taken, tables.popularity
    out.top_count[:] = 0
    _select_scored(
        out, scores.score, scores.touched, scores.touched_count[0], admitted, events, taken, learner, known_only
    )
    for kind in range(POPULARITIES):
        source = _ACCUMULATED + kind
        if admitted[source]:
            leaders = popularity.leaders[kind, : popularity.leaders_length[kind]]
            out.top_count[source] = _select_popular(
                out.top_value[source], out.top_item[source], leaders, popularity.log_weight[kind], taken, learner
            )
    for source in range(_SOURCES):
        out.maximum[source] = out.top_value[source, 0] if out.top_count[source] > 0 else 0.0
    count = 0
    for rank in range(TOP):
        for source in range(_SOURCES):
            if count < LIMIT and rank < out.top_count[source]:
                item = out.top_item[source, rank]
                if not out.chosen[item]:
                    out.chosen[item] = True
                    out.item[count] = item
                    count += 1
    for c in range(count):
        item = out.item[c]
        out.chosen[item] = False
        for source in range(_ACCUMULATED):
            out.value[c, source] = scores.score[item, source] if admitted[source] else 0.0
        for kind in range(POPULARITIES):
            out.value[c, _ACCUMULATED + kind] = tables.popularity.log_weight[kind, item]
    return count


@compiled
def rank_in_sources(scores: Scores, tables: Tables, learner: int, target: int, out: NDArray[np.int32]) -> None:
    """Write the rank of ``target`` among all known items that the learner has not had, by every source, to ``out``.

    Rank = number better + floor((ties - 1) / 2), from 0; items that a source is silent about tie at the end.
    A target without events is ranked last.
    """
    events, taken = tables.items.events, tables.histories.taken
    open_items = tables.items.known[0] - tables.histories.distinct[learner]
    if events[target] == 0:
        out[:] = open_items
        return
    for source in range(_ACCUMULATED):
        wanted = scores.score[target, source]
        better, ties, speaking = 0, 0, 0
        for k in range(scores.touched_count[0]):
            item = scores.touched[k] + 0
            score = scores.score[item, source]
            if score > 0.0 and (wanted <= 0.0 or score >= wanted) and _allowed(events, taken, learner, item, True):
                speaking += 1
                better += score > wanted
                ties += score == wanted
        if wanted <= 0.0:
            ties = open_items - speaking
        out[source] = better + (ties - 1) // 2
    for kind in range(POPULARITIES):
        weight = tables.popularity.log_weight[kind]
        better, ties = 0, 0
        for item in range(events.shape[0]):
            if weight[item] >= weight[target] and _allowed(events, taken, learner, item, True):
                better += weight[item] > weight[target]
                ties += weight[item] == weight[target]
        out[_ACCUMULATED + kind] = better + (ties - 1) // 2
