"""How far does a batch bring each learner under one rule, and which event reached which tier?

One function an aggregate (count, distinct, streak, window).  Each takes the rule's matching rows, brought together by
learner with the order of the log kept within a learner, and what was remembered of those learners, and returns a
`Step`.  All are vectorised over learners; only learners that reach a tier of a streak or window rule in this very
batch are gone through event by event, to find the event that did it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models import active_dates
from models.active_dates import ActiveDates
from models.columns import Int64, Mask
from models.grouping import Groups, group_pairs, rank_in_runs, runs

NEVER = np.iinfo(np.int64).max
"""Row of a tier that is not reached."""
BEFORE = -1
"""Row of a tier that was reached before this batch."""

LATEST_DAYS = 21
"""An event this many days or more behind the newest one is left out of windows."""
KEPT_DAYS = 28
"""Days of counts kept: a window of 7 days around any event that is still accepted is then complete (21 + 7)."""


class Evidence(NamedTuple):
    """What one rule remembers of the learners, ascending by learner and then member."""

    owner: Int64
    """(e,) position of the learner."""
    member: Int64
    """(e,) distinct: a value; streak: the first day of a run; window: a day."""
    weight: Int64
    """(e,) distinct: 1; streak: days in the run; window: events of the day."""

    def only(self, keep: Mask) -> Evidence:
        """The entries that the mask selects."""
        return Evidence(self.owner[keep], self.member[keep], self.weight[keep])


def no_evidence() -> Evidence:
    """Nothing remembered of anyone."""
    nothing = np.empty(0, np.int64)
    return Evidence(nothing, nothing, nothing)


class Rows(NamedTuple):
    """m matching rows of a batch, ascending by owner, log order within an owner."""

    row: Int64
    """(m,) place in the batch."""
    owner: Int64
    """(m,) position of the learner."""
    member: Int64
    """(m,) what the aggregate tells apart (unused by a plain count)."""


class Step(NamedTuple):
    """What a batch does to g learners under one rule."""

    value: Int64
    """(g,) progress after the batch, at most the highest threshold."""
    reached: Int64
    """(g, tiers) row of the event that reached each tier; `BEFORE`, `NEVER`."""
    evidence: Evidence
    """What is remembered afterwards; nothing of a learner whose value is the highest threshold."""
    changed: Mask
    """(g,) whose evidence is not what it was."""


def count(rows: Rows, before: Int64, thresholds: Int64) -> Step:
    """Every row counts one."""
    added = np.bincount(rows.owner, minlength=len(before))
    first = np.cumsum(added) - added
    reached = _reached_before(before, thresholds)
    for tier, threshold in enumerate(thresholds):
        crossing = np.flatnonzero((before < threshold) & (before + added >= threshold))
        reached[crossing, tier] = rows.row[first[crossing] + threshold - before[crossing] - 1]
    value = np.minimum(before + added, thresholds[-1])
    return Step(value, reached, no_evidence(), np.zeros(len(before), bool))


def distinct(rows: Rows, before: Int64, thresholds: Int64, known: Evidence) -> Step:
    """Every row that brings a member not seen before counts one."""
    old = len(known.owner)
    pairs = group_pairs(np.concatenate((known.owner, rows.owner)), np.concatenate((known.member, rows.member)))
    inverse = pairs.groups.inverse
    first = np.empty(len(pairs.first), np.int64)
    first[inverse[::-1]] = np.arange(len(inverse))[::-1]  # the last assignment wins: the first occurrence
    fresh = np.sort(first[first >= old]) - old
    step = count(Rows(rows.row[fresh], rows.owner[fresh], rows.member[fresh]), before, thresholds)
    evidence = Evidence(pairs.first, pairs.second, np.ones(len(pairs.first), np.int64))
    changed = np.bincount(rows.owner[fresh], minlength=len(before)) > 0
    return _pruned(step._replace(evidence=evidence, changed=changed), thresholds)


def streak(rows: Rows, before: Int64, thresholds: Int64, known: Evidence) -> Step:
    """The longest run of consecutive days (members)."""
    kept = ActiveDates(known.owner, known.member, known.member + known.weight - 1)
    dates = active_dates.union(kept, active_dates.of_days(rows.owner, rows.member))
    length = dates.last_day - dates.first_day + 1
    value = before.copy()
    owners, best = active_dates.longest(dates)
    value[owners] = np.maximum(value[owners], best)
    changed = np.bincount(dates.learner, length, len(before)) != np.bincount(known.owner, known.weight, len(before))

    crossing: Mask = np.any((before[:, None] < thresholds) & (value[:, None] >= thresholds), axis=1)
    reached = _reached(rows, _run_lengths(rows, known, crossing), before, thresholds)
    step = Step(np.minimum(value, thresholds[-1]), reached, Evidence(dates.learner, dates.first_day, length), changed)
    return _pruned(step, thresholds)


def window(rows: Rows, before: Int64, thresholds: Int64, known: Evidence, days: int) -> Step:
    """The most rows within any ``days`` (1 or 7) consecutive days (members)."""
    rows = _timely(rows, known, len(before))
    filled = _fullest_windows(rows, known, days)
    value = before.copy()
    np.maximum.at(value, rows.owner, filled)
    reached = _reached(rows, filled, before, thresholds)
    pairs = group_pairs(np.concatenate((known.owner, rows.owner)), np.concatenate((known.member, rows.member)))
    weight = np.concatenate((known.weight, np.ones(len(rows.row), np.int64)))
    counts = np.bincount(pairs.groups.inverse, weight, len(pairs.first)).astype(np.int64)
    newest = np.full(len(before), np.iinfo(np.int64).min)
    np.maximum.at(newest, pairs.first, pairs.second)
    kept = Evidence(pairs.first, pairs.second, counts).only(pairs.second > newest[pairs.first] - KEPT_DAYS)
    changed = np.bincount(rows.owner, minlength=len(before)) > 0
    return _pruned(Step(np.minimum(value, thresholds[-1]), reached, kept, changed), thresholds)


def nothing(before: Int64, thresholds: Int64) -> Step:
    """No row looks at the rule."""
    unchanged = np.zeros(len(before), bool)
    return Step(np.minimum(before, thresholds[-1]), _reached_before(before, thresholds), no_evidence(), unchanged)


def _pruned(step: Step, thresholds: Int64) -> Step:
    """Without the evidence of those who have nothing left to reach."""
    return step._replace(evidence=step.evidence.only(step.value[step.evidence.owner] < thresholds[-1]))


def _reached_before(before: Int64, thresholds: Int64) -> Int64:
    return np.where(before[:, None] >= thresholds, BEFORE, NEVER)


def _reached(rows: Rows, values: Int64, before: Int64, thresholds: Int64) -> Int64:
    """(g, tiers) rows, given the value (m,) that each row brings its owner to."""
    reached = _reached_before(before, thresholds)
    for tier, threshold in enumerate(thresholds):
        enough = np.flatnonzero((values >= threshold) & (before[rows.owner] < threshold))
        owners, first = np.unique(rows.owner[enough], return_index=True)
        reached[owners, tier] = rows.row[enough[first]]
    return reached


def _run_lengths(rows: Rows, known: Evidence, crossing: Mask) -> Int64:
    """(m,) length of the run that each row's day is part of once it is there; 0 for owners who cross no threshold."""
    lengths = np.zeros(len(rows.row), np.int64)
    for owner in np.flatnonzero(crossing).tolist():
        mine = slice(*np.searchsorted(known.owner, (owner, owner + 1)))
        stretches = zip(known.member[mine].tolist(), known.weight[mine].tolist(), strict=True)
        held = {day for first, length in stretches for day in range(first, first + length)}
        here = slice(*np.searchsorted(rows.owner, (owner, owner + 1)))
        lengths[here] = [_add_day(held, day) for day in rows.member[here].tolist()]
    return lengths


