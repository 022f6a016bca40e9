"""How far does a batch bring each learner under one rule, and which event reached which tier?

One function an aggregate (count, total, highest, distinct, streak, span, window).  Each takes the rule's matching
rows, brought together by learner with the order of the log kept within a learner, and what was remembered of those
learners, and returns a `Step`.  All are vectorised over learners; only learners that reach a tier of a streak or window
rule in this very batch are gone through event by event, to find the event that did it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models import active_dates
from models.active_dates import ActiveDates
from models.columns import Int64, Mask
from models.grouping import Groups, group_pairs, runs

NEVER = np.iinfo(np.int64).max
"""Row of a tier that is not reached."""
BEFORE = -1
"""Row of a tier that was reached before this batch."""

LATEST_DAYS = 366
"""An event this many days or more behind the newest one is left out of windows."""


class Evidence(NamedTuple):
    """What one rule remembers of the learners, ascending by learner and then member."""

    owner: Int64
    """(e,) position of the learner."""
    member: Int64
    """(e,) distinct: a value; streak: the first day of a run; span: its first day; window: a day."""
    weight: Int64
    """(e,) distinct: 1; streak, span: days from first to last; window: events, or their sum, of the day."""

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
    weight: Int64 | None = None
    """(m,) what each row counts, at least 0; None: one."""


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


def total(rows: Rows, before: Int64, thresholds: Int64) -> Step:
    """The weights of the rows add up."""
    assert rows.weight is not None
    so_far = np.cumsum(rows.weight)
    first = np.searchsorted(rows.owner, rows.owner)
    values = before[rows.owner] + so_far - (so_far - rows.weight)[first]
    return _grown(rows, values, before, thresholds)


def highest(rows: Rows, before: Int64, thresholds: Int64) -> Step:
    """The largest weight of any row."""
    assert rows.weight is not None
    return _grown(rows, rows.weight, before, thresholds)


def _grown(rows: Rows, values: Int64, before: Int64, thresholds: Int64) -> Step:
    """What the values that the rows bring their owners to unlock, where nothing else has to be remembered."""
    value = before.copy()
    np.maximum.at(value, rows.owner, values)
    reached = _reached(rows, values, before, thresholds)
    return Step(np.minimum(value, thresholds[-1]), reached, no_evidence(), np.zeros(len(before), bool))


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


def span(rows: Rows, before: Int64, thresholds: Int64, known: Evidence) -> Step:
    """Days from the first day (member) to the last one."""
    if not len(rows.row):
        return nothing(before, thresholds)._replace(evidence=known)
    low, high = np.full(len(before), NEVER // 2), np.full(len(before), -(NEVER // 2))
    low[known.owner], high[known.owner] = known.member, known.member + known.weight
    values = _running_max(rows.owner, rows.member, high) + _running_max(rows.owner, -rows.member, -low)
    old_low, old_high = low.copy(), high.copy()
    np.minimum.at(low, rows.owner, rows.member)
    np.maximum.at(high, rows.owner, rows.member)
    held = np.flatnonzero(low < NEVER // 2)
    changed = (low != old_low) | (high != old_high)
    evidence = Evidence(held, low[held], high[held] - low[held])
    return _pruned(_grown(rows, values, before, thresholds)._replace(evidence=evidence, changed=changed), thresholds)


def _running_max(owner: Int64, member: Int64, start: Int64) -> Int64:
    """(m,) the largest member of each owner so far, or what the owner starts with (g,); rows ascend by owner."""
    floor = int(member.min())
    started = np.maximum(start[owner], floor)
    span = int(max(member.max(), started.max())) - floor + 1
    # One running maximum for all owners: each has a range of numbers of its own.
    base = owner * span
    result: Int64 = np.maximum.accumulate(base + np.maximum(member, started) - floor) - base + floor
    return result


def window(rows: Rows, before: Int64, thresholds: Int64, known: Evidence, days: int) -> Step:
    """The most rows, or the largest sum of weights, within any so many consecutive days (members)."""
    rows = _timely(rows, known, len(before))
    weight = np.ones(len(rows.row), np.int64) if rows.weight is None else rows.weight
    filled = _fullest_windows(rows, weight, _near(known, rows, len(before), days), days)
    value = before.copy()
    np.maximum.at(value, rows.owner, filled)
    reached = _reached(rows, filled, before, thresholds)
    pairs = group_pairs(np.concatenate((known.owner, rows.owner)), np.concatenate((known.member, rows.member)))
    counts = np.zeros(len(pairs.first), np.int64)
    np.add.at(counts, pairs.groups.inverse, np.concatenate((known.weight, weight)))
    newest = np.full(len(before), np.iinfo(np.int64).min)
    np.maximum.at(newest, pairs.first, pairs.second)
    # A window around any event that is still accepted is then complete.
    recent = pairs.second > newest[pairs.first] - LATEST_DAYS - days
    # Above the highest threshold nothing is told apart, and the store holds 32 bits.
    kept = Evidence(pairs.first, pairs.second, np.minimum(counts, thresholds[-1])).only(recent)
    changed = np.bincount(rows.owner, minlength=len(before)) > 0
    return _pruned(Step(np.minimum(value, thresholds[-1]), reached, kept, changed), thresholds)


def _near(known: Evidence, rows: Rows, owners: int, days: int) -> Evidence:
    """The entries that share a window with a row."""
    low, high = np.full(owners, NEVER // 2), np.full(owners, -NEVER // 2)
    np.minimum.at(low, rows.owner, rows.member)
    np.maximum.at(high, rows.owner, rows.member)
    return known.only((known.member > low[known.owner] - days) & (known.member < high[known.owner] + days))


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


def _fullest_windows(rows: Rows, weight: Int64, known: Evidence, days: int) -> Int64:
    """(m,) what the fullest window around each row's day holds once the row is counted."""
    reach = np.arange(days)
    old = len(known.owner) * days
    # Every entry is part of the `days` windows that start on its day or up to days - 1 before it.
    windows = group_pairs(
        np.repeat(np.concatenate((known.owner, rows.owner)), days),
        (np.concatenate((known.member, rows.member))[:, None] - reach).ravel(),
    ).groups
    held = np.zeros(windows.size, np.int64)
    np.add.at(held, windows.inverse[:old], np.repeat(known.weight, days))
    together = runs(Groups(windows.keys, windows.inverse[old:]))
    added = np.repeat(weight, days)[together.order]
    so_far = np.cumsum(added)
    base = np.repeat((so_far - added)[np.minimum(together.starts[:-1], len(added) - 1)], np.diff(together.starts))
    filled = np.empty(len(rows.row) * days, np.int64)
    filled[together.order] = so_far - base
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
    weight = None if rows.weight is None else rows.weight[keep]
    return Rows(rows.row[keep], rows.owner[keep], rows.member[keep], weight)
