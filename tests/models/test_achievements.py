"""Does the vectorised fold of the achievement rules do what stepping from event to event would do?"""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import numpy as np
import pytest
from achievement_kit import Walker, compiled, rule
from hypothesis import given, settings
from hypothesis import strategies as st
from law_logs import batched_logs, interactions

from models import achievements
from models.achievement_rules import CompiledRule, compile_rules, matches
from models.achievements import Achievements
from models.columns import Interactions
from models.grouping import Groups
from schemas.achievement_rules import Aggregate, Fact, Repeat, When, shipped_rules
from schemas.interactions import TYPE_OF_CODE

EXAMPLES = settings(max_examples=300, deadline=None)
LEARNERS = np.arange(1, 4)


RULES = compiled(
    rule("every", "count", [1, 3, 8]),
    rule("finished", "count", [2, 4], when={"types": ["COMPLETE", "VIEW", "START"]}),
    rule("rated", "count", [1, 2], when={"where": [["rating", "ge", 3.5]]}),
    rule("items", "distinct", [2, 4], of="item"),
    rule("kinds", "distinct", [2, 3], of="content_type"),
    rule("days", "distinct", [2, 5], of="local_day"),
    rule("streak", "streak", [2, 3, 5]),
    rule("week", "count", [2, 4], window="7d"),
    rule("today", "count", [2, 3], window="local_day"),
    rule("month", "count", [3, 6], window="30d"),
    rule("time", "sum", [20.5, 3600, 90_000], field="timeSpent"),
    rule("day-time", "sum", [1_000, 80_000], field="timeSpent", window="local_day"),
    rule("longest", "max", [30, 1234.5], field="timeSpent", when={"types": ["VIEW", "ATTEMPT", "SHARE", "LIKE"]}),
    rule("span", "span", [1, 8, 40]),
    rule("skills", "mastery", [1, 3]),
    rule("kudos", "count", [1, 3], when={"fact": "KUDOS_RECEIVED"}),
    rule("peers", "distinct", [2, 3], of="item", when={"fact": "KUDOS_RECEIVED"}, requires=["kudos"]),
    rule("after-streak", "count", [1, 5], requires=["streak"]),
    rule("after-both", "distinct", [2, 3], of="item", requires=["after-streak", "week"]),
)

