"""Does the skill vector say what was learnt, and are gaps the right ones?"""

from __future__ import annotations

import numpy as np
import pytest

from models.learner.fold import update
from models.learner.gaps import knowledge_gaps
from models.learner.learners import Learners
from models.learner.mastery import is_mastered, masteries, shared_difficulty, skill_mastery, skill_vector
from models.learner.shared import Shared
from models.learner.skill_mastery import SkillMastery
from schemas.skills import GapReason


def taught(outcomes, skill=3):
    shared, learners = Shared(), Learners()
    for n, success in enumerate(outcomes):
        update(shared, learners, 1, n, [skill], success=success, at_ms=1_700_000_000_000 + n, learn_shared=False)
    return shared, learners


def test_practice_makes_mastery_more_certain():
    """Twenty outcomes leave a narrower interval than one, and the mastery lies inside it."""
    few, many = taught([True]), taught([True, False] * 10)
    one, twenty = skill_mastery(*few, 1, 3), skill_mastery(*many, 1, 3)
    assert twenty.uncertainty < one.uncertainty
    assert all(entry.low < entry.mastery < entry.high for entry in (one, twenty))


def test_mastery_follows_the_success_rate():
    """A learner who solves 19 of 20 is near the top, one who solves 1 of 20 near the bottom."""
    good = skill_mastery(*taught([True] * 19 + [False]), 1, 3)
    bad = skill_mastery(*taught([False] * 19 + [True]), 1, 3)
    assert bad.mastery < 0.25 < 0.75 < good.mastery
    assert (good.attempts, good.successes) == (20, 19)
    assert good.last_at_ms == 1_700_000_000_019


def test_mastery_is_measured_at_the_skills_average_item():
    """A skill's difficulty is its own plus the mean of its items', however often each was attempted."""
    shared, learners = Shared(), Learners()
    for n in range(40):
        update(shared, learners, n, 0, [1], success=True)
        if n % 8 == 0:
            update(shared, learners, n, 1, [1], success=False)
    items = shared.tables.item_rating[:2, 0]
    assert items[0] < 0 < items[1]
    assert shared_difficulty(shared, 1) == pytest.approx(shared.tables.skill_rating[1, 0] + items.mean())
    assert shared_difficulty(shared, 7) == 0.0


def test_mastery_of_a_skill_with_one_easy_item_follows_its_success_rate():
    """The item's ease is not held against the learner: 95 % successes of a whole class are a mastery near 95 %."""
    shared, learners = Shared(), Learners()
    for n in range(40):
        for learner in range(20):
            update(shared, learners, learner, 0, [1], success=(n * 20 + learner) % 20 != 0)
    assert skill_mastery(shared, learners, 3, 1).mastery == pytest.approx(0.95, abs=0.04)


def test_an_untried_skill_rests_on_general_ability():
    """Success elsewhere lifts the expectation for a new skill, with more uncertainty than for the practised one."""
    state = taught([True] * 15)
    new, known = skill_mastery(*state, 1, 9), skill_mastery(*state, 1, 3)
    assert 0.5 < new.mastery < known.mastery
    assert new.uncertainty > known.uncertainty
    assert [entry.skill for entry in skill_vector(*state, 1)] == [3]


def test_masteries_of_many_equal_each_alone():
    """The batch read-out equals the single one, for known and unknown learners and skills."""
    shared, learners = Shared(), Learners()
    for n in range(60):
        update(shared, learners, n % 3, n % 7, [n % 4], success=n % 5 > 1)
    pairs = [(u, k) for u in (0, 1, 2, 77) for k in (0, 1, 2, 3, 50)]
    columns = [np.array(column) for column in zip(*pairs, strict=True)]
    alone = [skill_mastery(shared, learners, u, k) for u, k in pairs]
    for before in (False, True):
        found, mastered = masteries(shared, learners, *columns, np.full(len(pairs), before))
        assert found.tolist() == pytest.approx([entry.mastery for entry in alone])
        assert mastered.tolist() == [is_mastered(entry, before) for entry in alone]


@pytest.mark.parametrize(
    ("mastery", "attempts", "failures", "before", "after"),
    [
        (0.85, 3, 0, False, True),
        (0.84, 9, 0, False, False),
        (0.99, 2, 0, False, False),
        (0.99, 9, 1, False, False),
        (0.76, 9, 1, True, True),
        (0.74, 9, 0, True, False),
        (0.99, 9, 2, True, False),
    ],
)
def test_mastered_has_hysteresis_and_rests_on_evidence(mastery, attempts, failures, before, after):
    """It is gained by three successes in a row above one bar; lost below a lower bar or by two failures in three."""
    assert is_mastered(SkillMastery(1, mastery, 0, 1, attempts, attempts, 0, failures), before) is after


def test_recent_failures_are_those_of_the_last_three():
    """Failures before the last three attempts don't count."""
    assert skill_mastery(*taught([False, False, True, False, True]), 1, 3).recent_failures == 1
    assert skill_mastery(*taught([False]), 1, 3).recent_failures == 1
    assert skill_mastery(*taught([True]), 1, 9).recent_failures == 0


def entry(skill, mastery, attempts=5):
    return SkillMastery(skill, mastery, mastery - 0.1, mastery + 0.1, attempts, 3, 0)


def test_gaps_are_required_skills_that_are_untried_weak_or_due():
    """Only required skills are gaps; the most needed come first, then the weakest."""
    found = knowledge_gaps(
        {1: 1, 2: 3, 3: 1, 4: 1, 5: 1},
        {1: entry(1, 0.4), 2: entry(2, 0.9), 3: entry(3, 0.95), 4: entry(4, 0.6, attempts=0), 6: entry(6, 0.1)},
        due={2},
    )
    assert [(gap.skill, gap.reason) for gap in found] == [
        (2, GapReason.DUE),
        (5, GapReason.NEVER_TRIED),
        (1, GapReason.LOW_MASTERY),
        (4, GapReason.NEVER_TRIED),
    ]
    assert found[3].mastery == pytest.approx(0.6)
