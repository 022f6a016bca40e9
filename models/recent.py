"""What did a learner do last?  His newest 50 interactions, newest first.

Kept are the K largest by (event time, dedupe key), without repeats.  "The K largest of a set" is a semilattice: taking
it of any parts and then of the parts' results gives the K largest of the whole, so order, batching and even a second
delivery do not matter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Int16, Int64, Interactions
from models.grouping import Groups, rank_in_runs, row_time_key

RING = 50
"""K, interactions kept a learner."""


class Recent(NamedTuple):
    """The m entries kept of g learners, by learner row and then newest first."""

    starts: Int64
    """(g + 1,) learner i has the entries ``starts[i]:starts[i + 1]``, at most K."""
    item: Int64
    """(m,)"""
    content_type: Int16
    """(m,)"""
    type: Int16
    """(m,) ``InteractionType`` codes."""
    at_ms: Int64
    """(m,)"""
    dedupe_key: Int64
    """(m,)"""


def empty(learners: int) -> Recent:
    """The state of g learners who did nothing yet."""
    none, small = np.empty(0, np.int64), np.empty(0, np.int16)
    return Recent(np.zeros(learners + 1, np.int64), none, small, small, none, none)


def update(state: Recent, groups: Groups, batch: Interactions, size: int = RING) -> Recent:
    """The state after a batch of n interactions.

    Args:
        state: of the g learners of ``groups``, in the order of its keys.
        groups: the batch's learner column, grouped.
        batch: the interactions, in any order.
        size: K, the same in every call.
    """
    if not len(batch):
        return state
    newest_ms = max(int(batch.at_ms.max()), int(state.at_ms.max(initial=batch.at_ms[0])))
    stored_rows = np.repeat(np.arange(groups.size), np.diff(state.starts))
    batch_key = row_time_key(groups.inverse, newest_ms - batch.at_ms)
    by_time = np.argsort(batch_key)
    # Both halves ascend by now, which the stable sort (a merge sort that finds runs) uses.
    keys = np.concatenate((row_time_key(stored_rows, newest_ms - state.at_ms), batch_key[by_time]))
    dedupe = np.concatenate((state.dedupe_key, batch.dedupe_key[by_time]))
    order = _order(keys, dedupe)
    order = order[_distinct(keys[order], dedupe[order])]
    rows = np.concatenate((stored_rows, groups.inverse[by_time]))[order]
    starts = np.searchsorted(rows, np.arange(groups.size + 1))
    order = order[rank_in_runs(starts) < size]
    kept = np.concatenate(([0], np.cumsum(np.minimum(np.diff(starts), size))))

    def merged(stored: NDArray[np.int64], new: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate((stored, new[by_time]))[order]

    return Recent(
        kept,
        merged(state.item, batch.item),
        np.concatenate((state.content_type, batch.content_type[by_time]))[order],
        np.concatenate((state.type, batch.type[by_time]))[order],
        merged(state.at_ms, batch.at_ms),
        dedupe[order],
    )


def _order(keys: Int64, dedupe: Int64) -> Int64:
    """Ascending by key; equal keys (one learner, one millisecond) descending by dedupe key."""
    order = np.argsort(keys, kind="stable")
    equal = keys[order][1:] == keys[order][:-1]
    tied = np.flatnonzero(np.concatenate((equal, [False])) | np.concatenate(([False], equal)))
    if len(tied):
        among = order[tied]
        order[tied] = among[np.lexsort((~dedupe[among], keys[among]))]
    return order


def _distinct(keys: Int64, dedupe: Int64) -> NDArray[np.bool_]:
    first = np.ones(len(keys), np.bool_)
    first[1:] = (keys[1:] != keys[:-1]) | (dedupe[1:] != dedupe[:-1])
    return first
