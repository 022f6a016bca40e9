"""On which local dates was a learner active, and how long are the streaks?  A set of days, kept as maximal runs.

A set does not depend on the order or the repetition of what is put into it, so late, duplicate and out-of-order
events change nothing that an in-order feed would not.  A day belongs to the learner's own time zone, as decided when
the event was folded (the column ``local_day``), and a day once counted is never taken back: changing the zone can
not shorten a streak.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Int64, Interactions
from models.grouping import group_pairs


class ActiveDates(NamedTuple):
    """The active days of some learners as r maximal runs, ascending by learner and then by day."""

    learner: Int64
    """(r,) surrogate ``learner_key`` (or any other owner of a set of days)."""
    first_day: Int64
    """(r,) days since 1970-01-01."""
    last_day: Int64
    """(r,) inclusive."""


def empty() -> ActiveDates:
    """No days of anyone."""
    nothing = np.empty(0, np.int64)
    return ActiveDates(nothing, nothing, nothing)


def of(batch: Interactions) -> ActiveDates:
    """The days on which the learners of a batch were active."""
    return of_days(batch.learner, batch.local_day)


def of_days(learner: Int64, day: NDArray[np.integer]) -> ActiveDates:
    """The set of the days (n,) of each learner (n,)."""
    pairs = group_pairs(learner, day)
    return _joined(pairs.first, pairs.second, pairs.second)


def union(one: ActiveDates, other: ActiveDates) -> ActiveDates:
    """The days in either set, learner by learner.  Commutative, associative, idempotent."""
    learner, first, last = (np.concatenate(columns) for columns in zip(one, other, strict=True))
    order = np.lexsort((first, learner))
    return _joined(learner[order], first[order], last[order])


def update(state: ActiveDates, batch: Interactions) -> ActiveDates:
    """The set after a batch: its days are added."""
    return union(state, of(batch))


def longest(dates: ActiveDates) -> tuple[Int64, Int64]:
    """The learners (g,) that have any day, ascending, and the length (g,) in days of the longest run of each."""
    starts = np.flatnonzero(np.diff(dates.learner, prepend=dates.learner[:1] - 1))
    if not len(starts):
        return dates.learner, dates.learner
    return dates.learner[starts], np.maximum.reduceat(dates.last_day - dates.first_day + 1, starts)


def longest_streak(dates: ActiveDates) -> int:
    """Days in the longest run of one learner's dates; 0 without any."""
    return int((dates.last_day - dates.first_day + 1).max(initial=0))


def current_streak(dates: ActiveDates, today: int) -> int:
    """Days in one learner's run up to ``today`` (a local day), or up to yesterday when today has no activity yet."""
    for end in (today, today - 1):
        holds = (dates.first_day <= end) & (dates.last_day >= end)
        if holds.any():
            return end - int(dates.first_day[holds][0]) + 1
    return 0


def _joined(learner: Int64, first: Int64, last: Int64) -> ActiveDates:
    """Runs sorted by (learner, first), overlapping and adjacent ones joined."""
    if not len(learner):
        return empty()
    # The newest day so far within the learner, as one running maximum: each learner has a range of numbers of its own.
    low = int(first.min())
    span = int(last.max()) - low + 3
    owner = np.cumsum(np.diff(learner, prepend=learner[0]) != 0)
    reach = np.maximum.accumulate(owner * span + (last - low))
    opens = np.ones(len(learner), bool)
    opens[1:] = owner[1:] * span + (first[1:] - low) > reach[:-1] + 1
    starts = np.flatnonzero(opens)
    ends = np.append(starts[1:], len(learner)) - 1
    return ActiveDates(
        learner[starts].astype(np.int64), first[starts].astype(np.int64), reach[ends] - owner[ends] * span + low
    )
