"""In which row does a pair of keys stand?  Open-addressing hash tables over row numbers, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.learner.layout import NEXT, OWNER, ROW_KEY

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


_FIRST = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_THIRD = np.uint64(0xD6E8FEB86659FD93)
_SHIFT = np.uint64(32)


@njit(cache=True)
def mix(first: int, second: int) -> np.uint64:
    """A well-spread 64-bit hash of two integers, the same on every machine."""
    x = (np.uint64(first) * _FIRST) ^ ((np.uint64(second) + _THIRD) * _SECOND)
    x = (x ^ (x >> _SHIFT)) * _THIRD
    x = (x ^ (x >> _SHIFT)) * _THIRD
    return x ^ (x >> _SHIFT)


@njit(cache=True)
def find_row(slot: Int64, table: Float64, owner: int, key: int) -> int:
    """The row of (owner, key), or 0."""
    mask = np.int64(len(slot) - 1)
    at = np.int64(mix(owner, key) & np.uint64(mask))
    while slot[at] != 0:
        row: int = slot[at]
        if table[row, OWNER] == owner and table[row, ROW_KEY] == key:
            return row
        at = (at + 1) & mask
    return 0


@njit(cache=True)
def add_row(slot: Int64, table: Float64, row: int, owner: int, key: int) -> None:
    """Enter a row that is not there yet as (owner, key); the caller has made room."""
    mask = np.int64(len(slot) - 1)
    at = np.int64(mix(owner, key) & np.uint64(mask))
    while slot[at] != 0:
        at = (at + 1) & mask
    slot[at] = row
    table[row, OWNER] = owner
    table[row, ROW_KEY] = key


@njit(cache=True)
def insert_rows(slot: Int64, table: Float64, start: int, stop: int) -> None:
    """Enter rows that already hold their owner and key, start to stop (exclusive)."""
    for row in range(start, stop):
        add_row(slot, table, row, np.int64(table[row, OWNER]), np.int64(table[row, ROW_KEY]))


@njit(cache=True)
def chain(table: Float64, head: int) -> Int64:
    """The rows of one owner, from the last entered to the first."""
    n, row = 0, head
    while row != 0:
        n, row = n + 1, int(table[row, NEXT])
    rows = np.empty(n, np.int64)
    row = head
    for i in range(n):
        rows[i] = row
        row = int(table[row, NEXT])
    return rows
