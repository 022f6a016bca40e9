"""Which interactions teach the learner model?  Those with an outcome, of learners who agreed to personalisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.columns import CONSENT_PERSONALISE, Interactions
from models.learner.attempts import Attempts, Int64
from models.learner.constants import MAX_SKILLS

PASS_SCORE = 0.5
"""An event without ``success`` but with a score succeeded from this score on."""


@dataclass(frozen=True, slots=True)
class ItemSkills:
    """The skills of each item as the catalogue states them now: of item i, ``skill[start[i]:start[i + 1]]``."""

    start: Int64
    """(items + 1,); an item key beyond it has no skills."""
    skill: Int64
    """Dense skill keys, each item's own without repetition, at most ``MAX_SKILLS`` an item."""

    @classmethod
    def none(cls) -> ItemSkills:
        """No item has a skill."""
        return cls(np.zeros(1, np.int64), np.empty(0, np.int64))


def attempt_rows(batch: Interactions) -> Int64:
    """Rows of the interactions with an outcome, of learners who agreed to personalisation."""
    return np.flatnonzero(((batch.success >= 0) | ~np.isnan(batch.score)) & (batch.consent & CONSENT_PERSONALISE != 0))


def attempts_of(batch: Interactions, catalogue: ItemSkills) -> tuple[Attempts, Int64]:
    """The attempts of a batch in its order, and the row of the batch that each comes from.

    Raises:
        ValueError: the catalogue gives an item of the batch more than ``MAX_SKILLS`` skills.
    """
    rows = attempt_rows(batch)
    scored = batch.score >= PASS_SCORE
    passed = np.where(batch.success >= 0, batch.success > 0, scored)[rows]
    item = batch.item[rows]
    within = np.minimum(item, len(catalogue.start) - 1)
    first = catalogue.start[within]
    count = catalogue.start[np.minimum(item + 1, len(catalogue.start) - 1)] - first
    if len(count) and count.max() > MAX_SKILLS:
        raise ValueError(f"catalogue: item {item[count.argmax()]} has {count.max()} skills, at most {MAX_SKILLS} count")
    start = np.concatenate([[0], np.cumsum(count)])
    place = np.repeat(first - start[:-1], count) + np.arange(start[-1])
    columns = Attempts(
        learner=batch.learner[rows],
        item=item,
        success=passed.astype(np.float64),
        at_ms=batch.at_ms[rows],
        skill_start=start,
        skills=catalogue.skill[place],
    )
    return columns, rows
