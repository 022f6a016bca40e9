"""What has a learner done lately, and what has he had before? A ring of his last 50 events and all his items.

The ring is kept newest first. The set of all (learner, item) pairs is one open-addressing hash table over all
learners, so that "has he had this?" is a probe and memory is 8 bytes a pair (16 at the usual load).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.compiled import compiled

RING = 50  # events remembered in order per learner
_MULTIPLIER = (
    -7046029254386353131
)  # 2^64 / golden ratio, as a signed number (Knuth, TAOCP 3, 6.4: multiplicative hashing)


class Histories(NamedTuple):
    """What is remembered of every learner. U learner slots; ``ring_*`` newest first."""

    ring_item: NDArray[np.int32]  # (U, RING) item slots
    ring_at_ms: NDArray[np.int64]  # (U, RING)
    ring_length: NDArray[np.int32]  # (U,)
    distinct: NDArray[np.int32]  # (U,) different items had
    step_class: NDArray[np.int8]  # (U,) class of the last step in catalogue order
    taken: NDArray[np.int64]  # (2^k,) keys of (learner, item) pairs, 0 = free
    taken_count: NDArray[np.int64]  # (1,)


def empty_histories(learners: int, pairs: int) -> Histories:
    """Return histories with room for ``learners`` learners and ``pairs`` (learner, item) pairs."""
    return Histories(
        np.zeros((learners, RING), np.int32),
        np.zeros((learners, RING), np.int64),
        np.zeros(learners, np.int32),
        np.zeros(learners, np.int32),
        np.zeros(learners, np.int8),
        np.zeros(taken_capacity(pairs), np.int64),
        np.zeros(1, np.int64),
    )


def taken_capacity(pairs: int) -> int:
    """Return the size of the hash table for that many pairs: a power of two, at most half full."""
    return 1 << max(10, (2 * pairs - 1).bit_length())


@compiled
def _place(taken: NDArray[np.int64], learner: int, item: int) -> int:
    """Return where the pair stands in the table, or the free place where it belongs."""
    mask = taken.shape[0] - 1
    key = ((np.int64(learner) + 1) << 32) | np.int64(item)
    place = ((key * _MULTIPLIER) >> 24) & mask
    while taken[place] != 0 and taken[place] != key:
        place = (place + 1) & mask
    return int(place)


@compiled
def in_taken(taken: NDArray[np.int64], learner: int, item: int) -> bool:
    """Return whether the pair is in the table. Inner loops hand over the one array: a tuple of many is slow to pass."""
    return bool(taken[_place(taken, learner, item)] != 0)


@compiled
def has_taken(histories: Histories, learner: int, item: int) -> bool:
    """Return whether the learner has had the item."""
    return in_taken(histories.taken, learner, item)


@compiled
def remember(histories: Histories, learner: int, item: int, at_ms: int, step_class: int) -> bool:
    """Push an event on the ring; return whether the item was new to the learner. The caller grows the table."""
    length = histories.ring_length[learner]
    kept = min(length, RING - 1)
    for k in range(kept, 0, -1):
        histories.ring_item[learner, k] = histories.ring_item[learner, k - 1]
        histories.ring_at_ms[learner, k] = histories.ring_at_ms[learner, k - 1]
    histories.ring_item[learner, 0] = item
    histories.ring_at_ms[learner, 0] = at_ms
    histories.ring_length[learner] = kept + 1
    histories.step_class[learner] = step_class
    place = _place(histories.taken, learner, item)
    if histories.taken[place] != 0:
        return False
    histories.taken[place] = ((np.int64(learner) + 1) << 32) | np.int64(item)
    histories.taken_count[0] += 1
    histories.distinct[learner] += 1
    return True


@compiled
def recent_items(histories: Histories, learner: int, out: NDArray[np.int32]) -> int:
    """Write the learner's different items, newest first, to ``out``; return how many (at most its size)."""
    count = 0
    for k in range(histories.ring_length[learner]):
        if count == out.shape[0]:
            break
        item = histories.ring_item[learner, k]
        known = False
        for a in range(count):
            if out[a] == item:
                known = True
        if not known:
            out[count] = item
            count += 1
    return count


@compiled
def _insert_keys(taken: NDArray[np.int64], keys: NDArray[np.int64]) -> None:
    """Insert keys (not 0, each once) into the table."""
    for key in keys:
        taken[_place(taken, (key >> 32) - 1, key & 0xFFFFFFFF)] = key


def rehashed(taken: NDArray[np.int64], capacity: int, without_learner: int = -1) -> NDArray[np.int64]:
    """Return the table with another capacity; with ``without_learner`` that learner's pairs are left out."""
    keys = np.sort(taken[taken != 0])
    if without_learner >= 0:
        keys = keys[(keys >> 32) - 1 != without_learner]
    table = np.zeros(capacity, np.int64)
    _insert_keys(table, keys)
    return table
