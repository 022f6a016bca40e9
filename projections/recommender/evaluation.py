r"""How well did the lists of a moment ago foretell what learners did next?  Sums by hour, source and session.

Each event that was ranked before it was counted adds one evaluation with one relevant item: hit = its place was among
the first 10, NDCG = 1 / log2(place + 2) or 0 (place from 0).  From the sums follow, over any hours,

    HR@10 = recall@10 = hits / events,   precision@10 = HR / 10,   F1@10 = 2 · HR / 11,   NDCG@10 = ndcg_sum / events.

Fading means over about 500 and 5,000 evaluations tell drift: the alarm is up while the short mean of NDCG@10 lies more
than 4 standard errors below the long one.

Confidence is the running calibration of the list against hits: for each bucket and place, the fading share of
evaluations in which the learner's next item stood at that place, shrunk to the share over all buckets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import Float64, Int64, Mask
from models.recommendation.blend import BUCKETS
from models.recommendation.fold import UNRANKED, Seen
from models.recommendation.sources import NAMES

HYBRID = "hybrid"
BLEND_ALONE = "blend"
SHOWN = 10
HOUR_MS = 3_600_000
SESSIONS = ("same", "new")
SHORT, LONG = 1 / 500, 1 / 5_000
DRIFT_ERRORS = 4.0
DRIFT_EVENTS = 2_000
"""Evaluations before the alarm may ring: the long mean must mean something."""
CALIBRATION_EVENTS = 20_000.0
"""Evaluations of a bucket after which its sums are halved."""
PSEUDO_EVENTS = 50.0
SOURCES = (HYBRID, BLEND_ALONE, *NAMES)
_HALF_BUCKETS = BUCKETS // 2


class Evaluation(NamedTuple):
    """What is kept of all evaluations; plain arrays, part of the snapshot."""

    mean: Float64
    """(6,) fading means: NDCG short, long; square of NDCG, long; HR short, long; evaluations ever."""
    places: Float64
    """(B, 10) hits by bucket and place."""
    judged: Float64
    """(B,) evaluations by bucket."""


class Sums(NamedTuple):
    """One row for `recommender_evaluation`."""

    hour_ms: int
    source: str
    session: str
    events: int
    hits: int
    ndcg: float


def empty_evaluation() -> Evaluation:
    """Before the first event."""
    return Evaluation(np.zeros(6), np.zeros((BUCKETS, SHOWN)), np.zeros(BUCKETS))


def evaluate(evaluation: Evaluation, seen: Seen, record_ms: Int64, admitted: Mask) -> list[Sums]:
    """Adds what a fold saw to the means, in place, and returns the rows to add to the table.

    Args:
        evaluation: changed in place.
        seen: n events.
        record_ms: (n,) when each was published.
        admitted: (S,) which sources speak; the others are not reported.
    """
    _fade(evaluation, seen)
    hour = record_ms // HOUR_MS * HOUR_MS
    sums: list[Sums] = []
    for source, rank in _ranks(seen, admitted):
        judged = (rank != UNRANKED) & (seen.bucket >= 0)
        if not judged.any():
            continue
        is_new = (seen.bucket >= _HALF_BUCKETS).astype(np.int64)
        group, place = np.unique(hour[judged] * 2 + is_new[judged], return_inverse=True)
        hits, gain = _gains(rank[judged])
        for index, code in enumerate(group.tolist()):
            mine = place == index
            session, ndcg = SESSIONS[code % 2], float(gain[mine].sum())
            sums.append(Sums(code // 2, source, session, int(mine.sum()), int(hits[mine].sum()), ndcg))
    return sums


def _ranks(seen: Seen, admitted: Mask) -> list[tuple[str, Int64]]:
    single = [
        (name, seen.source_rank[:, column].astype(np.int64)) for column, name in enumerate(NAMES) if admitted[column]
    ]
    return [(HYBRID, seen.rank.astype(np.int64)), (BLEND_ALONE, seen.blend_rank.astype(np.int64)), *single]


def _gains(rank: Int64) -> tuple[Int64, Float64]:
    hit = (rank >= 0) & (rank < SHOWN)
    return hit.astype(np.int64), np.where(hit, 1.0 / np.log2(np.maximum(rank, 0) + 2.0), 0.0)


def _fade(evaluation: Evaluation, seen: Seen) -> None:
    judged = (seen.rank != UNRANKED) & (seen.bucket >= 0)
    ranks = seen.rank[judged].astype(np.int64)
    hits, gains = _gains(ranks)
    mean = evaluation.mean
    for hit, gain, bucket, rank in zip(
        hits.tolist(), gains.tolist(), seen.bucket[judged].tolist(), ranks.tolist(), strict=True
    ):
        mean[5] += 1.0
        # A plain mean until the fading one has enough to fade.
        short, long = max(SHORT, 1.0 / mean[5]), max(LONG, 1.0 / mean[5])
        mean[0] += short * (gain - mean[0])
        mean[1] += long * (gain - mean[1])
        mean[2] += long * (gain * gain - mean[2])
        mean[3] += short * (hit - mean[3])
        mean[4] += long * (hit - mean[4])
        evaluation.judged[bucket] += 1.0
        if hit:
            evaluation.places[bucket, rank] += 1.0
        if evaluation.judged[bucket] >= CALIBRATION_EVENTS:
            evaluation.judged[bucket] *= 0.5
            evaluation.places[bucket] *= 0.5


def drifts(evaluation: Evaluation) -> bool:
    """Whether the lists have become worse than chance explains."""
    short, long, square, _, _, events = evaluation.mean.tolist()
    if events < DRIFT_EVENTS:
        return False
    # A fading mean with rate r has the variance of a plain one over 2 / r - 1 events.
    error = (max(square - long * long, 1e-9) * SHORT / 2.0) ** 0.5
    return bool(long - short > DRIFT_ERRORS * error)


def confidences(evaluation: Evaluation) -> Float64:
    """(B, 10) confidence of the item at each place of a list, by bucket; in [0, 1], falling along a list."""
    total = evaluation.judged.sum()
    # Before any evaluation, what the measured logs gave on average: HR@10 about .5, most of it at the top.
    usual = 0.25 / np.arange(1.0, SHOWN + 1.0) ** 1.2
    overall = (evaluation.places.sum(axis=0) + PSEUDO_EVENTS * usual) / (total + PSEUDO_EVENTS)
    share = (evaluation.places + PSEUDO_EVENTS * overall) / (evaluation.judged[:, None] + PSEUDO_EVENTS)
    return np.asarray(np.minimum.accumulate(share, axis=1))
