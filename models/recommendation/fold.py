"""What does one event do? It is ranked by the lists of a moment ago, taught to the blend, and only then counted.

Counting runs of events, judging and teaching are compiled, each for itself: a loop compiled around all of them would
double the time that the first start takes, and save nothing at run time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.blend import (
    FEATURES,
    Blend,
    blend_scores,
    bucket_of,
    fill_features,
    learn,
    note_maxima,
)
from models.recommendation.candidates import (
    LIMIT,
    Candidates,
    choose_candidates,
    empty_candidates,
    rank_in_sources,
)
from models.recommendation.compiled import compiled
from models.recommendation.histories import has_taken
from models.recommendation.reranker import (
    INPUTS,
    Reranker,
    correction,
    is_served,
    judge_gate,
    network_input,
    remember_list,
    train,
)
from models.recommendation.reranker import TOP as RERANKED
from models.recommendation.scoring import Scores, clear_scores, empty_scores, score_sources
from models.recommendation.sources import SOURCE_COUNT
from models.recommendation.tables import Tables, count_events

COUNT, LEARN, MEASURE = 0, 1, 2  # what to do with an event besides counting it; MEASURE also ranks it by every source
UNRANKED = -1
SHOWN = 10


class Work(NamedTuple):
    """Work space of the fold; holds nothing between events."""

    scores: Scores
    candidates: Candidates
    features: NDArray[np.float64]  # (LIMIT, F)
    score: NDArray[np.float64]  # (LIMIT,) the blend's
    final: NDArray[np.float64]  # (LIMIT,) with the network's correction
    order: NDArray[np.int64]  # (LIMIT,) places of the candidates by falling score of the blend
    inputs: NDArray[np.float32]  # (RERANKED, INPUTS) of the network, in that order


class Seen(NamedTuple):
    """What the fold saw on the way, one row an event. A rank counts from 0; UNRANKED where nothing was ranked."""

    rank: NDArray[np.int32]  # (n,) place of the event's item in the served list; LIMIT if it was no candidate
    blend_rank: NDArray[np.int32]  # (n,) the same by the blend alone
    network_rank: NDArray[np.int32]  # (n,) the same with the network's correction
    source_rank: NDArray[np.int32]  # (n, S)
    bucket: NDArray[np.int32]  # (n,) -1 for a learner without a history
    shown: NDArray[np.int32]  # (n, SHOWN) the best served, -1 where there are fewer
    candidates: NDArray[np.int32]  # (n,) how many came into question


def empty_work(items: int, learners: int, takers: int) -> Work:
    """Return work space for the sizes of the tables."""
    return Work(
        empty_scores(items, learners, takers),
        empty_candidates(items),
        np.zeros((LIMIT, FEATURES)),
        np.zeros(LIMIT),
        np.zeros(LIMIT),
        np.zeros(LIMIT, np.int64),
        np.zeros((RERANKED, INPUTS), np.float32),
    )


def nothing_seen(events: int) -> Seen:
    """Return an empty log of ``events`` rows."""
    return Seen(
        np.full(events, UNRANKED, np.int32),
        np.full(events, UNRANKED, np.int32),
        np.full(events, UNRANKED, np.int32),
        np.full((events, SOURCE_COUNT), UNRANKED, np.int32),
        np.full(events, -1, np.int32),
        np.full((events, SHOWN), -1, np.int32),
        np.zeros(events, np.int32),
    )


@compiled
def prepare(
    work: Work, tables: Tables, blend: Blend, admitted: NDArray[np.bool_], learner: int, at_ms: int, known_only: bool
) -> int:
    """Fill candidates and features for a learner with a history; return the number of candidates."""
    score_sources(work.scores, tables, admitted, learner, at_ms)
    count = choose_candidates(work.candidates, work.scores, tables, admitted, learner, known_only)
    fill_features(work.features, work.candidates, count, blend, tables.items, at_ms)
    return int(count)


@compiled
def falling_order(score: NDArray[np.float64], count: int, out: NDArray[np.int64]) -> None:
    """Write the places of the first ``count`` scores to ``out``, highest first; equal ones keep their order."""
    negative = np.empty(count)
    for k in range(count):
        negative[k] = -score[k]
    out[:count] = np.argsort(negative, kind="mergesort")


@compiled
def apply_network(work: Work, reranker: Reranker, count: int, bucket: int) -> None:
    """Fill ``work.order``, ``work.inputs`` and ``work.final``, the corrected scores."""
    falling_order(work.score, count, work.order)
    top = min(RERANKED, count)
    network_input(work.features, work.score, work.order, top, bucket, work.inputs)
    change = correction(reranker, work.inputs[:top])
    work.final[:count] = work.score[:count]
    for k in range(top):
        work.final[work.order[k]] += change[k, 0]


@compiled
def _rank_of(score: NDArray[np.float64], count: int, place: int) -> int:
    """Return the rank (from 0) of the candidate at ``place`` by falling score; LIMIT for -1."""
    if place < 0:
        return LIMIT
    rank = 0
    for k in range(count):
        if score[k] > score[place] or (score[k] == score[place] and k < place):
            rank += 1
    return rank


@compiled
def _judge(
    work: Work,
    tables: Tables,
    blend: Blend,
    reranker: Reranker,
    admitted: NDArray[np.bool_],
    seen: Seen,
    row: int,
    learner: int,
    item: int,
    at_ms: int,
    measured: bool,
) -> tuple[int, int]:
    """Rank one event by the lists of a moment ago; return the number of candidates and the item's place among them."""
    if has_taken(tables.histories, learner, item):
        return 0, -1
    newcomer = tables.histories.ring_length[learner] == 0
    count = 0 if newcomer else prepare(work, tables, blend, admitted, learner, at_ms, True)
    if measured:
        rank_in_sources(work.scores, tables, learner, item, seen.source_rank[row])
    clear_scores(work.scores)
    if count == 0:
        return 0, -1
    bucket = bucket_of(tables.histories, learner, at_ms)
    blend_scores(work.score, work.features, count, blend, bucket)
    apply_network(work, reranker, count, bucket)
    place = -1
    for k in range(count):
        if work.candidates.item[k] == item:
            place = k
    seen.bucket[row] = bucket
    seen.candidates[row] = count
    seen.blend_rank[row] = _rank_of(work.score, count, place)
    seen.network_rank[row] = _rank_of(work.final, count, place)
    served = work.final if is_served(reranker) else work.score
    seen.rank[row] = _rank_of(served, count, place)
    best = np.empty(count, np.int64)
    falling_order(served, count, best)
    for k in range(min(SHOWN, count)):
        seen.shown[row, k] = work.candidates.item[best[k]]
    return count, place