def _add_day(held: set[int], day: int) -> int:
    """Puts a day into a set and returns the length of its run."""
    held.add(day)
    first = last = day
    while first - 1 in held:
        first -= 1
    while last + 1 in held:
        last += 1
    return last - first + 1


def _fullest_windows(rows: Rows, known: Evidence, days: int) -> Int64:
    """(m,) events in the fullest window around each row's day once the row is counted."""
    reach = np.arange(days)
    old = len(known.owner) * days
    # Every entry is part of the `days` windows that start on its day or up to days - 1 before it.
    windows = group_pairs(
        np.repeat(np.concatenate((known.owner, rows.owner)), days),
        (np.concatenate((known.member, rows.member))[:, None] - reach).ravel(),
    ).groups
    held = np.bincount(windows.inverse[:old], np.repeat(known.weight, days), windows.size).astype(np.int64)
    together = runs(Groups(windows.keys, windows.inverse[old:]))
    filled = np.empty(len(rows.row) * days, np.int64)
    filled[together.order] = rank_in_runs(together.starts) + 1
    fullest: Int64 = (held[windows.inverse[old:]] + filled).reshape(-1, days).max(axis=1, initial=0)
    return fullest


def _timely(rows: Rows, known: Evidence, owners: int) -> Rows:
    """The rows that are less than `LATEST_DAYS` behind the newest day of their learner so far."""
    if not len(rows.row):
        return rows
    low = min(int(rows.member.min()), int(known.member.min(initial=NEVER)))
    high = max(int(rows.member.max()), int(known.member.max(initial=low)))
    start = np.zeros(owners, np.int64)
    np.maximum.at(start, known.owner, known.member - low)
    # One running maximum for all learners: each has a range of numbers of its own.
    base = rows.owner * (high - low + 1)
    newest = np.maximum.accumulate(base + np.maximum(rows.member - low, start[rows.owner])) - base
    keep = rows.member - low > newest - LATEST_DAYS
    return Rows(rows.row[keep], rows.owner[keep], rows.member[keep])
