"""Does a rule that repeats do in each day, week and month what the same rule would do if there were no other?"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import numpy as np
import pytest
from achievement_kit import Walker, compiled, rule
from hypothesis import given, settings
from hypothesis import strategies as st
from law_folds import repeated
from law_logs import interactions

from models import achievements
from models.achievement_periods import first_days, period_name, period_of
from models.achievement_rules import CompiledRule, matches
from models.achievements import Achievements
from models.columns import Interactions
from models.grouping import group
from schemas.achievement_rules import Repeat

EXAMPLES = settings(max_examples=300, deadline=None)
EXPECTED_NAME = {Repeat.DAILY: "%Y-%m-%d", Repeat.WEEKLY: "%G-W%V", Repeat.MONTHLY: "%Y-%m"}

RULES = compiled(
    rule("started", "count", [2], when={"types": ["START", "COMPLETE"]}),
    rule("today", "count", [2, 4], repeat="daily"),
    rule("week-days", "distinct", [2, 3], of="local_day", repeat="weekly"),
    rule("month-items", "distinct", [2, 4], of="item", repeat="monthly", requires=["started"]),
    rule("week-time", "sum", [30, 2_000], field="timeSpent", repeat="weekly"),
    rule("month-longest", "max", [30, 1_234.5], field="timeSpent", repeat="monthly"),
    rule("week-run", "streak", [2, 3], repeat="weekly", requires=["started"]),
    rule("month-rated", "count", [1, 3], repeat="monthly", when={"where": [["rating", "ge", 3.5]]}),
)

# Days on both sides of the ends of weeks and months, and a year later.
_day = st.one_of(st.integers(0, 9), st.sampled_from([29, 30, 31, 60, 365, 366, 400]))
_event = st.tuples(
    st.integers(1, 3), st.integers(1, 5), st.sampled_from([0, 1, 3, 9]), _day.map(lambda day: day * 1440 + 300),
    st.just(0), st.integers(0, 2**32 - 1),
)  # fmt: skip
logs = st.lists(_event, max_size=40).map(interactions)


def fold(batches: list[Interactions], rules: tuple[CompiledRule, ...] = RULES) -> tuple[list[Any], dict[Any, Any]]:
    """(learner, slot, tier, time, period) of what rules that repeat unlock, and what they remember."""
    once = [one for one in rules if one.rule.repeat is Repeat.NEVER]
    states: dict[int, Achievements] = {}
    cells: dict[Any, Any] = {}
    found: list[Any] = []
    for batch in batches:
        for learner in np.unique(batch.learner).tolist():
            own = batch.take(batch.learner == learner)
            before = states.get(learner, achievements.empty(1, len(rules)))
            after = achievements.update(before, group(own.learner), own, once)
            states[learner] = after.state
            found += repeated(cells, rules, after, own)
    return found, cells


def walk(log: Interactions) -> tuple[list[Any], dict[Any, Any]]:
    """The same, found event by event with everything remembered."""
    walkers: dict[Any, Walker] = {}
    unlocks = []
    mask = {one.slot: matches(one.rule.when, log) for one in RULES}
    for row in range(len(log)):
        learner = int(log.learner[row])
        for one in RULES:
            period = period_of(one.rule.repeat, int(log.local_day[row])) if one.rule.repeat is not Repeat.NEVER else -1
            if mask[one.slot][row]:
                walkers.setdefault((one.slot, learner, period), Walker(one.rule)).step(log, row)
        for (slot, owner, period), walker in sorted(walkers.items()):
            required = next(one.requires for one in RULES if one.slot == slot)
            if owner != learner or not all(walkers.get((r, owner, -1), Walker(walker.rule)).tiers for r in required):
                continue
            while walker.tiers < len(walker.rule.tiers) and walker.value >= walker.rule.thresholds[walker.tiers]:
                walker.tiers += 1
                if period >= 0:
                    unlocks.append((owner, slot, walker.tiers, int(log.at_ms[row]), period))
    return unlocks, {key: (one.value, one.tiers) for key, one in walkers.items() if key[2] >= 0 and one.value}


@EXAMPLES
@given(log=logs, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_each_period_is_a_walk_of_its_own(log: Interactions, cuts: list[int]) -> None:
    """However a log is cut, unlocks with their event, progress and tiers are those of a walk from event to event."""
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    unlocks, cells = fold([log.take(slice(a, b)) for a, b in itertools.pairwise(edges)])
    expected, states = walk(log)
    assert sorted(unlocks) == sorted(expected)
    assert {key: cell[:2] for key, cell in cells.items() if cell[0]} == states


@EXAMPLES
@given(log=logs, data=st.data())
def test_any_permutation_duplication_and_split_unlocks_the_same(log: Interactions, data: st.DataObject) -> None:
    """Out of order, cut anywhere, the same tiers are unlocked in the same periods; what comes again unlocks no more.

    Repeated events of one id are dropped before any fold; so only what sets decide can be repeated here.
    """
    rows = np.array(data.draw(st.permutations(range(len(log)))), np.int64)
    cut = data.draw(st.integers(0, len(log)))
    unlocks, cells = fold([log])
    other_unlocks, other = fold([log.take(rows[:cut]), log.take(rows[cut:])])
    what = {(learner, slot, tier, period) for learner, slot, tier, _, period in unlocks}
    assert what == {(learner, slot, tier, period) for learner, slot, tier, _, period in other_unlocks}
    assert len(what) == len(unlocks)
    assert [one for one in sorted(cells.items()) if one[1][0]] == [one for one in sorted(other.items()) if one[1][0]]

    sets = [one.slot for one in RULES if one.rule.agg in {"distinct", "max", "streak"}]
    again, _ = fold([log.take(np.concatenate((rows, rows[:cut]))), log])
    assert {one for one in what if one[1] in sets} <= {(one[0], one[1], one[2], one[4]) for one in again}
    assert len({(one[0], one[1], one[2], one[4]) for one in again}) == len(again)


@pytest.mark.parametrize("repeat", [Repeat.DAILY, Repeat.WEEKLY, Repeat.MONTHLY])
def test_periods_are_those_of_the_calendar(repeat: Repeat) -> None:
    """Over thirty years, each day is in the period that the calendar says, and a period's first day is in it."""
    days = np.arange(7_300, 18_300)
    first = first_days(repeat, days)
    for day, start in zip(days.tolist(), first.tolist(), strict=True):
        date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
        assert period_name(repeat, start) == date.strftime(EXPECTED_NAME[repeat])
        assert start <= day
        assert period_of(repeat, start) == start
    assert period_name(Repeat.NEVER, 3) == ""


