"""What is kept about each learner?  Ratings, counts and recent outcomes, per learner, per skill and per item.

A columnar cache of many learners: O(1) an attempt, and each learner leaves it (``dump``) and enters it (``load``) as
bytes of its own, so that a service keeps one row a learner.  Nothing shared between learners is in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.learner import snapshot
from models.learner.constants import LEARNER_SKILL_VARIANCE, LEARNER_VARIANCE
from models.learner.hashing import chain, insert_rows
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


class Columns(NamedTuple):
    """Learners' states as rows of three tables, each ordered by learner and key: what a service keeps in columns."""

    learner: Int64
    """(g,) keys, ascending."""
    head: Float64
    """(g, 11) the learner table from ``ABILITY`` up to, not including, ``SKILL_HEAD``."""
    skill_learner: Int64
    """(s,) whose."""
    skill: Float64
    """(s, 8) the skill key, then the skill table from ``SKILL_ABILITY`` on."""
    item_learner: Int64
    """(i,) whose."""
    item: Float64
    """(i, 5) the item key, then the item table from ``ITEM_WINS`` on."""


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
        self.tables.learner[0] = _prior()
        self.tables.skill[0, SKILL_VARIANCE] = LEARNER_SKILL_VARIANCE

    @classmethod
    def of_columns(cls, columns: Columns) -> Learners:
        """The learners in these columns, and with them only the skills and items that are in there."""
        made = cls()
        rows = made.rows(columns.learner)
        made.tables.learner[rows, _LEARNER_KEPT] = columns.head
        made.reserve(len(columns.skill), len(columns.item))
        parts = ((0, columns.skill_learner, columns.skill), (1, columns.item_learner, columns.item))
        for which, owner, kept in parts:
            width = (SKILL_WIDTH, ITEM_WIDTH)[which]
            entries = np.zeros((len(kept), width))
            entries[:, _kept_columns(width)] = kept
            entries[:, OWNER] = [made.row(key) for key in owner.tolist()]
            made._append(which, entries)
        return made

    def columns(self) -> Columns:
        """All states held."""
        keys = np.array(self.held(), np.int64)
        rows = np.array([self._row[key] for key in keys.tolist()], np.int64)
        found = []
        for table, width, order in (
            (self.tables.skill, SKILL_WIDTH, self.skill_order()),
            (self.tables.item, ITEM_WIDTH, self._order(self.tables.item, 1)),
        ):
            entries = table[order]
            owner = self.tables.learner[entries[:, OWNER].astype(np.int64), KEY].astype(np.int64)
            found += [owner, entries[:, _kept_columns(width)]]
        return Columns(keys, self.tables.learner[rows, _LEARNER_KEPT], *found)

    def skill_order(self) -> Int64:
        """Rows of the skill table in the order of ``columns``."""
        return self._order(self.tables.skill, 0)

    def _order(self, table: Float64, which: int) -> Int64:
        entries = table[1 : self.tables.used[which]]
        owner = self.tables.learner[entries[:, OWNER].astype(np.int64), KEY]
        return np.lexsort((entries[:, ROW_KEY], owner)) + 1

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
            SnapshotError: not such bytes; nothing is changed then.
        """
        self.load_many({learner: data})

    def load_many(self, states: Mapping[int, bytes]) -> None:
        """Put dumped states under their keys; they replace what is held.

        Raises:
            SnapshotError: not such bytes; nothing is changed then.
        """
        if not states:
            return
        parts = [_unpacked(data) for data in states.values()]
        self.forget(states)
        rows = self.rows(np.fromiter(states, np.int64, len(states)))
        self.tables.learner[rows, _LEARNER_KEPT] = [part["learner"] for part in parts]
        self.reserve(sum(len(part["skills"]) for part in parts), sum(len(part["items"]) for part in parts))
        for which, name, width in ((0, "skills", SKILL_WIDTH), (1, "items", ITEM_WIDTH)):
            entries = np.zeros((sum(len(part[name]) for part in parts), width))
            entries[:, _kept_columns(width)] = np.concatenate([part[name] for part in parts])
            entries[:, OWNER] = np.repeat(rows, [len(part[name]) for part in parts])
            self._append(which, entries)

    def forget(self, learners: Iterable[int]) -> None:
        """Drop learners from the cache (eviction, erasure) and close the gaps; O(size of the cache), so in bulk."""
        gone = {key for key in learners if key in self._row}
        if not gone:
            return
        kept = [key for key in self._row if key not in gone]
        old, old_rows = self.tables, np.array([self._row[key] for key in kept], np.int64)
        fresh = Learners()
        rows = fresh.rows(np.array(kept, np.int64))
        fresh.tables.learner[rows, _LEARNER_KEPT] = old.learner[old_rows, _LEARNER_KEPT]
        moved = np.zeros(len(old.learner), np.int64)
        moved[old_rows] = rows
        parts = []
        for which, table in enumerate((old.skill, old.item)):
            entries = table[1 : old.used[which]]
            owner = moved[entries[:, OWNER].astype(np.int64)]
            entries = entries[owner > 0]
            entries[:, OWNER] = owner[owner > 0]
            parts.append(entries[np.lexsort((entries[:, ROW_KEY], entries[:, OWNER]))])
        fresh.reserve(len(parts[0]), len(parts[1]))
        for which, entries in enumerate(parts):
            fresh._append(which, entries)
        self._row, self.tables = fresh._row, fresh.tables

    def _append(self, which: int, entries: Float64) -> None:
        """Enter rows of learners that have none yet in the skill (0) or item (1) table, one owner's side by side."""
        tables = self.tables
        table, slot, head = (
            (tables.skill, tables.skill_slot, SKILL_HEAD),
            (tables.item, tables.item_slot, ITEM_HEAD),
        )[which]
        start = int(tables.used[which])
        stop = start + len(entries)
        owner = entries[:, OWNER].astype(np.int64)
        same = np.concatenate([[False], owner[1:] == owner[:-1]]) if len(owner) else np.zeros(0, bool)
        rows = np.arange(start, stop)
        table[start:stop] = entries
        table[start:stop, NEXT] = np.where(same, rows - 1, 0)
        last = np.flatnonzero(~np.append(same[1:], False)) if len(owner) else np.zeros(0, np.int64)
        tables.learner[owner[last], head] = rows[last]
        tables.used[which] = stop
        insert_rows(slot, table, start, stop)

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
        restored, states = cls(), {}
        for key, size in zip(arrays["keys"].tolist(), arrays["sizes"].tolist(), strict=True):
            states[key] = data[at : at + size]
            at += size
        if at != len(data):
            raise snapshot.SnapshotError("learners snapshot: bytes are missing or left over")
        restored.load_many(states)
        return restored

    def _add(self, key: int) -> int:
        row = self._row.get(key)
        if row is None:
            row = len(self._row) + 1
            if row >= len(self.tables.learner):
                self.tables = self.tables._replace(learner=_doubled(self.tables.learner, row + 1))
            self.tables.learner[row] = self.tables.learner[0]
            self.tables.learner[row, KEY] = key
            self._row[key] = row
        return row


def _prior() -> Float64:
    row = np.zeros(LEARNER_WIDTH)
    row[[KEY, VARIANCE, LAST_ITEM, LAST_SKILL]] = (-1, LEARNER_VARIANCE, -1, -1)
    return row


def _kept_columns(width: int) -> Int64:
    return np.array([ROW_KEY, *range(NEXT + 1, width)])


def _chain(table: Float64, head: int) -> Float64:
    found: Float64 = table[chain(table, head)]
    return found[np.argsort(found[:, ROW_KEY], kind="stable")]


def _unpacked(data: bytes) -> dict[str, Float64]:
    _, arrays = snapshot.unpack("learner", data)
    shapes = {"learner": (SKILL_HEAD - ABILITY,), "skills": (-1, SKILL_WIDTH - 2), "items": (-1, ITEM_WIDTH - 2)}
    for name, shape in shapes.items():
        found = arrays[name].shape if name in arrays else ()
        if len(found) != len(shape) or found[-1] != shape[-1]:
            raise snapshot.SnapshotError(f"learner snapshot: {name} is missing or has another shape")
    return arrays


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
