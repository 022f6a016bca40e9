"""Which achievements does a learner unlock, by which event, and how far is he to the next?

Rules are data (`schemas.achievement_rules`); each reduces the interactions that it looks at to one number a learner,
which only grows, and a tier is unlocked by the first event, in the order of the log, that brings the number to the
tier's threshold while every required achievement has its first tier.  The state is bounded: progress is counted up to
the highest threshold, and what a rule remembers is dropped there.

Any split of the log into batches gives the same state and the same unlocks.  The streak and the distinct numbers do
not depend on the order of events either, except for which event is named as the one that unlocked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models import achievement_evidence as evidence_of
from models.achievement_evidence import BEFORE, NEVER, Evidence, Rows, Step, no_evidence
from models.achievement_rules import CompiledRule, matches, values_of
from models.columns import Int64, Interactions, Mask
from models.grouping import Groups, Runs, runs
from schemas.achievement_rules import HUNDREDTHS, AchievementRule, Aggregate, Fact, Member, When
from schemas.interactions import TYPE_OF_CODE

_MEMBER_COLUMN = {Member.ITEM: "item", Member.CONTENT_TYPE: "content_type", Member.LOCAL_DAY: "local_day"}


class Achievements(NamedTuple):
    """What is kept of g learners; S slots, one a rule."""

    progress: Int64
    """(g, S) the number that each rule has reached, at most its highest threshold."""
    tiers: Int64
    """(g, S) tiers unlocked."""
    evidence: dict[int, Evidence]
    """By slot; an absent slot remembers nothing."""


class Unlocks(NamedTuple):
    """u unlocked tiers, in the order of the log."""

    learner: Int64
    """(u,) surrogate ``learner_key``."""
    slot: Int64
    """(u,)"""
    tier: Int64
    """(u,) from 1."""
    at_ms: Int64
    """(u,) event time of the event that reached it."""
    period: Int64
    """(u,) first local day of the period that it was unlocked in; `ONCE` of a rule that does not repeat."""

    @staticmethod
    def joined(some: Sequence[Unlocks]) -> Unlocks:
        """Those of several folds of one batch, one after the other."""
        return Unlocks(*(np.concatenate(columns) for columns in zip(*some, strict=True)))


ONCE = -1
"""Period of what is unlocked once and for good; local days count from 1970."""


class Update(NamedTuple):
    """The outcome of a batch."""

    state: Achievements
    unlocks: Unlocks
    changed: dict[int, Mask]
    """By slot: (g,) whose evidence changed; an absent slot is unchanged."""
    unlocking: dict[int, Int64]
    """By slot: (g,) row of the event that unlocked the first tier; `BEFORE`, `NEVER`."""


def empty(learners: int, slots: int) -> Achievements:
    """The state of g learners of whom nothing is known."""
    return Achievements(np.zeros((learners, slots), np.int64), np.zeros((learners, slots), np.int64), {})


def update(state: Achievements, groups: Groups, batch: Interactions, rules: Sequence[CompiledRule]) -> Update:
    """The state after a batch of n interactions, and what it unlocked.

    Args:
        state: of the g learners of ``groups``, in the order of its keys.
        groups: the batch's learner column, grouped.
        batch: the interactions, in the order of the log.
        rules: compiled, each after those that it requires; those that repeat are for `models.achievement_periods`.
    """
    after = Achievements(state.progress.copy(), state.tiers.copy(), dict(state.evidence))
    together = runs(groups)
    first_row = together.order[together.starts[:-1]]
    matching: dict[When, Int64] = {}
    unlocked_row: dict[int, Int64] = {}
    changed: dict[int, Mask] = {}
    found: list[tuple[int, Int64, Int64, Int64]] = []
    present = np.bincount(batch.type, minlength=1).nonzero()[0].tolist()
    for rule in rules:
        when = _when(rule.rule)
        if when not in matching:
            matching[when] = _matching(when, present, together, batch)
        held = state.tiers[:, rule.slot]
        newly = any(((unlocked_row[slot] >= 0) & (unlocked_row[slot] < NEVER)).any() for slot in rule.requires)
        if not len(matching[when]) and not newly:
            unlocked_row[rule.slot] = np.where(held > 0, BEFORE, NEVER)
            continue
        step = step_of(rule, matching[when], groups, batch, state)
        after.progress[:, rule.slot] = step.value
        if step.changed.any():
            after.evidence[rule.slot] = step.evidence
            changed[rule.slot] = step.changed
        rows = unlocking_rows(step.reached, [unlocked_row[slot] for slot in rule.requires])
        unlocked_row[rule.slot] = np.where(held > 0, BEFORE, rows[:, 0])
        after.tiers[:, rule.slot], newly_held = unlocked(rows, held, first_row)
        found.append((rule.slot, *newly_held))
    return Update(after, _unlocks(found, groups, batch), changed, unlocked_row)


def unlocked(rows: Int64, held: Int64, first_row: Int64) -> tuple[Int64, tuple[Int64, Int64, Int64]]:
    """(g,) the tiers held after a batch, and owner, tier (from 0) and row of those unlocked in it.

    Args:
        rows: (g, tiers) what `unlocking_rows` found.
        held: (g,) tiers held before.
        first_row: (g,) the first row of each owner.
    """
    owner, tier = np.nonzero((rows != NEVER) & (np.arange(rows.shape[1]) >= held[:, None]))
    row = rows[owner, tier]
    # A tier that was reached before without being unlocked (its threshold was lowered) comes with the next event.
    newly_held = owner, tier, np.where(row == BEFORE, first_row[owner], row)
    return np.maximum(held, (rows != NEVER).sum(axis=1)), newly_held


def _when(rule: AchievementRule) -> When:
    return When(fact=Fact.SKILL_MASTERED) if rule.agg is Aggregate.MASTERY else rule.when


def _matching(when: When, present: Sequence[int], together: Runs, batch: Interactions) -> Int64:
    """The rows that count, brought together by learner in the order of the log; ``present`` are the types there are."""
    if when.fact is not None:
        wanted = when.fact.code in present
    else:
        wanted = bool(present) and (not when.types or any(kind.code in present for kind in when.types))
    if not wanted:
        return np.empty(0, np.int64)
    if when == When() and present[-1] < len(TYPE_OF_CODE):
        return together.order
    return together.order[matches(when, batch)[together.order]]


def step_of(rule: CompiledRule, matching: Int64, groups: Groups, batch: Interactions, state: Achievements) -> Step:
    """What the rows that count (by owner, in the order of the log) do under one rule."""
    before = state.progress[:, rule.slot]
    owner = groups.inverse[matching]
    unfinished = before[owner] < rule.top
    matching, owner = matching[unfinished], owner[unfinished]
    if not len(matching):
        return evidence_of.nothing(before, rule.thresholds)
    agg = rule.rule.agg
    if agg is Aggregate.COUNT and not rule.rule.window_days:
        return evidence_of.count(Rows(matching, owner, owner), before, rule.thresholds)
    rows = _rows(rule.rule, matching, owner, batch)
    if rule.rule.field is not None and not rule.rule.window_days:
        return (evidence_of.total if agg is Aggregate.SUM else evidence_of.highest)(rows, before, rule.thresholds)
    known = state.evidence.get(rule.slot, no_evidence())
    if agg in {Aggregate.DISTINCT, Aggregate.MASTERY}:
        return evidence_of.distinct(rows, before, rule.thresholds, known)
    if agg is Aggregate.STREAK:
        return evidence_of.streak(rows, before, rule.thresholds, known)
    if agg is Aggregate.SPAN:
        return evidence_of.span(rows, before, rule.thresholds, known)
    return evidence_of.window(rows, before, rule.thresholds, known, rule.rule.window_days)


def _rows(rule: AchievementRule, matching: Int64, owner: Int64, batch: Interactions) -> Rows:
    """The matching rows with what the rule tells apart, and what each of them counts."""
    member: Int64
    if rule.of is Member.LOCAL_MONTH:
        member = batch.local_day[matching].astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    else:
        of = Member.ITEM if rule.agg is Aggregate.MASTERY else rule.of or Member.LOCAL_DAY
        member = getattr(batch, _MEMBER_COLUMN[of])[matching].astype(np.int64)
    if rule.field is None:
        return Rows(matching, owner, member)
    stated = values_of(rule.field, batch)[matching]
    some = ~np.isnan(stated)
    weight = np.rint(stated[some] * HUNDREDTHS).astype(np.int64)
    return Rows(matching[some], owner[some], member[some], weight)


def unlocking_rows(reached: Int64, required: Sequence[Int64]) -> Int64:
    """(g, tiers) the later of the event that reached a tier and those that unlocked what it requires."""
    rows = reached
    for row in required:
        rows = np.maximum(rows, row[:, None])
    return rows


def _unlocks(found: Sequence[tuple[int, Int64, Int64, Int64]], groups: Groups, batch: Interactions) -> Unlocks:
    slot = np.concatenate([np.full(len(owner), slot) for slot, owner, _, _ in found] or [np.empty(0, np.int64)])
    owner, tier, row = (
        np.concatenate([entry[k] for entry in found] or [np.empty(0, np.int64)]).astype(np.int64) for k in (1, 2, 3)
    )
    order = np.lexsort((tier, slot, row))
    learner = groups.keys[owner[order]]
    return Unlocks(learner, slot[order], tier[order] + 1, batch.at_ms[row[order]], np.full(len(order), ONCE))
