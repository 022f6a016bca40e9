"""What does every source say about every item for one learner now?

Scores are accumulated per item slot in one row of a work space (a cache line an item), only slots touched are visited
and cleared, so the cost depends on the bounded rows, never on the size of the catalogue.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation import sources
from models.recommendation.bounded_rows import Rows
from models.recommendation.catalogue_order import (
    REACH,
    SESSION_MS,
    STEPS,
    order_speaks,
    step_probabilities,
    walk,
)
from models.recommendation.co_occurrence import CO_AGE, TR_AGE
from models.recommendation.compiled import compiled
from models.recommendation.content import AGE as CONTENT_AGE
from models.recommendation.content import QUERIES as CONTENT_QUERIES
from models.recommendation.ease import AGE as EASE_AGE
from models.recommendation.ease import LASTING as EASE_LASTING
from models.recommendation.ease import QUERIES as EASE_QUERIES
from models.recommendation.histories import recent_items
from models.recommendation.item_item import AGE as FAR_AGE
from models.recommendation.next_item_ridge import AGE as RIDGE_AGE
from models.recommendation.session_neighbours import (
    BACK,
    STEP_WEIGHT,
    NeighbourScratch,
    gather_neighbours,
    match_place,
    threshold_of_nearest,
)
from models.recommendation.session_neighbours import REACH as MATCH_REACH
from models.recommendation.tables import Tables

QUERIES = 20  # recent different items that are asked about; EASE asks about more

# Numba folds module-level numbers of this file into the machine code.
_CO, _ITEM_ITEM, _TRANSITION, _NEXT_STEP = sources.CO, sources.ITEM_ITEM, sources.TRANSITION, sources.NEXT_STEP
_CONTENT, _CONTENT_LAST, _ORDER = sources.CONTENT, sources.CONTENT_LAST, sources.ORDER
_NEIGHBOURS, _EASE, _RIDGE, _ACCUMULATED = sources.NEIGHBOURS, sources.EASE, sources.RIDGE, sources.ACCUMULATED


class Scores(NamedTuple):
    """Work space of one request, zero between requests. N item slots."""

    score: NDArray[np.float32]  # (N, ACCUMULATED)
    seen: NDArray[np.bool_]  # (N,)
    touched: NDArray[np.int32]  # (N,)
    touched_count: NDArray[np.int64]  # (1,)
    queries: NDArray[np.int32]  # (EASE_QUERIES,)
    neighbours: NeighbourScratch


def empty_scores(items: int, learners: int, takers: int) -> Scores:
    """Return a cleared work space for ``items`` item slots and ``learners`` learner slots."""
    neighbours = NeighbourScratch(np.zeros(learners), np.zeros(learners, np.int32), np.zeros(10 * takers, np.int32))
    return Scores(
        np.zeros((items, _ACCUMULATED), np.float32),
        np.zeros(items, np.bool_),
        np.zeros(items, np.int32),
        np.zeros(1, np.int64),
        np.zeros(EASE_QUERIES, np.int32),
        neighbours,
    )


@compiled
def _add_one(scores: Scores, item: int, source: int, value: float) -> None:
    if not scores.seen[item]:
        scores.seen[item] = True
        scores.touched[scores.touched_count[0]] = item
        scores.touched_count[0] += 1
    scores.score[item, source] += value


@compiled
def _add_row(scores: Scores, rows: Rows, row: int, source: int, weight: float) -> None:
    """Add one row's first weights, times ``weight``, to one source's scores."""
    score, seen, touched = scores.score, scores.seen, scores.touched
    ids, weights = rows.ids[row], rows.weights[row]
    count = scores.touched_count[0]
    for k in range(rows.length[row]):
        item = ids[k]
        if not seen[item]:
            seen[item] = True
            touched[count] = item
            count += 1
        score[item, source] += weight * weights[k, 0]
    scores.touched_count[0] = count


@compiled
def _add_near(scores: Scores, rows: Rows, row: int, co: float, tr: float, tr1: float) -> None:
    """The same for the three weights of a row of ``co_occurrence``."""
    score, seen, touched = scores.score, scores.seen, scores.touched
    ids, weights = rows.ids[row], rows.weights[row]
    count = scores.touched_count[0]
    for k in range(rows.length[row]):
        item = ids[k]
        if not seen[item]:
            seen[item] = True
            touched[count] = item
            count += 1
        score[item, _CO] += co * weights[k, 0]
        score[item, _TRANSITION] += tr * weights[k, 1]
        score[item, _NEXT_STEP] += tr1 * weights[k, 2]
    scores.touched_count[0] = count


@compiled
def _add_order(scores: Scores, tables: Tables, learner: int, at_ms: int) -> None:
    histories = tables.histories
    last = histories.ring_item[learner, 0]
    session = 1 if at_ms - histories.ring_at_ms[learner, 0] <= SESSION_MS else 0
    probability = np.empty(STEPS)
    step_probabilities(tables.steps, session, histories.step_class[learner], probability)
    found = np.empty(REACH, np.int32)
    for direction in (1, -1):
        count = walk(tables.items.events, tables.items.events.shape[0], histories, learner, last, direction, found)
        for k in range(count):
            _add_one(scores, found[k], _ORDER, probability[REACH + direction * (k + 1)])


@compiled
def _add_neighbours(scores: Scores, tables: Tables, learner: int, query_count: int, at_ms: int) -> None:
    histories, work = tables.histories, scores.neighbours
    found = gather_neighbours(tables.takers, tables.items.norm, work, learner, scores.queries, query_count, at_ms)
    threshold = threshold_of_nearest(work, found)
    for k in range(found):
        other = work.touched[k]
        similarity = work.similarity[other]
        work.similarity[other] = 0.0
        place = match_place(histories, other, work.matched[other]) if similarity >= threshold else -1
        if place < 0:
            continue
        ring = histories.ring_item[other]
        for q in range(max(0, place - MATCH_REACH), min(histories.ring_length[other], place + MATCH_REACH + 1)):
            if q != place:
                side = 1.0 if q < place else BACK
                _add_one(scores, ring[q], _NEIGHBOURS, similarity * side * STEP_WEIGHT[abs(q - place)])


@compiled
def score_sources(scores: Scores, tables: Tables, admitted: NDArray[np.bool_], learner: int, at_ms: int) -> None:
    """Fill ``scores`` for one learner with a history; items he has had get scores too (they are left out later)."""
    norm = tables.items.norm
    count = recent_items(tables.histories, learner, scores.queries)
    co, tr, far, cont, ease_weight, ridge = 1.0, 1.0, 1.0, 1.0, 1.0, 1.0
    for a in range(count):
        j = scores.queries[a]
        if admitted[_EASE]:
            _add_row(scores, tables.ease, j, _EASE, ease_weight + EASE_LASTING)
            ease_weight *= EASE_AGE
        if a >= QUERIES:
            continue
        _add_near(scores, tables.near, j, co * norm[j, 0], tr * norm[j, 4], norm[j, 5] if a == 0 else 0.0)
        _add_row(scores, tables.far, j, _ITEM_ITEM, far * norm[j, 2])
        if a < CONTENT_QUERIES:
            _add_row(scores, tables.content, j, _CONTENT, cont)
        if a == 0:
            _add_row(scores, tables.content, j, _CONTENT_LAST, 1.0)
        if admitted[_RIDGE]:
            _add_row(scores, tables.ridge, j, _RIDGE, ridge)
        co, tr, far, cont = co * CO_AGE, tr * TR_AGE, far * FAR_AGE, cont * CONTENT_AGE
        ridge *= RIDGE_AGE
    if admitted[_NEIGHBOURS]:
        _add_neighbours(scores, tables, learner, count, at_ms)
    if admitted[_ORDER] and order_speaks(tables.steps):
        _add_order(scores, tables, learner, at_ms)
    for k in range(scores.touched_count[0]):
        item = scores.touched[k]
        scores.score[item, _CO] *= norm[item, 1]
        scores.score[item, _ITEM_ITEM] *= norm[item, 3]


@compiled
def clear_scores(scores: Scores) -> None:
    """Make the work space zero again, at the cost of what was touched."""
    for k in range(scores.touched_count[0]):
        item = scores.touched[k]
        scores.seen[item] = False
        scores.score[item] = 0.0
    scores.touched_count[0] = 0