# Few days that meet, join, and lie weeks behind; few items; learners of law_logs.
_day = st.one_of(st.integers(0, 9), st.sampled_from([15, 29, 30, 31, 50, 51, 52, 53]))
_event = st.tuples(
    st.integers(1, 3), st.integers(1, 6), st.integers(0, 13), _day.map(lambda day: day * 1440 + 300), st.just(0),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
logs = st.lists(_event, max_size=50).map(interactions)


def walk(log: Interactions, rules: tuple[CompiledRule, ...]) -> tuple[list[Any], dict[int, list[tuple[int, int]]]]:
    """Unlocks in log order, and (value, tiers) by learner and rule, found event by event."""
    walkers = {learner: {one.slot: Walker(one.rule) for one in rules} for learner in LEARNERS.tolist()}
    unlocks = []
    for row in range(len(log)):
        learner = int(log.learner[row])
        own = walkers[learner]
        for one in rules:
            mastery = one.rule.agg is Aggregate.MASTERY
            if _matches(When(fact=Fact.SKILL_MASTERED) if mastery else one.rule.when, log, row):
                own[one.slot].step(log, row)
        for slot in sorted(own, key=lambda slot: [one.slot for one in rules].index(slot)):
            walker = own[slot]
            allowed = all(own[needed].tiers for one in rules if one.slot == slot for needed in one.requires)
            while allowed and walker.tiers < len(walker.rule.tiers):
                if walker.value < walker.rule.thresholds[walker.tiers]:
                    break
                walker.tiers += 1
                unlocks.append((learner, slot, walker.tiers, int(log.at_ms[row])))
    states = {learner: [(own[slot].value, own[slot].tiers) for slot in sorted(own)] for learner, own in walkers.items()}
    return unlocks, states


def _matches(when: When, log: Interactions, row: int) -> bool:
    code = int(log.type[row])
    if when.fact is not None or code >= len(TYPE_OF_CODE):
        return when.fact is not None and code == when.fact.code
    if when.types and TYPE_OF_CODE[log.type[row]] not in when.types:
        return False
    return all(log.rating[row] >= condition.value for condition in when.where)  # RULES only ask for a rating


def fold(batches: list[Interactions], rules: tuple[CompiledRule, ...]) -> tuple[list[Any], Achievements]:
    """Unlocks in the order they came, and the last state of all learners."""
    state = achievements.empty(len(LEARNERS), len(rules))
    unlocks: list[Any] = []
    for batch in batches:
        present = np.unique(batch.learner)
        part = Achievements(
            state.progress[present - 1],
            state.tiers[present - 1],
            {slot: _renumbered(one, present) for slot, one in state.evidence.items()},
        )
        after = achievements.update(part, Groups(present, np.searchsorted(present, batch.learner)), batch, rules)
        state.progress[present - 1] = after.state.progress
        state.tiers[present - 1] = after.state.tiers
        for slot, one in after.state.evidence.items():
            others = state.evidence.get(slot, one.only(np.zeros(len(one.owner), bool)))
            others = others.only(~np.isin(others.owner, present - 1))
            joined = [
                np.concatenate(pair) for pair in zip(others, one._replace(owner=present[one.owner] - 1), strict=True)
            ]
            order = np.lexsort((joined[1], joined[0]))
            state.evidence[slot] = type(one)(*(column[order] for column in joined))
        assert (after.unlocks.period == achievements.ONCE).all()
        unlocks += list(zip(*(column.tolist() for column in after.unlocks[:4]), strict=True))
    return unlocks, state


def _renumbered(one: Any, present: np.ndarray) -> Any:
    mine = one.only(np.isin(one.owner, present - 1))
    return mine._replace(owner=np.searchsorted(present, mine.owner + 1))


@EXAMPLES
@given(log=logs)
def test_the_fold_is_a_walk_from_event_to_event(log: Interactions) -> None:
    """Unlocks with the event that did it, progress and tiers equal those of a plain event-by-event reference."""
    unlocks, state = fold([log], RULES)
    expected, states = walk(log, RULES)
    assert sorted(unlocks) == sorted(expected)
    for place, learner in enumerate(LEARNERS.tolist()):
        both = list(zip(state.progress[place].tolist(), state.tiers[place].tolist(), strict=True))
        assert both == states[learner]


@EXAMPLES
@given(log=logs, cuts=st.lists(st.integers(0, 50), max_size=5))
def test_splits_change_neither_state_nor_unlocks(log: Interactions, cuts: list[int]) -> None:
    """Any batching of several learners' events gives the same unlocks, progress and remembered evidence."""
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    batches = [log.take(slice(a, b)) for a, b in itertools.pairwise(edges)]
    unlocks, state = fold(batches, RULES)
    expected, whole = fold([log], RULES)
    assert sorted(unlocks) == sorted(expected)
    np.testing.assert_array_equal(state.progress, whole.progress)
    np.testing.assert_array_equal(state.tiers, whole.tiers)
    for slot in set(state.evidence) | set(whole.evidence):
        for one, other in zip(_kept(state, slot), _kept(whole, slot), strict=True):
            np.testing.assert_array_equal(one, other)


def _kept(state: Achievements, slot: int) -> tuple[Any, ...]:
    return tuple(state.evidence[slot]) if slot in state.evidence else (np.empty(0, np.int64),) * 3


@settings(max_examples=300, deadline=None)
@given(log=logs, data=st.data())
def test_any_permutation_and_split_unlocks_the_same(log: Interactions, data: st.DataObject) -> None:
    """Late and out-of-order events of a year change no progress, and not what is unlocked at the end, of any rule."""
    rows = np.array(data.draw(st.permutations(range(len(log)))), np.int64)
    cut = data.draw(st.integers(0, len(log)))
    unlocks, state = fold([log], RULES)
    other_unlocks, other = fold([log.take(rows[:cut]), log.take(rows[cut:])], RULES)
    np.testing.assert_array_equal(state.progress, other.progress)
    assert {one[:3] for one in unlocks} == {one[:3] for one in other_unlocks}


SHIPPED = [one for one in shipped_rules() if one.repeat is Repeat.NEVER]
SHIPPED_COMPILED = compile_rules(SHIPPED, {one.id: slot for slot, one in enumerate(SHIPPED)})
_dense = st.tuples(
    st.integers(1, 3), st.integers(1, 40), st.sampled_from([0, 3, 3, 8, 9, 10, 12, 13]),
    st.integers(0, 40).map(lambda day: day * 1440 + 360), st.just(0), st.integers(0, 2**32 - 1),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(log=st.lists(_dense, min_size=20, max_size=80).map(interactions), data=st.data())
def test_the_shipped_rules_unlock_the_same_in_any_order(log: Interactions, data: st.DataObject) -> None:
    """Of the rules that are shipped and do not repeat, none depends on the order in which events arrive."""
    rows = np.array(data.draw(st.permutations(range(len(log)))), np.int64)
    unlocks, _ = fold([log], SHIPPED_COMPILED)
    other_unlocks, _ = fold([log.take(rows)], SHIPPED_COMPILED)
    assert {one[:3] for one in unlocks} == {one[:3] for one in other_unlocks}


@EXAMPLES
@given(logs=batched_logs(30))
def test_nothing_is_unlocked_twice(logs: tuple[Interactions, list[Interactions]]) -> None:
    """However a log is cut, and even when all of it comes again, a tier is unlocked at most once."""
    log, batches = logs
    shown = [one.take(one.learner <= len(LEARNERS)) for one in [*batches, log]]
    unlocks, _ = fold(shown, RULES)
    assert len({one[:3] for one in unlocks}) == len(unlocks)


def test_evidence_is_bounded_by_the_highest_tier() -> None:
    """A rule remembers fewer members than its highest tier, and nothing once that is reached."""
    some = compiled(rule("items", "distinct", [5], of="item"), rule("streak", "streak", [3]))
    few = interactions([(1, item, 0, item * 2880, 0, 0) for item in range(4)])
    state = fold([few], some)[1]
    assert len(state.evidence[0].owner) == 4
    many = interactions([(1, item, 0, item * 1440, 0, 0) for item in range(50)])
    state = fold([few, many], some)[1]
    assert state.progress[0].tolist() == [5, 3]
    assert [len(one.owner) for one in state.evidence.values()] == [0, 0]


def test_windows_forget_old_days() -> None:
    """A window rule keeps at most the newest year and a week of days."""
    some = compiled(rule("week", "count", [1000], window="7d"))
    state = fold([interactions([(1, 1, 0, day * 1440, 0, 0) for day in range(500)])], some)[1]
    assert len(state.evidence[0].owner) == 366 + 7
    assert state.progress[0, 0] == 7


@pytest.mark.parametrize(
    ("days", "window", "value"),
    [
        ([0, 0, 0], "local_day", 3),
        ([0, 1, 2], "local_day", 1),
        ([0, 1, 6], "7d", 3),
        ([0, 1, 7], "7d", 2),
        ([6, 1, 0], "7d", 3),  # out of order
        ([400, 35, 34], "7d", 1),  # 365 and 366 days late: the latter is left out
        ([400, 35, 35], "7d", 2),
        ([0, 400, 0, 0, 0], "7d", 1),  # far behind the newest: left out
        ([0, 29, 30], "30d", 2),
    ],
)
def test_windows_of_some_days(days: list[int], window: str, value: int) -> None:
    """Hand-made days of events, and the most within a window."""
    some = compiled(rule("most", "count", [100], window=window))
    log = interactions([(2, 1, 0, day * 1440 + 60, 0, 0) for day in days])
    assert fold([log], some)[1].progress[1, 0] == value
    assert walk(log, some)[1][2][0][0] == value


def test_the_unlocking_event_is_named() -> None:
    """Each tier carries the time of the event that reached it; a required one delays it to its own."""
    some = compiled(rule("three", "count", [1, 3]), rule("later", "count", [1], requires=["pair"]),
                    rule("pair", "distinct", [2], of="item"))  # fmt: skip
    log = interactions([(1, 5, 0, 0, 0, 0), (1, 5, 0, 10, 0, 0), (2, 5, 0, 15, 0, 0), (1, 6, 0, 20, 0, 0)])
    slots = {one.rule.id: one.slot for one in some}
    at = log.at_ms.tolist()
    unlocks, _ = fold([log], some)
    assert sorted(unlocks) == sorted(
        [
            (1, slots["three"], 1, at[0]),
            (1, slots["three"], 2, at[3]),
            (1, slots["pair"], 1, at[3]),
            (1, slots["later"], 1, at[3]),
            (2, slots["three"], 1, at[2]),
        ]
    )


def test_a_lowered_threshold_is_reached_with_the_next_event() -> None:
    """Progress that a new version of a rule finds sufficient unlocks when the learner's next event comes."""
    before = fold([interactions([(1, 1, 0, n, 0, 0) for n in range(4)])], compiled(rule("n", "count", [10])))[1]
    event = interactions([(1, 1, 0, 900, 0, 0)])
    lower = compiled(rule("n", "count", [3, 10]))
    part = Achievements(before.progress[:1], before.tiers[:1], {})
    after = achievements.update(part, Groups(LEARNERS[:1], np.zeros(1, np.int64)), event, lower)
    assert [column.tolist() for column in after.unlocks] == [[1], [0], [1], event.at_ms.tolist(), [-1]]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, [True] * 6),
        ({"types": ["COMPLETE"]}, [False, True, False, False, False, False]),
        ({"where": [["rating", "ge", 3]]}, [False, False, True, False, False, False]),
        ({"where": [["rating", "ne", 3]]}, [False, False, True, False, False, False]),  # absent fulfils nothing
        ({"where": [["score", "eq", 0.9]]}, [False, False, False, True, False, False]),
        ({"where": [["success", "eq", 0]]}, [False, False, False, False, True, False]),
        ({"where": [["localHour", "ge", 5], ["localHour", "lt", 8]]}, [False, False, False, False, False, True]),
        ({"where": [["localWeekday", "eq", 4]]}, [True] * 6),  # 1970-01-01 was a Thursday
        ({"where": [["timeSpent", "gt", 1], ["clicksCount", "le", 2]]}, [False] * 6),
    ],
)
def test_conditions_of_some_events(when: dict[str, Any], expected: list[bool]) -> None:
    """Hand-made interactions of 1970-01-01, and which of them a rule looks at."""
    log = interactions([(1, 1, 0, 0, 0, 0)] * 6)
    absent = np.full(6, np.nan, np.float32)
    names = ("time_spent_seconds", "expected_seconds", "completion_rate", "rating", "clicks", "scroll_depth", "score")
    columns: dict[str, Any] = {name: absent.copy() for name in names}
    columns |= {
        "type": np.array([0, 3, 9, 10, 10, 0], np.int16),
        "success": np.array([-1, -1, -1, 1, 0, -1], np.int16),
        "local_day": np.zeros(6, np.int32),
        "local_hour": np.array([12, 12, 12, 12, 12, 6], np.int16),
    }
    columns["rating"][2] = 4
    columns["score"][3] = 0.9
    shown = Interactions(**{**{name: getattr(log, name) for name in Interactions.__dataclass_fields__}, **columns})
    assert matches(msgspec.convert(when, When), shown).tolist() == expected
