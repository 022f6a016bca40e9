"""What did each learner do on each day?  Sums a learner and UTC day, and who vouches that a cell holds five learners.

Days are UTC days of event time.  All are plain sums and sets, so order and batching do not matter.  Only events folded
with consent to analytics are counted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from models.columns import CONSENT_ANALYTICS, Float64, Int64, Interactions, Mask
from models.decay import DAY_MS, HOUR_MS
from models.engagement import event_shares, event_terms
from models.grouping import count_by, group_pairs, rank_in_runs, sum_by
from schemas.interactions import InteractionType

FEWEST_LEARNERS: Final = 5
"""Cells of fewer learners are not shown to anybody."""
CHUNK_LEARNERS: Final = 8_192
"""Learner keys in one bit set; a row of 1 KB stays in its page."""
SPAN_DAYS: Final = 16
"""Days in a set that stands for several; spans begin at multiples of it since 1970-01-01."""
CONTENT_TYPE, INTERACTION_TYPE, HOUR = 0, 1, 2
"""Dimensions of cells within a day: ``content_type_key``, ``InteractionType`` code, hour of the day."""


class LearnerDays(NamedTuple):
    """What r learners did on a day each, ascending by learner and day."""

    learner: Int64
    """(r,) ``learner_key``."""
    day: Int64
    """(r,) days since 1970-01-01, UTC."""
    events: Int64
    """(r,)"""
    clicks: Int64
    """(r,) sum of the stated clicks."""
    completions: Int64
    """(r,) interactions of type COMPLETE."""
    completion_rates: Int64
    """(r,) interactions that stated a completion rate."""
    completion_rate_sum: Float64
    """(r,) sum of those rates, each in [0, 1]."""
    time_spent_seconds: Float64
    """(r,) sum of the stated times."""
    score_sum: Float64
    """(r,) sum of the event scores (`models.engagement`), each in [0, 1]."""


class Witnesses(NamedTuple):
    """Up to five learners of each cell of a day: enough to tell whether a cell, or a union of cells, may be shown.

    The smallest keys are kept, so that the order of events does not matter.
    """

    day: Int64
    """(w,) days since 1970-01-01, ascending; then by dimension, key and learner."""
    dimension: Int64
    """(w,) ``CONTENT_TYPE``, ``INTERACTION_TYPE`` or ``HOUR``."""
    key: Int64
    """(w,) the cell within its dimension."""
    learner: Int64
    """(w,) ``learner_key``."""


class BitSets(NamedTuple):
    """Sets of learners by day, cut into chunks of ``CHUNK_LEARNERS`` keys."""

    day: Int64
    """(s,)"""
    chunk: Int64
    """(s,) learner_key // CHUNK_LEARNERS."""
    members: list[bytes]
    """s strings of bits, the first bit being the smallest key of the chunk."""


def consenting(batch: Interactions) -> Interactions:
    """The interactions that analytics may use."""
    allowed = (batch.consent & CONSENT_ANALYTICS) != 0
    return batch if allowed.all() else batch.take(allowed)


