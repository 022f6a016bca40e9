"""What does a rule that repeats unlock in each day, week or month of a learner?

Such a rule counts anew in every period of the learner's own calendar, so what it remembers is a cell for each learner
and period: the number that the period has reached, the tiers unlocked in it, and the evidence.  No cell is ever
forgotten, so neither the order of the events nor any split of the log changes what is unlocked.  A requirement that is
fulfilled later unlocks what earlier periods had reached.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from models.achievement_evidence import BEFORE, Evidence
from models.achievement_rules import CompiledRule, matches
from models.achievements import Achievements, Unlocks, step_of, unlocked, unlocking_rows
from models.columns import Int64, Interactions
from models.grouping import Groups, group_pairs
from schemas.achievement_rules import Repeat

_WEEK_DAYS = 7
# 1970-01-01, local day 0, was a Thursday, three days after Monday.
_MONDAY_OFFSET = 3
_DAY_ZERO = dt.date(1970, 1, 1)


def first_days(repeat: Repeat, local_day: Int64) -> Int64:
    """(n,) first local day of the period that each local day is in; weeks begin on Monday."""
    if repeat is Repeat.WEEKLY:
        return local_day - (local_day + _MONDAY_OFFSET) % _WEEK_DAYS
    if repeat is Repeat.MONTHLY:
        return local_day.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return local_day


def period_of(repeat: Repeat, local_day: int) -> int:
    """First local day of the period that a local day is in."""
    return int(first_days(repeat, np.array([local_day], np.int64))[0])


@lru_cache(maxsize=4_096)
def period_name(repeat: Repeat, first_day: int) -> str:
    """A period as ISO 8601 writes it: `2024-05-01`, `2024-W18` or `2024-05`; empty for what does not repeat."""
    if repeat is Repeat.NEVER:
        return ""
    day = _DAY_ZERO + dt.timedelta(days=first_day)
    if repeat is Repeat.WEEKLY:
        year, week, _ = day.isocalendar()
        return f"{year:04}-W{week:02}"
    return day.isoformat() if repeat is Repeat.DAILY else day.isoformat()[:7]


class Cells(NamedTuple):
    """What one rule remembers of c periods of learners, no two the same."""

    learner: Int64
    """(c,) surrogate ``learner_key``."""
    period: Int64
    """(c,) first local day."""
    progress: Int64
    """(c,) the number that the rule has reached, at most its highest threshold."""
    tiers: Int64
    """(c,) tiers unlocked."""
    entries: Int64
    """(c,) how many entries of evidence each has."""
    member: Int64
    """(e,) the evidence end to end, cell after cell; see `models.achievement_evidence.Evidence`."""
    weight: Int64
    """(e,)"""


def no_cells() -> Cells:
    """Nothing remembered of anyone."""
    return Cells(*[np.empty(0, np.int64)] * 7)


class Touched(NamedTuple):
    """The m interactions of a batch that a rule looks at, in the order of the log."""

    row: Int64
    """(m,) place in the batch."""
    learner: Int64
    """(m,) surrogate ``learner_key``."""
    period: Int64
    """(m,) first local day of the period."""


def touched(rule: CompiledRule, batch: Interactions) -> Touched:
    """What a rule that repeats looks at; `update` needs the cells of these learners and periods."""
    row = np.flatnonzero(matches(rule.rule.when, batch))
    return Touched(row, batch.learner[row], first_days(rule.rule.repeat, batch.local_day[row].astype(np.int64)))


def update(
    rule: CompiledRule,
    stored: Cells,
    seen: Touched,
    batch: Interactions,
    groups: Groups,
    unlocking: Mapping[int, Int64],
) -> tuple[Cells, Unlocks]:
    """The cells that a batch changes under one rule, and what it unlocks.

    Args:
        rule: one that repeats.
        stored: the cells of all touched learners and periods, and every cell of the learners to whom this batch
            unlocked something that the rule requires.
        seen: what `touched` found.
        batch: the interactions, in the order of the log.
        groups: the batch's learner column, grouped.
        unlocking: of `models.achievements.Update`: by slot, when the groups' learners got what the rule requires.
    """
    old = len(stored.learner)
    pairs = group_pairs(np.concatenate((stored.learner, seen.learner)), np.concatenate((stored.period, seen.period)))
    cell, owner_of_row = pairs.groups.inverse[:old], pairs.groups.inverse[old:]
    before = _state(stored, cell, len(pairs.first))

    order = np.argsort(owner_of_row, kind="stable")
    matching, owner = seen.row[order], owner_of_row[order]
    inverse = np.zeros(len(batch), np.int64)
    inverse[matching] = owner
    step = step_of(rule._replace(slot=0), matching, Groups(np.arange(len(pairs.first)), inverse), batch, before)

    position = np.searchsorted(groups.keys, pairs.first)
    first_row = np.full(len(pairs.first), BEFORE)
    owners, first = np.unique(owner, return_index=True)
    first_row[owners] = matching[first]
    rows = unlocking_rows(step.reached, [unlocking[slot][position] for slot in rule.requires])
    tiers, (of_pair, tier, row) = unlocked(rows, before.tiers[:, 0], first_row)

    changed = (step.value != before.progress[:, 0]) | (tiers != before.tiers[:, 0]) | step.changed
    evidence = step.evidence if step.changed.any() else before.evidence[0]
    evidence = evidence.only(changed[evidence.owner])
    entries = np.bincount(evidence.owner, minlength=len(changed))[changed]
    cells = Cells(
        pairs.first[changed], pairs.second[changed], step.value[changed], tiers[changed],
        entries, evidence.member, evidence.weight,
    )  # fmt: skip
    by_row = np.lexsort((tier, row))
    of_pair, tier, row = of_pair[by_row], tier[by_row], row[by_row]
    slot = np.full(len(row), rule.slot)
    return cells, Unlocks(pairs.first[of_pair], slot, tier + 1, batch.at_ms[row], pairs.second[of_pair])


def _state(stored: Cells, cell: Int64, pairs: int) -> Achievements:
    """The stored cells, in their places (c,) among all pairs, as a state with the one slot 0."""
    progress, tiers = np.zeros((pairs, 1), np.int64), np.zeros((pairs, 1), np.int64)
    progress[cell, 0] = stored.progress
    tiers[cell, 0] = stored.tiers
    owner = np.repeat(cell, stored.entries)
    order = np.argsort(owner, kind="stable")
    return Achievements(progress, tiers, {0: Evidence(owner[order], stored.member[order], stored.weight[order])})
