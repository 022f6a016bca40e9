"""Where in the arrays does a learner or an item stand?  Surrogate keys as dense slots, in order of arrival."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.columns import Int32, Int64


class Slots:
    """Keys with their slots 0, 1, 2, ...; a slot is never given to another key.

    Args:
        keys: the keys of slots 0, 1, ...; 0 is the key of a slot whose owner was forgotten.
    """

    def __init__(self, keys: Iterable[int] = ()) -> None:
        self._keys = list(keys)
        self._slot = {key: slot for slot, key in enumerate(self._keys) if key}

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, keys: Int64) -> Int32:
        """(n,) slots of keys; a key that is met for the first time gets the next one."""
        slot, known = self._slot, self._keys
        found = np.empty(len(keys), np.int32)
        for place, key in enumerate(keys.tolist()):
            held = slot.get(key)
            if held is None:
                held = slot[key] = len(known)
                known.append(key)
            found[place] = held
        return found

    def find(self, key: int) -> int | None:
        """The slot of a key, if it has one."""
        return self._slot.get(key)

    def keys(self) -> Int64:
        """(N,) the key of every slot; 0 where it was forgotten."""
        return np.array(self._keys, np.int64)

    def key_of(self, slots: Int32) -> Int64:
        """(n,) the keys of slots; 0 where one was forgotten."""
        known = self._keys
        return np.array([known[slot] for slot in slots.tolist()], np.int64)

    def forget(self, key: int) -> int | None:
        """Takes the key out; its slot stays, without a name."""
        slot = self._slot.pop(key, None)
        if slot is not None:
            self._keys[slot] = 0
        return slot
