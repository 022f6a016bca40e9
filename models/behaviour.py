"""When and how does a learner use the platform?  Exact counts by type, local hour and weekday, and sums for his pace.

All counts are integers and every sum is a sum, so order and batching do not matter.  Hours and weekdays are the
learner's own (the columns ``local_hour`` and ``local_day``).  Distinct active days are kept elsewhere, as sets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import Float64, Int64, Interactions
from models.grouping import Groups, count_by, count_table, max_by, min_by, sum_by
from schemas.interactions import TYPE_OF_CODE, InteractionType

TYPES = len(TYPE_OF_CODE)
HOURS = 24
WEEKDAYS = 7
# 1970-01-01, local day 0, was a Thursday; Monday is weekday 0 (ISO 8601).
_WEEKDAY_OF_DAY_0 = 3


class Behaviour(NamedTuple):
    """What is kept of g learners."""

    events: Int64
    """(g,)"""
    type_counts: Int64
    """(g, 12) interactions of each ``InteractionType`` code."""
    hour_counts: Int64
    """(g, 24) interactions in each local hour of the day."""
    weekday_counts: Int64
    """(g, 7) interactions on each local weekday, Monday first."""
    completions: Int64
    """(g,) interactions of type COMPLETE."""
    completion_rates: Int64
    """(g,) interactions that stated a completion rate."""
    completion_rate_sum: Float64
    """(g,) sum of those rates, each in [0, 1]."""
    time_spent_seconds: Float64
    """(g,) sum of all stated times."""
    paced_spent_seconds: Float64
    """(g,) sum of the stated times of interactions whose content states a duration."""
    paced_expected_seconds: Float64
    """(g,) sum of those durations; spent / expected below 1 is a fast pace."""
    first_at_ms: Int64
    """(g,) oldest event time; the largest int64 before the first event."""
    last_at_ms: Int64
    """(g,) newest event time; the smallest int64 before the first event."""


def empty(learners: int) -> Behaviour:
    """The state of g learners of whom nothing is known."""

    def zeros() -> Int64:
        return np.zeros(learners, np.int64)

    return Behaviour(
        zeros(),
        np.zeros((learners, TYPES), np.int64),
        np.zeros((learners, HOURS), np.int64),
        np.zeros((learners, WEEKDAYS), np.int64),
        zeros(),
        zeros(),
        np.zeros(learners),
        np.zeros(learners),
        np.zeros(learners),
        np.zeros(learners),
        np.full(learners, np.iinfo(np.int64).max),
        np.full(learners, np.iinfo(np.int64).min),
    )


def update(state: Behaviour, groups: Groups, batch: Interactions) -> Behaviour:
    """The state after a batch of n interactions.

    Args:
        state: of the g learners of ``groups``, in the order of its keys.
        groups: the batch's learner column, grouped.
        batch: the interactions, in any order.
    """
    paced = ~np.isnan(batch.time_spent_seconds) & (batch.expected_seconds > 0)
    paced_spent = np.where(paced, batch.time_spent_seconds, 0.0)
    paced_expected = np.where(paced, batch.expected_seconds, 0.0)
    weekday = (batch.local_day + _WEEKDAY_OF_DAY_0) % WEEKDAYS
    return Behaviour(
        events=state.events + count_by(groups),
        type_counts=state.type_counts + count_table(groups, batch.type, TYPES),
        hour_counts=state.hour_counts + count_table(groups, batch.local_hour, HOURS),
        weekday_counts=state.weekday_counts + count_table(groups, weekday, WEEKDAYS),
        completions=state.completions + count_by(groups, batch.type == InteractionType.COMPLETE.code),
        completion_rates=state.completion_rates + count_by(groups, ~np.isnan(batch.completion_rate)),
        completion_rate_sum=state.completion_rate_sum + sum_by(groups, batch.completion_rate),
        time_spent_seconds=state.time_spent_seconds + sum_by(groups, batch.time_spent_seconds),
        paced_spent_seconds=state.paced_spent_seconds + sum_by(groups, paced_spent),
        paced_expected_seconds=state.paced_expected_seconds + sum_by(groups, paced_expected),
        first_at_ms=np.minimum(state.first_at_ms, min_by(groups, batch.at_ms)),
        last_at_ms=np.maximum(state.last_at_ms, max_by(groups, batch.at_ms)),
    )