def of(batch: Interactions) -> LearnerDays:
    """What a batch of n interactions, all of them consenting, adds."""
    cells = group_pairs(batch.learner, batch.at_ms // DAY_MS)
    groups = cells.groups
    stated = ~np.isnan(batch.completion_rate)
    return LearnerDays(
        learner=cells.first,
        day=cells.second,
        events=count_by(groups),
        clicks=np.rint(sum_by(groups, batch.clicks)).astype(np.int64),
        completions=count_by(groups, batch.type == InteractionType.COMPLETE.code),
        completion_rates=count_by(groups, stated),
        completion_rate_sum=sum_by(groups, batch.completion_rate),
        time_spent_seconds=sum_by(groups, batch.time_spent_seconds),
        score_sum=sum_by(groups, event_shares(event_terms(batch)).sum(axis=0)),
    )


def first_days(added: LearnerDays) -> tuple[Int64, Int64]:
    """The learners (g,) of a batch, ascending, and the first day (g,) of each in it."""
    starts = np.flatnonzero(np.diff(added.learner, prepend=added.learner[:1] - 1))
    return added.learner[starts], added.day[starts]


def witnesses(batch: Interactions) -> Witnesses:
    """The witnesses of the cells that a batch touches."""
    day = batch.at_ms // DAY_MS
    cells = (
        (CONTENT_TYPE, batch.content_type.astype(np.int64)),
        (INTERACTION_TYPE, batch.type.astype(np.int64)),
        (HOUR, batch.at_ms % DAY_MS // HOUR_MS),
    )
    parts = []
    for dimension, key in cells:
        places = group_pairs(day, key)
        pairs = group_pairs(places.groups.inverse, batch.learner)
        starts = np.append(np.flatnonzero(np.diff(pairs.first, prepend=-1)), len(pairs.first))
        kept = rank_in_runs(starts) < FEWEST_LEARNERS if len(pairs.first) else np.empty(0, np.bool_)
        cell, learner = pairs.first[kept], pairs.second[kept]
        parts.append(
            Witnesses(places.first[cell], np.full(len(cell), dimension), places.second[cell], learner.astype(np.int64))
        )
    found = Witnesses(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.lexsort((found.learner, found.key, found.dimension, found.day))
    return Witnesses(*(column[order] for column in found))


def bit_sets(added: LearnerDays, which: Mask) -> BitSets:
    """The learners of the selected rows as sets of bits."""
    learner, day = added.learner[which], added.day[which]
    cells = group_pairs(day, learner // CHUNK_LEARNERS)
    bits = np.zeros((cells.groups.size, CHUNK_LEARNERS), np.bool_)
    bits[cells.groups.inverse, learner % CHUNK_LEARNERS] = True
    return BitSets(cells.first, cells.second, [row.tobytes() for row in np.packbits(bits, axis=1)])


def spans_of(sets: BitSets) -> BitSets:
    """The same learners by the first day of the span that each day belongs to."""
    cells = group_pairs(sets.day // SPAN_DAYS * SPAN_DAYS, sets.chunk)
    members = np.frombuffer(b"".join(sets.members), np.uint8).reshape(len(sets.members), CHUNK_LEARNERS // 8)
    joined = np.zeros((cells.groups.size, CHUNK_LEARNERS // 8), np.uint8)
    np.bitwise_or.at(joined, cells.groups.inverse, members)
    return BitSets(cells.first, cells.second, [row.tobytes() for row in joined])


def cover(first: int, last: int) -> tuple[list[int], list[int]]:
    """Which single days and which spans (by their first days) make up the days from ``first`` to ``last``?

    >>> cover(14, 50)
    ([14, 15, 48, 49, 50], [16, 32])
    """
    begin, end = -(-first // SPAN_DAYS) * SPAN_DAYS, (last + 1) // SPAN_DAYS * SPAN_DAYS
    if begin >= end:
        return list(range(first, last + 1)), []
    return [*range(first, begin), *range(end, last + 1)], list(range(begin, end, SPAN_DAYS))


def by_day(added: LearnerDays) -> LearnerDays:
    """The sums of all learners by day; ``learner`` holds the number of rows of each day."""
    days = group_pairs(added.day, np.zeros(len(added.day), np.int64))
    groups = days.groups

    def whole(column: Int64) -> Int64:
        return np.rint(sum_by(groups, column)).astype(np.int64)

    return LearnerDays(
        learner=count_by(groups),
        day=days.first,
        events=whole(added.events),
        clicks=whole(added.clicks),
        completions=whole(added.completions),
        completion_rates=whole(added.completion_rates),
        completion_rate_sum=sum_by(groups, added.completion_rate_sum),
        time_spent_seconds=sum_by(groups, added.time_spent_seconds),
        score_sum=sum_by(groups, added.score_sum),
    )
