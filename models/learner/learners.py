"""What is kept about each learner?  Ratings, counts and recent outcomes, per learner, per skill and per item.

A columnar cache of many learners: O(1) an attempt, and each learner leaves it (``dump``) and enters it (``load``) as
bytes of its own, so that a service keeps one row a learner.  Nothing shared between learners is in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.learner import snapshot
from models.learner.constants import LEARNER_SKILL_VARIANCE, LEARNER_VARIANCE
from models.learner.hashing import insert_rows
from models.learner.layout import (
    ABILITY,
    ITEM_HEAD,
    ITEM_WIDTH,
    KEY,
    LAST_ITEM,
    LAST_SKILL,
    LEARNER_WIDTH,
    NEXT,
    OWNER,
    ROW_KEY,
    SKILL_HEAD,
    SKILL_VARIANCE,
    SKILL_WIDTH,
    VARIANCE,
)

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_LEARNER_KEPT = slice(ABILITY, SKILL_HEAD)
_KEY_LIMIT = 1 << 53


class LearnerTables(NamedTuple):
    """The arrays of the cache; row 0 of each table is the prior of whoever has no row."""

    learner: Float64
    skill: Float64
    item: Float64
    skill_slot: Int64
    """Open-addressing table of (owner row, skill key) -> row; 0 is empty; the size is a power of two."""
    item_slot: Int64
    used: Int64
    """(2,): rows in use in the skill and in the item table, the prior included."""


class Learners:
    """Many learners' states; ``fold`` changes them in place, everything else leaves predictions as they are."""

    def __init__(self) -> None:
        self._row: dict[int, int] = {}
        self.tables = LearnerTables(
            np.zeros((8, LEARNER_WIDTH)),
            np.zeros((8, SKILL_WIDTH)),
            np.zeros((8, ITEM_WIDTH)),
            np.zeros(16, np.int64),
            np.zeros(16, np.int64),
            np.ones(2, np.int64),
        )
        self.tables.learner[0] = _prior_learner(-1)
        self.tables.skill[0, SKILL_VARIANCE] = LEARNER_SKILL_VARIANCE

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, learner: int) -> bool:
        return learner in self._row

    def held(self) -> list[int]:
        """Keys of the learners held, ascending."""
        return sorted(self._row)

    def row(self, learner: int) -> int:
        """The learner's row, 0 (the prior) for an unknown one."""
        return self._row.get(learner, 0)

    def rows(self, learner: Int64) -> Int64:
        """Row of each key, adding learners at the prior.

        Raises:
            ValueError: a key is negative or not exact in float64.
        """
        unique, inverse = np.unique(learner, return_inverse=True)
        if len(unique) and (unique[0] < 0 or unique[-1] >= _KEY_LIMIT):
            raise ValueError("learner keys must be in [0, 2**53)")
        return np.array([self._add(int(key)) for key in unique], np.int64)[inverse]

    def reserve(self, skill_rows: int, item_rows: int) -> None:
        """Make room for so many new rows: at most half of each slot table is ever used."""
        tables = self.tables
        skill, skill_slot = _room(tables.skill, tables.skill_slot, int(tables.used[0]), skill_rows)
        item, item_slot = _room(tables.item, tables.item_slot, int(tables.used[1]), item_rows)
        self.tables = tables._replace(skill=skill, skill_slot=skill_slot, item=item, item_slot=item_slot)

    def skill_rows(self, learner: int) -> Float64:
        """(n, SKILL_WIDTH): a copy of the learner's skill rows, by skill key."""
        return _chain(self.tables.skill, int(self.tables.learner[self.row(learner), SKILL_HEAD]))

    def item_rows(self, learner: int) -> Float64:
        """(n, ITEM_WIDTH): a copy of the learner's item rows, by item key."""
        return _chain(self.tables.item, int(self.tables.learner[self.row(learner), ITEM_HEAD]))

    def dump(self, learner: int) -> bytes:
        """One learner's state; equal states give equal bytes, whatever else the cache holds.

        Raises:
            KeyError: the learner is not held.
        """
        row = self.tables.learner[self._row[learner]]
        arrays = {
            "learner": row[_LEARNER_KEPT],
            "skills": self.skill_rows(learner)[:, _kept_columns(SKILL_WIDTH)],
            "items": self.item_rows(learner)[:, _kept_columns(ITEM_WIDTH)],
        }
        return snapshot.pack("learner", 0, arrays)

    def load(self, learner: int, data: bytes) -> None:
        """Put a dumped state under a key; it replaces what is held.

        Raises:
            SnapshotError: not such bytes.
        """
        _, arrays = snapshot.unpack("learner", data)
        shapes = {"learner": (0, 12 - 1), "skills": (1, SKILL_WIDTH - 2), "items": (1, ITEM_WIDTH - 2)}
        for name, (axis, width) in shapes.items():
            if name not in arrays or arrays[name].ndim != axis + 1 or arrays[name].shape[axis] != width:
                raise snapshot.SnapshotError(f"learner snapshot: {name} is missing or has another shape")
        if learner in self._row:
            self.forget([learner])
        row = int(self.rows(np.array([learner]))[0])
        self.tables.learner[row, _LEARNER_KEPT] = arrays["learner"]
        self.reserve(len(arrays["skills"]), len(arrays["items"]))
        tables = self.tables
        for which, table, slot, head, kept in (
            (0, tables.skill, tables.skill_slot, SKILL_HEAD, arrays["skills"]),
            (1, tables.item, tables.item_slot, ITEM_HEAD, arrays["items"]),
        ):
            start = int(tables.used[which])
            rows = np.arange(start, start + len(kept))
            table[rows, OWNER] = row
            table[rows[:, None], _kept_columns(table.shape[1])] = kept
            table[rows[1:], NEXT] = rows[:-1]
            tables.learner[row, head] = rows[-1] if len(rows) else 0
            tables.used[which] += len(rows)
            insert_rows(slot, table, start, start + len(rows))

    def forget(self, learners: Iterable[int]) -> None:
        """Drop learners from the cache (eviction, erasure) and close the gaps; O(size of the cache)."""
        gone = {key for key in learners if key in self._row}
        if not gone:
            return
        kept = {key: self.dump(key) for key in self.held() if key not in gone}
        fresh = Learners()
        for key, data in kept.items():
            fresh.load(key, data)
        self._row, self.tables = fresh._row, fresh.tables

    def to_bytes(self) -> bytes:
        """Snapshot of all learners; ``from_bytes`` of it continues bit for bit."""
        parts = [(key, self.dump(key)) for key in self.held()]
        keys = np.array([key for key, _ in parts], np.int64)
        sizes = np.array([len(data) for _, data in parts], np.int64)
        head = snapshot.pack("learners", 0, {"keys": keys, "sizes": sizes})
        return len(head).to_bytes(8, "little") + head + b"".join(data for _, data in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Learners:
        """Restore a snapshot of all learners.

        Raises:
            SnapshotError: not such bytes.
        """
        at = 8 + int.from_bytes(data[:8], "little")
        _, arrays = snapshot.unpack("learners", data[8:at])
        restored = cls()
        for key, size in zip(arrays["keys"].tolist(), arrays["sizes"].tolist(), strict=True):
            restored.load(key, data[at : at + size])
            at += size
        if at != len(data):
            raise snapshot.SnapshotError("learners snapshot: bytes are missing or left over")
        return restored

    def _add(self, key: int) -> int:
        row = self._row.get(key)
        if row is None:
            row = len(self._row) + 1
            if row >= len(self.tables.learner):
                self.tables = self.tables._replace(learner=_doubled(self.tables.learner, row + 1))
            self.tables.learner[row] = _prior_learner(key)
            self._row[key] = row
        return row


def _prior_learner(key: int) -> Float64:
    row = np.zeros(LEARNER_WIDTH)
    row[[KEY, VARIANCE, LAST_ITEM, LAST_SKILL]] = (key, LEARNER_VARIANCE, -1, -1)
    return row


def _kept_columns(width: int) -> Int64:
    return np.array([ROW_KEY, *range(NEXT + 1, width)])


def _chain(table: Float64, head: int) -> Float64:
    rows = []
    while head:
        rows.append(head)
        head = int(table[head, NEXT])
    found = table[rows] if rows else np.zeros((0, table.shape[1]))
    return found[np.argsort(found[:, ROW_KEY], kind="stable")]


def _doubled(table: Float64, rows: int) -> Float64:
    grown = np.zeros((max(rows, 2 * len(table)), table.shape[1]))
    grown[: len(table)] = table
    return grown


def _room(table: Float64, slot: Int64, used: int, wanted: int) -> tuple[Float64, Int64]:
    if used + wanted > len(table):
        table = _doubled(table, used + wanted)
    if 2 * (used + wanted) > len(slot):
        slot = np.zeros(1 << (2 * (used + wanted) - 1).bit_length(), np.int64)
        insert_rows(slot, table, 1, used)
    return table, slot
