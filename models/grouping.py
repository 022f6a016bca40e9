"""How does a fold sum by learner, item or pair without a loop? Group a key column once, then reduce columns by group.

Every reduction takes the `Groups` of the key column and one value column of the same length, and returns one entry a
group, groups ascending by key.  A group is never empty.  Grouping costs one pass when the keys are dense (surrogate
keys are), one sort otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Float64, Int64, Mask

# A key range up to this many times the number of rows is marked in a table instead of being sorted.
_DENSE_SPAN = 16
_UINT16_GROUPS = 1 << 16


class Groups(NamedTuple):
    """The distinct keys of a column of n rows, and which of them each row has."""

    keys: Int64
    """(g,) distinct keys, ascending."""
    inverse: Int64
    """(n,) position in ``keys`` of each row's key."""

    @property
    def size(self) -> int:
        """Number of groups, g."""
        return len(self.keys)


class PairGroups(NamedTuple):
    """The distinct pairs of two key columns, ascending by first and then second, and which of them each row has."""

    first: Int64
    """(g,)"""
    second: Int64
    """(g,)"""
    groups: Groups
    """``groups.inverse`` (n,) positions of the pairs; ``groups.keys`` are 0..g-1."""


class Runs(NamedTuple):
    """The rows of a column brought together by group, in row order within each group."""

    order: Int64
    """(n,) row numbers; the rows of group i are ``order[starts[i]:starts[i + 1]]``."""
    starts: Int64
    """(g + 1,)"""


def group(keys: NDArray[Any]) -> Groups:
    """The groups of an integer key column (n,)."""
    if len(keys) == 0:
        return Groups(np.empty(0, np.int64), np.empty(0, np.int64))
    low, high = int(keys.min()), int(keys.max())
    if high - low >= _DENSE_SPAN * len(keys):
        distinct, inverse = np.unique(keys, return_inverse=True)
        return Groups(distinct.astype(np.int64), inverse.astype(np.int64))
    places = keys.astype(np.int64) - low
    position = np.zeros(high - low + 1, np.int64)
    position[places] = 1
    distinct_places = np.flatnonzero(position)
    position[distinct_places] = np.arange(len(distinct_places))
    return Groups(distinct_places + low, position[places])


def group_pairs(first: NDArray[Any], second: NDArray[Any]) -> PairGroups:
    """The groups of two integer key columns (n,) taken together."""
    by_first, by_second = group(first), group(second)
    pairs = group(by_first.inverse * by_second.size + by_second.inverse)
    if not len(pairs.keys):
        return PairGroups(pairs.keys, pairs.keys, pairs)
    first_place, second_place = np.divmod(pairs.keys, by_second.size)
    dense = Groups(np.arange(pairs.size), pairs.inverse)
    return PairGroups(by_first.keys[first_place], by_second.keys[second_place], dense)


def positions(keys: Int64, wanted: Int64) -> Int64:
    """Where each of ``wanted`` stands in the ascending ``keys``; every one of them must be there."""
    found = np.searchsorted(keys, wanted)
    assert bool(np.all(keys[np.minimum(found, len(keys) - 1)] == wanted)) if len(wanted) else True
    return found


def runs(groups: Groups) -> Runs:
    """The rows brought together by group (stable; a radix sort up to 65,536 groups)."""
    inverse = groups.inverse.astype(np.uint16) if groups.size <= _UINT16_GROUPS else groups.inverse
    starts = np.zeros(groups.size + 1, np.int64)
    np.cumsum(count_by(groups), out=starts[1:])
    return Runs(np.argsort(inverse, kind="stable"), starts)


def count_by(groups: Groups, where: Mask | None = None) -> Int64:
    """(g,) number of rows of each group, or of those that the mask (n,) selects."""
    inverse = groups.inverse if where is None else groups.inverse[where]
    return np.bincount(inverse, minlength=groups.size)


def sum_by(groups: Groups, values: NDArray[Any]) -> Float64:
    """(g,) sum of each group; NaN counts as nothing."""
    present = np.nan_to_num(values.astype(np.float64))
    return np.bincount(groups.inverse, weights=present, minlength=groups.size).astype(np.float64, copy=False)


def min_by(groups: Groups, values: Int64) -> Int64:
    """(g,) smallest value of each group."""
    result = np.full(groups.size, np.iinfo(np.int64).max)
    np.minimum.at(result, groups.inverse, values)
    return result


def max_by(groups: Groups, values: Int64) -> Int64:
    """(g,) largest value of each group."""
    result = np.full(groups.size, np.iinfo(np.int64).min)
    np.maximum.at(result, groups.inverse, values)
    return result


def count_table(groups: Groups, code: NDArray[Any], codes: int) -> Int64:
    """(g, codes) number of rows of each group with each code 0..codes-1; other codes are not counted."""
    known = (code >= 0) & (code < codes)
    cells = groups.inverse * codes + code
    if not known.all():
        cells = cells[known]
    return np.bincount(cells, minlength=groups.size * codes).reshape(groups.size, codes)


def log_sum_by(groups: Groups, logs: Float64) -> Float64:
    """(g,) logarithm of the sum of exp(logs) of each group, without overflow; -inf is an empty sum."""
    peak = np.full(groups.size, -np.inf)
    np.maximum.at(peak, groups.inverse, logs)
    shift = np.where(np.isfinite(peak), peak, 0.0)
    total = np.bincount(groups.inverse, weights=np.exp(logs - shift[groups.inverse]), minlength=groups.size)
    with np.errstate(divide="ignore"):
        return shift + np.log(total)


def rank_in_runs(starts: Int64) -> Int64:
    """(n,) 0, 1, 2, ... within each run, for runs that start at ``starts`` (g + 1,), the last being n."""
    return np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts))


_TIME_BITS = 43  # 2^43 ms are 278 years


def row_time_key(rows: Int64, elapsed_ms: Int64) -> Int64:
    """(n,) one integer that sorts by row and then by time, for rows 0..2^20-1 and times 0..2^43-1.

    Raises:
        ValueError: a row or a time is out of range; it would sort wrongly.
    """
    if len(rows) and (int(rows.max()) >= 1 << 20 or int(elapsed_ms.min()) < 0 or int(elapsed_ms.max()) >> _TIME_BITS):
        raise ValueError("row_time_key: a batch may span 1,048,576 rows and 278 years; split it")
    return (rows << _TIME_BITS) + elapsed_ms
