"""What came of served lists: the same whatever the order and grouping, and sums that follow from the lists alone."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from models.recommendation.outcomes import (
    CLICKED,
    COMPLETED,
    DISLIKED,
    EMPTY,
    LIKED,
    Cell,
    Place,
    ServedList,
    Sums,
    exposures,
    followed,
    moved,
    served,
)

Step = tuple[int, str, int, int, int]
"""(list, what, day, place, value)"""

_PROPENSITY = {1: 1.0, 2: 0.9, 3: 0.05}
steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["served", "followed"]),
        st.integers(5, 8),
        st.integers(1, 3),
        st.integers(0, 3),
    ),
    max_size=25,
)


def fold(lists: dict[int, ServedList], part: list[Step]) -> tuple[dict[int, ServedList], dict[Cell, Sums]]:
    """One batch: the lists behind it, and what it moved."""
    after = dict(lists)
    for name, what, day, place, value in part:
        held = after.get(name, EMPTY)
        if what == "served":
            shown = [(p, Place(p + value % 2, 100 + p, "hybrid", _PROPENSITY[p], 1)) for p in range(1, place + 1)]
            after[name] = served(held, "hybrid", day, shown)
        else:
            after[name] = followed(held, place, (CLICKED, COMPLETED, LIKED, DISLIKED)[value])
    return after, moved((lists.get(name, EMPTY), one) for name, one in after.items())


def added(a: dict[Cell, Sums], b: dict[Cell, Sums]) -> dict[Cell, Sums]:
    """Both sums, cell by cell, without cells that came to nothing."""
    both = {cell: a.get(cell, Sums()).plus(b.get(cell, Sums())) for cell in a.keys() | b.keys()}
    return {cell: sums for cell, sums in both.items() if sums.servings}


@given(steps, st.sets(st.integers(0, 25)), st.randoms(use_true_random=False))
def test_order_and_grouping_change_nothing(log: list[Step], cuts: set[int], dice: object) -> None:
    """Any order, cut into any batches, gives the same lists, and sums within rounding."""
    whole, expected = fold({}, log)
    shuffled = list(log)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    lists: dict[int, ServedList] = {}
    sums: dict[Cell, Sums] = {}
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    for first, last in itertools.pairwise(edges):
        lists, more = fold(lists, shuffled[first:last])
        sums = added(sums, more)
    assert lists == whole
    assert sums.keys() == expected.keys()
    for cell, one in expected.items():
        assert sums[cell][:6] == one[:6]
        assert all(abs(a - b) < 1e-9 for a, b in zip(sums[cell][6:], one[6:], strict=True))


def test_a_click_counts_once_and_only_on_what_was_shown() -> None:
    """A click heard of before the serving counts once that is known; another, or on another place, adds nothing."""
    early = followed(EMPTY, 1, CLICKED)
    assert moved([(EMPTY, early)]) == {}
    shown = served(early, "hybrid", 7, [(1, Place(1, 11, "exploration", 0.05, 1)), (2, Place(2, 12, "hybrid", 1.0, 1))])
    sums = moved([(early, shown)])
    assert sums[Cell(7, "hybrid", "exploration", 1)] == Sums(1, 1, 1, 0, 0, 0, 20.0, 20.0)
    assert sums[Cell(7, "hybrid", "hybrid", 2)] == Sums(1, 1, 0, 0, 0, 0, 1.0, 0.0)
    again = followed(followed(shown, 1, CLICKED), 9, CLICKED)
    assert moved([(shown, again)]) == {}
    assert exposures([(EMPTY, again)]) == {11: (1, 1), 12: (1, 0)}


def test_reading_a_list_again_is_another_serving_of_the_same_impressions() -> None:
    """A list that is read twice counts two servings and one impression an item."""
    shown = [(1, Place(1, 11, "hybrid", 1.0, 1))]
    twice = served(served(EMPTY, "hybrid", 7, shown), "hybrid", 8, shown)
    assert moved([(EMPTY, twice)]) == {Cell(7, "hybrid", "hybrid", 1): Sums(2, 1, 0, 0, 0, 0, 1.0, 0.0)}
