"""Are the right interactions taken as attempts, with the skills that the catalogue states?"""

from __future__ import annotations

import numpy as np
import pytest

from models.columns import COLUMNS, CONSENT_DEFAULT, Interactions
from models.learner.fold import fold
from models.learner.learners import Learners
from models.learner.of_interactions import ItemSkills, attempts_of
from models.learner.shared import Shared

CATALOGUE = ItemSkills(np.array([0, 2, 2, 3]), np.array([7, 4, 9]))


def batch(n, **columns):
    values = {name: np.full(n, np.nan if np.dtype(kind).kind == "f" else 0, kind) for name, kind in COLUMNS.items()}
    values["success"][:] = -1
    values["consent"][:] = CONSENT_DEFAULT
    return Interactions(**{name: np.asarray(columns.get(name, values[name]), COLUMNS[name]) for name in values})


def test_only_outcomes_are_attempts():
    """An event with success, else with a score, is an attempt; one with neither is none."""
    found, rows = attempts_of(
        batch(
            5, success=[1, -1, -1, 0, -1], score=[np.nan, 0.9, np.nan, 0.9, 0.2], item=[0, 1, 2, 2, 5], at_ms=range(5)
        ),
        CATALOGUE,
    )
    assert rows.tolist() == [0, 1, 3, 4]
    assert found.success.tolist() == [1, 1, 0, 0]
    assert found.at_ms.tolist() == [0, 1, 3, 4]


def test_skills_are_those_of_the_catalogue():
    """Each attempt carries its item's skills; items without any, or unknown to the catalogue, carry none."""
    found, _ = attempts_of(batch(5, success=[1] * 5, item=[2, 0, 1, 3, 900]), CATALOGUE)
    skills = [found.skills[a:b].tolist() for a, b in zip(found.skill_start, found.skill_start[1:], strict=False)]
    assert skills == [[9], [7, 4], [], [], []]
    assert attempts_of(batch(2, success=[1, 0]), ItemSkills.none())[0].skills.tolist() == []


def test_without_consent_nothing_is_learnt():
    """Events of learners who did not agree to personalisation are left out."""
    found, rows = attempts_of(batch(3, success=[1, 1, 1], consent=[1, 0, 2]), CATALOGUE)
    assert rows.tolist() == [0]
    assert len(found) == 1


def test_an_empty_batch_folds():
    """No interactions, no attempts, no change."""
    learners = Learners()
    found, _ = attempts_of(Interactions.empty(), CATALOGUE)
    assert len(fold(Shared(), learners, found).probability) == len(learners) == 0


def test_an_item_with_too_many_skills_is_named():
    """More skills than the model takes is an error that names the item."""
    crowded = ItemSkills(np.array([0, 20]), np.arange(20))
    with pytest.raises(ValueError, match="item 0 has 20 skills"):
        attempts_of(batch(1, success=[1]), crowded)
