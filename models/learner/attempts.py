"""What does the learner model see of the log?  Attempts that ended in success or failure, as columns in log order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.learner.constants import MAX_SKILLS

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """n attempts in log order; the skills of attempt j are ``skills[skill_start[j]:skill_start[j + 1]]``."""

    learner: Int64
    """Surrogate ``learner_key``, shape (n,)."""
    item: Int64
    """Surrogate ``item_key`` >= 0, shape (n,).  Item arrays are indexed by it, so it must be dense, not a hash."""
    success: Float64
    """1 success, 0 failure, shape (n,)."""
    at_ms: Int64
    """Event time, Unix milliseconds; 0 where it is not known, shape (n,)."""
    skill_start: Int64
    """Shape (n + 1,), non-decreasing, from 0 to ``len(skills)``."""
    skills: Int64
    """Dense skill keys >= 0, each attempt's own without repetition."""

    def __len__(self) -> int:
        return len(self.learner)

    def slice(self, start: int, stop: int) -> Attempts:
        """Attempts ``start`` to ``stop`` (exclusive)."""
        first, last = int(self.skill_start[start]), int(self.skill_start[stop])
        return Attempts(
            learner=self.learner[start:stop],
            item=self.item[start:stop],
            success=self.success[start:stop],
            at_ms=self.at_ms[start:stop],
            skill_start=self.skill_start[start : stop + 1] - first,
            skills=self.skills[first:last],
        )


def attempts(
    learner: ArrayLike,
    item: ArrayLike,
    success: ArrayLike,
    skill_start: ArrayLike,
    skills: ArrayLike,
    *,
    at_ms: ArrayLike | None = None,
) -> Attempts:
    """Validated columns.

    Raises:
        ValueError: naming the field, when lengths differ, a key is negative, an outcome is neither 0 nor 1, or an
            attempt has more than ``MAX_SKILLS`` skills.
    """
    learner_keys = np.ascontiguousarray(learner, np.int64)
    rows = len(learner_keys)
    columns = Attempts(
        learner=learner_keys,
        item=np.ascontiguousarray(item, np.int64),
        success=np.ascontiguousarray(success, np.float64),
        at_ms=np.zeros(rows, np.int64) if at_ms is None else np.ascontiguousarray(at_ms, np.int64),
        skill_start=np.ascontiguousarray(skill_start, np.int64),
        skills=np.ascontiguousarray(skills, np.int64),
    )
    for name in ("item", "success", "at_ms"):
        if len(getattr(columns, name)) != rows:
            raise ValueError(f"{name} has {len(getattr(columns, name))} entries for {rows} attempts")
    if rows and (columns.item.min() < 0):
        raise ValueError("item holds a negative key; use the dense item_key")
    if not np.isin(columns.success, (0.0, 1.0)).all():
        raise ValueError("success must be 0 or 1 for every attempt; leave out events without an outcome")
    _check_skills(columns, rows)
    return columns


def _check_skills(columns: Attempts, rows: int) -> None:
    start = columns.skill_start
    if len(start) != rows + 1 or start[0] != 0 or start[-1] != len(columns.skills):
        raise ValueError(f"skill_start must hold {rows + 1} offsets from 0 to {len(columns.skills)}")
    count = np.diff(start)
    if rows and count.min() < 0:
        raise ValueError("skill_start must not decrease")
    if rows and count.max() > MAX_SKILLS:
        raise ValueError(f"skills: an attempt has {count.max()} skills, at most {MAX_SKILLS} are supported")
    if len(columns.skills) and columns.skills.min() < 0:
        raise ValueError("skills holds a negative key; use the dense skill_key")
