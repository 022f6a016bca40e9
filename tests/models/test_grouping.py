"""Do the group-by reductions give what a dictionary of lists would give?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.grouping import (
    count_by,
    count_table,
    group,
    group_pairs,
    log_sum_by,
    max_by,
    min_by,
    positions,
    rank_in_runs,
    row_time_key,
    runs,
    sum_by,
)

# Close together (the table path) and far apart (the sorting path).
keys = st.one_of(
    st.lists(st.integers(-20, 20), max_size=40),
    st.lists(st.integers(-(2**62), 2**62 - 1), max_size=40),
)


@given(keys=keys)
def test_groups_are_the_sorted_distinct_keys_and_lead_back_to_the_rows(keys: list[int]) -> None:
    """``keys[inverse]`` is the column again, and ``keys`` ascend without repeats."""
    column = np.array(keys, np.int64)
    groups = group(column)
    assert groups.keys.tolist() == sorted(set(keys))
    assert groups.keys[groups.inverse].tolist() == keys


@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(-100, 100)), max_size=40))
def test_every_reduction_equals_the_one_over_a_list_a_group(rows: list[tuple[int, int]]) -> None:
    """Counts, sums, extremes and log-sums agree with plain Python over each group's rows in order."""
    column, values = (np.array([row[place] for row in rows], np.int64) for place in (0, 1))
    groups = group(column)
    lists = [[value for key, value in rows if key == wanted] for wanted in groups.keys.tolist()]
    together = runs(groups)
    edges = zip(together.starts[:-1], together.starts[1:], strict=True)
    assert [values[together.order[first:last]].tolist() for first, last in edges] == lists
    assert count_by(groups).tolist() == [len(one) for one in lists]
    assert count_by(groups, values > 0).tolist() == [sum(value > 0 for value in one) for one in lists]
    assert sum_by(groups, values).tolist() == [sum(one) for one in lists]
    assert min_by(groups, values).tolist() == [min(one) for one in lists]
    assert max_by(groups, values).tolist() == [max(one) for one in lists]
    np.testing.assert_allclose(
        log_sum_by(groups, values.astype(float)), [np.log(np.sum(np.exp(one))) for one in lists], rtol=1e-12, atol=1e-12
    )
    assert rank_in_runs(together.starts).tolist() == [place for one in lists for place in range(len(one))]


def test_an_empty_log_sum_is_minus_infinity() -> None:
    """A group of nothing but −inf sums to −inf without a warning, and a huge one does not overflow."""
    groups = group(np.array([1, 1, 2, 2]))
    assert log_sum_by(groups, np.array([-np.inf, -np.inf, 5000.0, -np.inf])).tolist() == [-np.inf, 5000.0]


def test_absent_values_sum_as_nothing() -> None:
    """NaN adds nothing to a sum."""
    assert sum_by(group(np.array([1, 1])), np.array([np.nan, 2.5], np.float32)).tolist() == [2.5]


@given(rows=st.lists(st.tuples(st.integers(-3, 3), st.integers(10**12, 10**12 + 3)), max_size=30))
def test_pairs_are_the_sorted_distinct_pairs(rows: list[tuple[int, int]]) -> None:
    """Pair groups ascend by both keys and lead back to the rows."""
    first, second = (np.array([row[place] for row in rows], np.int64) for place in (0, 1))
    pairs = group_pairs(first, second)
    found = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert found == sorted(set(rows))
    assert [found[place] for place in pairs.groups.inverse.tolist()] == rows


def test_a_count_table_leaves_unknown_codes_out() -> None:
    """A code outside 0..codes-1 is counted nowhere, not in a neighbour's cell."""
    table = count_table(group(np.array([7, 7, 8])), np.array([0, 5, -1]), 3)
    assert table.tolist() == [[1, 0, 0], [0, 0, 0]]


def test_positions_finds_each_key() -> None:
    """The place of every wanted key among ascending keys."""
    assert positions(np.array([2, 5, 9]), np.array([9, 2])).tolist() == [2, 0]


def test_a_key_out_of_range_is_refused() -> None:
    """A time that would sort into another row raises instead."""
    with pytest.raises(ValueError, match="278 years"):
        row_time_key(np.array([0]), np.array([1 << 43]))
