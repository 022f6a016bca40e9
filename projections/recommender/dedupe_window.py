"""Which events has the recommender counted before?  The last 2^19 to 2^20 event ids, in two generations of hash tables.

When the young generation is full it becomes the old one, and the old one is dropped.  A producer's retry comes within
seconds or minutes; at 1,000 events a second the window is 9 to 17 minutes, and the Postgres-backed window of the
worker (7 days) is not needed for tables of counts, where one event counted twice in a million changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import njit

from models.columns import Int64, Mask

CAPACITY = 1 << 20
"""Places of one generation; it is full at half of them."""
_MULTIPLIER = -7046029254386353131  # 2^64 / golden ratio as a signed number (Knuth, TAOCP 3, 6.4)


def _note(young: Int64, old: Int64, count: Int64, keys: Int64, fresh: Mask, first: int) -> int:
    """Looks up and notes keys from ``first`` on; stops before the young table is over half full.  0 is never a key."""
    mask = young.shape[0] - 1
    for row in range(first, keys.shape[0]):
        if 2 * count[0] >= young.shape[0]:
            return row
        key = keys[row] if keys[row] != 0 else 1
        start = ((key * _MULTIPLIER) >> 20) & mask
        place = start
        while old[place] != 0 and old[place] != key:
            place = (place + 1) & mask
        if old[place] == key:
            continue
        place = start
        while young[place] != 0 and young[place] != key:
            place = (place + 1) & mask
        if young[place] == 0:
            young[place] = key
            count[0] += 1
            fresh[row] = True
    return int(keys.shape[0])


_note_compiled = cast(Callable[..., int], cast(Any, njit)(cache=True, nogil=True)(_note))


class DedupeWindow:
    """The ids seen lately."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.young = np.zeros(capacity, np.int64)
        self.old = np.zeros(capacity, np.int64)
        self.count = np.zeros(1, np.int64)

    def unseen(self, keys: Int64) -> Mask:
        """(n,) True where a key is new; the keys are noted."""
        fresh = np.zeros(len(keys), bool)
        row = 0
        while True:
            row = _note_compiled(self.young, self.old, self.count, keys, fresh, row)
            if row >= len(keys):
                return fresh
            self.old, self.young = self.young, np.zeros(len(self.young), np.int64)
            self.count[0] = 0
