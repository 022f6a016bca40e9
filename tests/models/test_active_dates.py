"""Are the active dates a set, whatever order, repetition and batching brought them, and are streaks read right?"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import active_dates
from models.active_dates import ActiveDates

EXAMPLES = settings(max_examples=200, deadline=None)
pairs = st.lists(st.tuples(st.integers(1, 4), st.integers(-3, 40)), max_size=60)


def dates_of(drawn: list[tuple[int, int]]) -> ActiveDates:
    """The set of (learner, day) pairs."""
    learner, day = np.array(drawn, np.int64).reshape(-1, 2).T
    return active_dates.of_days(learner, day)


def days_in(dates: ActiveDates) -> set[tuple[int, int]]:
    """The pairs that the runs stand for."""
    runs = zip(*(column.tolist() for column in dates), strict=True)
    return {(learner, day) for learner, first, last in runs for day in range(first, last + 1)}


def assert_maximal(dates: ActiveDates) -> None:
    """Runs ascend by learner and day, and two runs of a learner have a day between them."""
    runs = list(zip(*(column.tolist() for column in dates), strict=True))
    for (learner, _, last), (next_learner, first, _) in itertools.pairwise(runs):
        assert (learner, last + 1) < (next_learner, first)


@EXAMPLES
@given(drawn=pairs)
def test_the_runs_stand_for_exactly_the_days(drawn: list[tuple[int, int]]) -> None:
    """No day is lost, invented or covered twice."""
    dates = dates_of(drawn)
    assert days_in(dates) == set(drawn)
    assert int((dates.last_day - dates.first_day + 1).sum()) == len(set(drawn))
    assert_maximal(dates)


@EXAMPLES
@given(one=pairs, other=pairs)
def test_union_is_that_of_sets(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """The union holds the days of both, in maximal runs, and does not depend on the order of its arguments."""
    both = active_dates.union(dates_of(one), dates_of(other))
    assert days_in(both) == set(one) | set(other)
    assert_maximal(both)
    swapped = active_dates.union(dates_of(other), dates_of(one))
    assert all(np.array_equal(a, b) for a, b in zip(both, swapped, strict=True))


@EXAMPLES
@given(drawn=pairs, seed=st.randoms(use_true_random=False), cut=st.integers(0, 60))
def test_order_repetition_and_splits_change_nothing(drawn: list[tuple[int, int]], seed: object, cut: int) -> None:
    """A shuffled log with repeated events, folded in two parts, gives the same runs."""
    shuffled = drawn + drawn[: len(drawn) // 2]
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    state = active_dates.union(dates_of(shuffled[:cut]), dates_of(shuffled[cut:]))
    expected = dates_of(drawn)
    assert all(np.array_equal(a, b) for a, b in zip(state, expected, strict=True))


@EXAMPLES
@given(drawn=pairs, today=st.integers(-3, 41))
def test_streaks_are_those_of_a_walk_over_the_days(drawn: list[tuple[int, int]], today: int) -> None:
    """Longest and current streak equal those found by stepping from day to day."""
    mine = {day for learner, day in drawn if learner == 1}
    own = dates_of([(1, day) for day in mine])
    end = today if today in mine else today - 1
    walked = 0
    while end - walked in mine:
        walked += 1
    assert active_dates.current_streak(own, today) == walked
    best = run = 0
    for day in range(-4, 42):
        run = run + 1 if day in mine else 0
        best = max(best, run)
    assert active_dates.longest_streak(own) == best
    learners, lengths = active_dates.longest(own)
    assert (learners.tolist(), lengths.tolist()) == (([1], [best]) if mine else ([], []))


@pytest.mark.parametrize(
    ("days", "today", "current", "longest"),
    [
        ([], 10, 0, 0),
        ([10], 10, 1, 1),
        ([9], 10, 1, 1),  # yesterday still counts: today is not over
        ([8], 10, 0, 1),
        ([8, 9, 10], 10, 3, 3),
        ([7, 8, 9], 10, 3, 3),
        ([1, 2, 3, 4, 9, 10], 10, 2, 4),
        ([9, 10, 11, 12], 10, 2, 4),  # as of a day in the middle of a run
        ([10, 12], 11, 1, 1),
        ([10, 12, 11], 12, 3, 3),  # the late day joins two runs
    ],
)
def test_streaks_of_some_days(days: list[int], today: int, current: int, longest: int) -> None:
    """Hand-made examples of a learner's days, and the streaks as of a day."""
    own = dates_of([(1, day) for day in days])
    assert active_dates.current_streak(own, today) == current
    assert active_dates.longest_streak(own) == longest
