"""How far has each learner come with each piece of content?  The furthest completion, the best score, the time taken.

An interaction says how far by its completion rate; COMPLETE is the end, whatever rate it states.  Maxima, minima and
sums: neither order nor repetition in other batches matters.  Interactions that state neither completion nor score are
not counted at all, so that a log of clicks costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import Float64, Int64, Interactions, Mask
from models.grouping import group_pairs, max_by, min_by, sum_by
from schemas.interactions import InteractionType

NEVER_MS = np.iinfo(np.int64).max
"""``completed_ms`` of what is not completed."""
NO_SCORE = -1.0
"""``best_score`` where none was stated."""
_COMPLETE = 1.0


class ItemProgress(NamedTuple):
    """r pairs of a learner and an item, ascending by learner and then item."""

    learner: Int64
    """(r,)"""
    item: Int64
    """(r,)"""
    completion: Float64
    """(r,) the furthest, [0, 1]."""
    completed_ms: Int64
    """(r,) event time of the first completion, `NEVER_MS` without one."""
    time_spent_seconds: Float64
    """(r,) stated with progress or a score."""
    best_score: Float64
    """(r,) [0, 1], `NO_SCORE` where none was stated."""
    last_at_ms: Int64
    """(r,) newest event time."""


def empty() -> ItemProgress:
    """Nothing at all."""
    none, nothing = np.empty(0, np.int64), np.empty(0)
    return ItemProgress(none, none, nothing, none, nothing, nothing, none)


def relevant(batch: Interactions) -> Mask:
    """(n,) interactions that state progress or a score."""
    counts: Mask = (batch.type == InteractionType.COMPLETE.code) | (batch.completion_rate > 0)
    return counts | (batch.score >= 0)  # NaN compares as False


def of(batch: Interactions) -> ItemProgress:
    """What a batch says, by learner and item."""
    counts = relevant(batch)
    if not counts.any():
        return empty()
    rows = batch.take(counts)
    completion = np.nan_to_num(rows.completion_rate.astype(np.float64))
    completion[rows.type == InteractionType.COMPLETE.code] = _COMPLETE
    score = np.nan_to_num(rows.score.astype(np.float64), nan=NO_SCORE)
    seconds = np.nan_to_num(rows.time_spent_seconds.astype(np.float64))
    completed_ms = np.where(completion >= _COMPLETE, rows.at_ms, NEVER_MS)
    return _joined(ItemProgress(rows.learner, rows.item, completion, completed_ms, seconds, score, rows.at_ms))


def update(state: ItemProgress, batch: Interactions) -> ItemProgress:
    """The state after a batch."""
    both = zip(state, of(batch), strict=True)
    return _joined(ItemProgress(*(np.concatenate(columns) for columns in both)))


def _joined(parts: ItemProgress) -> ItemProgress:
    """Entries of the same pair as one."""
    if not len(parts.learner):
        return parts
    pairs = group_pairs(parts.learner, parts.item)
    completion, best_score = np.zeros(pairs.groups.size), np.full(pairs.groups.size, NO_SCORE)
    np.maximum.at(completion, pairs.groups.inverse, parts.completion)
    np.maximum.at(best_score, pairs.groups.inverse, parts.best_score)
    return ItemProgress(
        pairs.first,
        pairs.second,
        completion,
        min_by(pairs.groups, parts.completed_ms),
        sum_by(pairs.groups, parts.time_spent_seconds),
        best_score,
        max_by(pairs.groups, parts.last_at_ms),
    )