def test_a_late_requirement_unlocks_earlier_weeks() -> None:
    """Two weeks that had reached their tier unlock with the event that fulfils the requirement, each under its name."""
    some = compiled(
        rule("started", "count", [1], when={"types": ["START"]}),
        rule("week", "count", [2], repeat="weekly", requires=["started"]),
    )
    views = interactions([(1, 1, 0, day * 1440 + 600, 0, 0) for day in (1, 2, 8, 9, 15)])
    start = interactions([(1, 1, 1, 40 * 1440, 0, 0)])
    assert fold([views], some)[0] == []
    unlocks, _ = fold([views, start], some)
    assert [(one[2], one[3], period_name(Repeat.WEEKLY, one[4])) for one in unlocks] == [
        (1, int(start.at_ms[0]), "2024-W14"),
        (1, int(start.at_ms[0]), "2024-W15"),
    ]
    assert unlocks == fold([Interactions.concatenate([views, start])], some)[0]


def test_a_requirement_unlocks_before_the_period_goes_on() -> None:
    """What a week had reached unlocks with the requirement, even if the same batch then has more of that week."""
    some = compiled(
        rule("started", "count", [1], when={"types": ["START"]}),
        rule("week-run", "streak", [2, 3], repeat="weekly", requires=["started"]),
    )
    views = interactions([(1, 1, 0, day * 1440 + 600, 0, 0) for day in (1, 2)])
    more = interactions([(1, 1, 1, 40 * 1440, 0, 0), (1, 1, 0, 2 * 1440 + 600, 0, 0)])
    unlocks, _ = fold([views, more], some)
    assert [one[2:4] for one in unlocks] == [(1, int(more.at_ms[0]))]
    assert unlocks == fold([Interactions.concatenate([views, more])], some)[0]
