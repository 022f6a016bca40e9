"""What do all learners share?  Item and skill difficulty and the weights of the logistic regression, as one version.

Owned by one writer (the recommender), published as versions, read by everyone else.  Nothing about a single learner is
in here, so it needs no erasure, and a learner's state never holds any of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.learner import snapshot
from models.learner.constants import (
    FIRST_GRADIENT,
    GENERAL,
    ITEM_VARIANCE,
    ITEM_WIDTH,
    RATING_LOGIT,
    SKILL_VARIANCE,
    SKILL_WIDTH,
)

Float64 = NDArray[np.float64]


class SharedTables(NamedTuple):
    """The arrays that the kernel reads and, when it learns, writes."""

    item_rating: Float64
    """(items, 2): mean and variance of the difficulty, logits."""
    skill_rating: Float64
    """(skills, 4): the same for the skill, then the sum of its attempted items' difficulties, and their number."""
    weights: tuple[Float64, Float64, Float64]
    """General, skill and item weights, flat."""
    gradients: tuple[Float64, Float64, Float64]
    """Sums of squared gradients of the same shapes."""


class Shared:
    """The shared state; grows by doubling as higher item and skill keys are met, unknown keys stand at the prior."""

    def __init__(self, items: int = 0, skills: int = 0, version: int = 0) -> None:
        self.version = version
        general = np.zeros(GENERAL)
        general[RATING_LOGIT] = 1.0
        self.tables = SharedTables(
            _ratings(items, 2, ITEM_VARIANCE),
            _ratings(skills, 4, SKILL_VARIANCE),
            (general, np.zeros(skills * SKILL_WIDTH), np.zeros(items * ITEM_WIDTH)),
            (
                np.full(GENERAL, FIRST_GRADIENT),
                np.full(skills * SKILL_WIDTH, FIRST_GRADIENT),
                np.full(items * ITEM_WIDTH, FIRST_GRADIENT),
            ),
        )

    @property
    def items(self) -> int:
        """Item keys below this have a row."""
        return len(self.tables.item_rating)

    @property
    def skills(self) -> int:
        """Skill keys below this have a row."""
        return len(self.tables.skill_rating)

    def reserve(self, items: int, skills: int) -> None:
        """Give every key below ``items`` and ``skills`` a row at the prior; predictions do not change."""
        if items <= self.items and skills <= self.skills:
            return
        items = self.items if items <= self.items else max(items, 2 * self.items)
        skills = self.skills if skills <= self.skills else max(skills, 2 * self.skills)
        old, grown = self.tables, Shared(items, skills).tables
        for old_array, new_array in zip(_flat(old), _flat(grown), strict=True):
            new_array[: len(old_array)] = old_array
        self.tables = grown

    def suppose(self, item: int, difficulty: float) -> None:
        """Begin an item at its author's word: a prior mean in logits, for an item that nobody has attempted yet."""
        self.reserve(item + 1, 0)
        if self.tables.item_rating[item, 1] == ITEM_VARIANCE:
            self.tables.item_rating[item, 0] = difficulty

    def published(self, version: int) -> Shared:
        """An independent copy under a version number, for readers."""
        copy = Shared(0, 0, version)
        old = self.tables
        copy.tables = SharedTables(
            old.item_rating.copy(),
            old.skill_rating.copy(),
            (old.weights[0].copy(), old.weights[1].copy(), old.weights[2].copy()),
            (old.gradients[0].copy(), old.gradients[1].copy(), old.gradients[2].copy()),
        )
        return copy

    def difficulty(self, item: int, skills: tuple[int, ...] = ()) -> float:
        """Difficulty of an item with its skills in logits; 0 is the prior, higher is harder.  Unknown keys add 0."""
        total = float(self.tables.item_rating[item, 0]) if 0 <= item < self.items else 0.0
        known = [float(self.tables.skill_rating[skill, 0]) for skill in skills if 0 <= skill < self.skills]
        return total + (sum(known) / len(skills) if skills else 0.0)

    def to_bytes(self) -> bytes:
        """Snapshot without pickle; ``from_bytes`` of it continues bit for bit.

        Rows beyond the highest key that was ever learnt are left out, so equal states give equal bytes.
        """
        items, skills = (
            _touched(self.tables.item_rating, ITEM_VARIANCE),
            _touched(self.tables.skill_rating, SKILL_VARIANCE),
        )
        sizes = (items, skills, GENERAL, skills * SKILL_WIDTH, items * ITEM_WIDTH)
        kept = (array[:size] for array, size in zip(_flat(self.tables), sizes + sizes[2:], strict=True))
        return snapshot.pack("shared", self.version, dict(zip(_NAMES, kept, strict=True)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Shared:
        """Restore a snapshot.

        Raises:
            SnapshotError: see ``models.learner.snapshot.unpack``.
        """
        version, found = snapshot.unpack("shared", data)
        missing = [name for name in _NAMES if name not in found]
        if missing:
            raise snapshot.SnapshotError(f"snapshot lacks {', '.join(missing)}")
        item, skill, *flat = (found[name] for name in _NAMES)
        restored = cls(0, 0, version)
        restored.tables = SharedTables(item, skill, (flat[0], flat[1], flat[2]), (flat[3], flat[4], flat[5]))
        expected = (GENERAL, len(skill) * SKILL_WIDTH, len(item) * ITEM_WIDTH)
        for array, size in zip(flat, expected + expected, strict=True):
            if array.shape != (size,):
                raise snapshot.SnapshotError(f"weights have shape {array.shape}, expected ({size},)")
        return restored


_NAMES = (
    "item_rating",
    "skill_rating",
    "general_weight",
    "skill_weight",
    "item_weight",
    "general_gradient",
    "skill_gradient",
    "item_gradient",
)


def _ratings(rows: int, width: int, variance: float) -> Float64:
    table = np.zeros((rows, width))
    table[:, 1] = variance
    return table


def _touched(ratings: Float64, prior: float) -> int:
    """Rows up to the last one that says anything: supposing moves the mean, learning always shrinks the variance."""
    moved = np.flatnonzero((ratings[:, 1] != prior) | (ratings[:, 0] != 0.0))
    return int(moved[-1]) + 1 if len(moved) else 0


def _flat(tables: SharedTables) -> tuple[Float64, ...]:
    return (tables.item_rating, tables.skill_rating, *tables.weights, *tables.gradients)
