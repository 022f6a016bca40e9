"""What does one event do? It is ranked by the lists of a moment ago, taught to the blend, and only then counted."""

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
from models.recommendation.scoring import Scores, clear_scores, empty_scores, score_sources
from models.recommendation.sources import SOURCE_COUNT
from models.recommendation.tables import Tables, count_event

COUNT, LEARN, MEASURE = 0, 1, 2  # what to do with an event besides counting it; MEASURE also ranks it by every source
UNRANKED = -1
SHOWN = 10


class Work(NamedTuple):
    """Work space of the fold; holds nothing between events."""

    scores: Scores
    candidates: Candidates
    features: NDArray[np.float64]  # (LIMIT, F)
    score: NDArray[np.float64]  # (LIMIT,)


class Seen(NamedTuple):
    """What the fold saw on the way, one row an event. A rank counts from 0; UNRANKED where nothing was ranked."""

    rank: NDArray[np.int32]  # (n,) place of the event's item in the blend's list; LIMIT if it was no candidate
    source_rank: NDArray[np.int32]  # (n, S)
    bucket: NDArray[np.int32]  # (n,) -1 for a learner without a history
    shown: NDArray[np.int32]  # (n, SHOWN) the blend's best, -1 where there are fewer
    candidates: NDArray[np.int32]  # (n,) how many came into question


def empty_work(items: int, learners: int, takers: int) -> Work:
    """Return work space for the sizes of the tables."""
    return Work(
        empty_scores(items, learners, takers),
        empty_candidates(items),
        np.zeros((LIMIT, FEATURES)),
        np.zeros(LIMIT),
    )


def nothing_seen(events: int) -> Seen:
    """Return an empty log of ``events`` rows."""
    return Seen(
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
    fill_features(work.features, work.candidates, count, blend, tables, at_ms)
    return int(count)


@compiled
def _note_shown(seen: Seen, row: int, work: Work, count: int, target: int) -> int:
    """Log the best items and the target's rank; return the target's place among the candidates or -1."""
    place = -1
    for k in range(count):
        if work.candidates.item[k] == target:
            place = k
    order = np.argsort(-work.score[:count], kind="mergesort")
    for k in range(min(SHOWN, count)):
        seen.shown[row, k] = work.candidates.item[order[k]]
    seen.candidates[row] = count
    seen.rank[row] = LIMIT
    if place >= 0:
        for k in range(count):
            if order[k] == place:
                seen.rank[row] = k
    return place


@compiled
def _judge(
    work: Work,
    tables: Tables,
    blend: Blend,
    admitted: NDArray[np.bool_],
    seen: Seen,
    row: int,
    learner: int,
    item: int,
    at_ms: int,
    mode: int,
) -> None:
    """Rank one event by the lists of a moment ago and let the blend learn from it."""
    bucket = bucket_of(tables, learner, at_ms)
    count = prepare(work, tables, blend, admitted, learner, at_ms, True)
    blend_scores(work.score, work.features, count, blend, bucket)
    seen.bucket[row] = bucket
    place = _note_shown(seen, row, work, count, item)
    if mode == MEASURE:
        rank_in_sources(work.scores, tables, learner, item, seen.source_rank[row])
    clear_scores(work.scores)
    note_maxima(blend, work.candidates, at_ms)
    if place >= 0 and count > 1:
        learn(blend, work.features, work.score, work.candidates, count, bucket, place, at_ms)


@compiled
def fold(
    work: Work,
    tables: Tables,
    blend: Blend,
    admitted: NDArray[np.bool_],
    seen: Seen,
    learner: NDArray[np.int32],
    item: NDArray[np.int32],
    at_ms: NDArray[np.int64],
    mode: NDArray[np.int8],
) -> None:
    """Fold n events in order: score, learn, count. ``seen`` is filled; arrays of the state change in place."""
    for row in range(learner.shape[0]):
        u, i = learner[row], item[row]
        if mode[row] != COUNT and not has_taken(tables.histories, u, i):
            if tables.histories.ring_length[u] > 0:
                _judge(work, tables, blend, admitted, seen, row, u, i, at_ms[row], mode[row])
            elif mode[row] == MEASURE:
                rank_in_sources(work.scores, tables, u, i, seen.source_rank[row])
        count_event(tables, u, i, at_ms[row])
