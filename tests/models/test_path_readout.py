"""Reading out a path: prerequisites gate, difficulty moves in bounded steps, pace and dates follow the learner."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner.difficulty import FACTOR_MAX, FACTOR_MIN, FACTOR_STEP
from models.learner.path_changes import MoveReason
from models.module_mastery import ModuleStanding, SkillStanding, standings
from models.path_readout import KNOWN, Learner, Module, difficulty_factor, expected_success, read_out

TODAY = date(2026, 3, 1)
LEARNER = Learner(pace="SLOW", active_minutes=(), days_observed=28, engagement=0.0, today=TODAY)


def module(name: str, *before: str, **fields: object) -> Module:
    """An untried module of fifteen minutes."""
    plain = Module(
        id=name,
        prerequisites=before,
        duration_seconds=900.0,
        level="BEGINNER",
        completion=0.0,
        completed_ms=None,
        time_spent_seconds=0.0,
        score=None,
        style=0.5,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def completed(name: str, *before: str, at_ms: int = 1, **fields: object) -> Module:
    """A completed module."""
    return module(name, *before, completion=1.0, completed_ms=at_ms, **fields)


def test_a_module_is_open_when_its_prerequisites_are_completed() -> None:
    """Completion, not progress, opens what comes after; the reason names what is missing."""
    half = read_out([module("a", completion=0.9), module("b", "a")], LEARNER)
    assert (half.order, half.open, half.reasons[1]) == ([0, 1], [True, False], "after a")
    whole = read_out([completed("a"), module("b", "a")], LEARNER)
    assert (whole.order, whole.open, whole.reasons) == ([1], [False, True], [None, "nothing speaks for another order"])


def test_the_format_breaks_ties_only() -> None:
    """Of two equal modules the one in the preferred format comes first; a prerequisite still comes before it."""
    equal = read_out([module("a"), module("b", style=1.0)], LEARNER)
    assert equal.order == [1, 0]
    assert equal.reasons[1] == "you like its format"
    gated = read_out([module("a"), module("b", "a", style=1.0)], LEARNER)
    assert gated.order == [0, 1]


def test_the_newest_completion_is_what_moved() -> None:
    """What a completion took away stands first among the moves."""
    result = read_out([completed("a", at_ms=5), completed("b", at_ms=9), module("c", "b")], LEARNER)
    assert (result.moved[0].module, result.moved[0].after) == (1, None)
    assert read_out([module("a")], LEARNER).moved == []


scores = st.one_of(st.none(), st.floats(0, 1))


@settings(max_examples=200, deadline=None)
@given(
    results=st.lists(st.tuples(scores, st.floats(0, 10_000)), max_size=12),
    engagement=st.floats(-1, 1),
)
def test_difficulty_is_bounded_and_moves_in_steps(results: list[tuple[float | None, float]], engagement: float) -> None:
    """Whatever happens, the factor stays in its bounds and no completion moves it by more than a step."""
    done = [
        completed(str(n), at_ms=n, score=score, time_spent_seconds=seconds)
        for n, (score, seconds) in enumerate(results)
    ]
    factors = [difficulty_factor(done[:count], engagement) for count in range(len(done) + 1)]
    assert factors[0] == 1.0
    assert all(FACTOR_MIN <= factor <= FACTOR_MAX for factor in factors)
    assert all(abs(b - a) <= FACTOR_STEP + 1e-12 for a, b in itertools.pairwise(factors))


def test_success_makes_it_harder_and_failure_easier() -> None:
    """Full scores raise the difficulty, failed modules lower it."""
    assert (
        difficulty_factor([completed("a", score=1.0)], 0.0) > 1.0 > difficulty_factor([completed("a", score=0.0)], 0.0)
    )
    assert expected_success([]) == pytest.approx(0.8)
    assert expected_success([completed("a", score=0.0)]) < 0.8


def test_the_finish_date_follows_the_pace() -> None:
    """Two modules of fifteen minutes at fifteen minutes a day take two days; a study day of an hour takes one."""
    slow = read_out([module("a"), module("b")], LEARNER)
    assert slow.finish[0] == date(2026, 3, 2)
    assert slow.left.low_seconds < slow.left.seconds < slow.left.high_seconds
    assert read_out([module("a"), module("b")], replace(LEARNER, pace="FAST")).finish[0] == TODAY
    assert read_out([completed("a")], LEARNER).finish == (TODAY, TODAY, TODAY)


def test_a_quick_learner_is_estimated_quicker() -> None:
    """Times below the author's estimate shorten the estimate of what is left."""
    quick = read_out([completed("a", time_spent_seconds=300.0), module("b")], LEARNER)
    slow = read_out([completed("a", time_spent_seconds=1700.0), module("b")], LEARNER)
    assert quick.estimates[1].seconds < 900 < slow.estimates[1].seconds


