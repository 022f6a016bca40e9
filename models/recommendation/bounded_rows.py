"""Which items stand beside an item, and how strongly? Rows of bounded length, pruned by half when full.

A row holds at most ``capacity`` entries (item, weights). When a newcomer finds it full, the lighter half (by the
first weight) is dropped and the newcomer starts at its own weight. Unlike SpaceSaving, where a newcomer inherits the
smallest weight, this keeps co-occurrence rows ranked as the unbounded rows are. Ties keep the younger entries.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.compiled import compiled
from models.recommendation.selection import kth_largest


class Rows(NamedTuple):
    """Bounded rows, one per item slot. R rows, K entries a row, W weights an entry."""

    ids: NDArray[np.int32]  # (R, K)
    weights: NDArray[np.float32]  # (R, K, W)
    length: NDArray[np.int32]  # (R,)


def empty_rows(rows: int, capacity: int, channels: int) -> Rows:
    """Return ``rows`` empty rows of ``capacity`` entries with ``channels`` weights each."""
    return Rows(
        np.zeros((rows, capacity), np.int32),
        np.zeros((rows, capacity, channels), np.float32),
        np.zeros(rows, np.int32),
    )


@compiled
def entry_of(rows: Rows, row: int, item: int) -> int:
    """Return the index of ``item`` in the row, or -1. Branch-free, so that it compiles to vector instructions."""
    found = -1
    ids = rows.ids[row]
    for k in range(rows.length[row]):
        if ids[k] == item:
            found = k
    return found


@compiled
def prune_half(rows: Rows, row: int) -> None:
    """Keep the heavier half of a full row by its first weight, in the old order; of equal weights the younger stay."""
    capacity = rows.ids.shape[1]
    keep = capacity // 2
    values = np.empty(capacity)
    for k in range(capacity):
        values[k] = rows.weights[row, k, 0]
    threshold = kth_largest(values, keep)
    above = 0
    for k in range(capacity):
        if rows.weights[row, k, 0] > threshold:
            above += 1
    skip_equal = -(keep - above)
    for k in range(capacity):
        if rows.weights[row, k, 0] == threshold:
            skip_equal += 1
    kept = 0
    for k in range(capacity):
        weight = rows.weights[row, k, 0]
        if weight == threshold and skip_equal > 0:
            skip_equal -= 1
            continue
        if weight >= threshold:
            rows.ids[row, kept] = rows.ids[row, k]
            rows.weights[row, kept] = rows.weights[row, k]
            kept += 1
    rows.length[row] = kept


@compiled
def entry_for(rows: Rows, row: int, item: int) -> int:
    """Return the index of ``item`` in the row, appending it with zero weights (after a prune if the row is full)."""
    found = entry_of(rows, row, item)
    if found >= 0:
        return found
    if rows.length[row] == rows.ids.shape[1]:
        prune_half(rows, row)
    end = rows.length[row]
    rows.ids[row, end] = item
    rows.weights[row, end] = 0.0
    rows.length[row] = end + 1
    return int(end)