@compiled
def _teach(
    work: Work, blend: Blend, reranker: Reranker, seen: Seen, row: int, count: int, place: int, at_ms: int
) -> None:
    """Let gate, means, network and blend learn that the candidate at ``place`` (-1 = none of them) was taken."""
    bucket = seen.bucket[row]
    judge_gate(reranker, seen.blend_rank[row], seen.network_rank[row])
    note_maxima(blend, work.candidates, at_ms)
    newest = -1
    top = min(RERANKED, count)
    for k in range(top):
        if work.order[k] == place:
            newest = remember_list(reranker, work.inputs, top, work.score, work.order, k, bucket)
    train(reranker, newest)
    if place >= 0 and count > 1:
        learn(blend, work.features, work.score, count, bucket, place)


def fold(
    work: Work,
    tables: Tables,
    blend: Blend,
    reranker: Reranker,
    admitted: NDArray[np.bool_],
    seen: Seen,
    learner: NDArray[np.int64],
    item: NDArray[np.int64],
    at_ms: NDArray[np.int64],
    mode: NDArray[np.int8],
) -> None:
    """Fold n events in order: score, learn, count. ``seen`` is filled; arrays of the state change in place."""
    counted = 0
    for row in np.flatnonzero(mode != COUNT).tolist():
        count_events(tables, learner[counted:row], item[counted:row], at_ms[counted:row])
        counted = row
        moment = int(at_ms[row])
        count, place = _judge(
            work, tables, blend, reranker, admitted, seen, row, int(learner[row]), int(item[row]), moment,
            bool(mode[row] == MEASURE),
        )  # fmt: skip
        if count > 0:
            _teach(work, blend, reranker, seen, row, count, place, moment)
    count_events(tables, learner[counted:], item[counted:], at_ms[counted:])
