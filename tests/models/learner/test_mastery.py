"""Does the skill vector say what was learnt, and are gaps the right ones?"""

from __future__ import annotations

import pytest

from models.learner.fold import update
from models.learner.gaps import GapReason, knowledge_gaps
from models.learner.learners import Learners
from models.learner.mastery import SkillMastery, is_mastered, skill_mastery, skill_vector
from models.learner.shared import Shared


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


def test_an_untried_skill_rests_on_general_ability():
    """Success elsewhere lifts the expectation for a new skill, with more uncertainty than for the practised one."""
    state = taught([True] * 15)
    new, known = skill_mastery(*state, 1, 9), skill_mastery(*state, 1, 3)
    assert 0.5 < new.mastery < known.mastery
    assert new.uncertainty > known.uncertainty
    assert [entry.skill for entry in skill_vector(*state, 1)] == [3]


def test_mastered_has_hysteresis():
    """Between the two bars a skill keeps its status."""
    assert [is_mastered(0.8, was) for was in (False, True)] == [False, True]
    assert [is_mastered(0.85, False), is_mastered(0.74, True)] == [True, False]


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