def skill(mastery: float, before: float | None = None, *, mastered: bool = False, at_ms: int = 0) -> SkillStanding:
    """A skill of so much mastery, attempted at a time."""
    return SkillStanding(
        mastery=mastery, mastered=mastered, last_at_ms=at_ms, mastery_before=mastery if before is None else before
    )


def test_a_module_is_as_hard_as_its_skills_and_itself() -> None:
    """Without difficulty of its own a module is as likely as its skill; several skills count by their mean logit."""
    skills = {"a": skill(0.8), "b": skill(0.5), "c": skill(0.2)}
    easy, hard, both, none = standings([(["a"], 0.0), (["a"], 2.0), (["a", "c"], 0.0), ([], 0.0)], skills)
    assert easy is not None and hard is not None and both is not None and none is None  # noqa: PT018
    assert easy.success == pytest.approx(0.8)
    assert hard.success < 0.5 < easy.success
    assert both.success == pytest.approx(0.5)


def test_before_looks_back_for_the_newest_attempts_only() -> None:
    """Skills that were not attempted last stand as they stand."""
    skills = {"a": skill(0.9, 0.4, mastered=True, at_ms=9), "b": skill(0.7, 0.3, at_ms=5)}
    now = standings([(["a"], 0.0), (["b"], 0.0)], skills)
    before = standings([(["a"], 0.0), (["b"], 0.0)], skills, before=True)
    assert [round(one.success, 9) for one in now if one] == [0.9, 0.7]
    assert [round(one.success, 9) for one in before if one] == [0.4, 0.7]
    assert [one.mastered for one in (*now, *before) if one] == [True, False, False, False]


def test_the_order_follows_what_the_learner_can_do() -> None:
    """Of equal modules the one nearest to the target success comes first, and says so."""
    hard, fitting = ModuleStanding(0.2, mastered=False), ModuleStanding(0.8, mastered=False)
    result = read_out([module("a", now=hard, before=hard), module("b", now=fitting, before=fitting)], LEARNER)
    assert result.order == [1, 0]
    assert result.reasons[1] == "its difficulty fits you best"
    assert result.success == [0.2, 0.8]


def test_what_is_mastered_elsewhere_opens_the_way_and_stands_last() -> None:
    """A module whose skills are mastered gates nothing any more; what moved and why is told."""
    known, weak = ModuleStanding(0.95, mastered=True), ModuleStanding(0.6, mastered=False)
    modules = [module("a", now=known, before=weak), module("b", "a", now=weak, before=weak), module("c")]
    result = read_out(modules, replace(LEARNER, attempted_ms=7, recent_success=0.9))
    assert sorted(result.order) == [0, 1, 2]
    assert result.order[-1] == 0
    assert result.open == [True, True, True]
    assert result.reasons[0] == KNOWN
    assert next((move.module, move.reason) for move in result.moved) == (0, MoveReason.MASTERED)


def test_a_recommended_module_comes_first_but_gates_nothing() -> None:
    """A soft prerequisite draws its module back, and never blocks it."""
    result = read_out([module("a", recommended=("b",)), module("b")], LEARNER)
    assert (result.order, result.open) == ([1, 0], [True, True])


def test_failures_lately_make_the_next_module_easier() -> None:
    """Without scores the success rate of the newest attempts moves the difficulty, by one bounded step."""
    done = [completed("a")]
    assert difficulty_factor(done, 0.0, 0.2) < difficulty_factor(done, 0.0) < difficulty_factor(done, 0.0, 1.0)
