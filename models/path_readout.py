"""What should a learner do next on a path, how hard should it be, and when is it done?  A path's facts, read out.

Everything follows from what is kept about the modules (completion, first completion, times, scores) and the learner:
the order from `models.learner.path_order`, its last move from `models.learner.path_changes`, difficulty from
`models.learner.difficulty` (one bounded step for each completion), times from `models.learner.pace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from models.learner.difficulty import FACTOR_STEP, TARGET_SUCCESS, adapted_difficulty, corrected_target, stepped
from models.learner.pace import (
    LearnerPace,
    TimeEstimate,
    daily_minutes,
    finish_dates,
    module_estimate,
    module_time,
    observed,
    path_estimate,
)
from models.learner.path_changes import Move, moves
from models.learner.path_order import TERMS, WEIGHTS, LearnerView, PathGraph, PathPlan, path_graph, plan
from models.learner.prerequisites import prerequisite_graph
from models.module_mastery import ModuleStanding

RECENT_MODULES = 5
"""Completions that performance and time ratio are taken from."""
PRIOR_MODULES = 2.0
"""A learner without scores is expected to succeed at the target rate, as if this many modules had said so."""
SHORTEST_DURATION_SECONDS = 1.0
"""Supposed of a module whose author stated 0."""
BASE_DIFFICULTY = {"BEGINNER": 1.0, "INTERMEDIATE": 2.0, "ADVANCED": 3.0, "EXPERT": 4.0}
"""The author's scale: one a level."""
KNOWN = "you master its skills already"
_WORDS = dict(
    zip(
        TERMS,
        (
            "it is the shortest way to the goal of the path",
            "its difficulty fits you best",
            "it opens the most other modules",
            "what it recommends to know before is done",
            "you like its format",
        ),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module, and how far the learner is in it."""

    id: str
    prerequisites: tuple[str, ...]
    duration_seconds: float
    """The author's estimate."""
    level: str
    """Of its content, else of the path."""
    completion: float
    """[0, 1]"""
    completed_ms: int | None
    """First completion."""
    time_spent_seconds: float
    score: float | None
    """Best, [0, 1]."""
    style: float
    """Preference for its format, [0, 1]; .5 where nothing is known."""
    recommended: tuple[str, ...] = ()
    """Soft prerequisites."""
    now: ModuleStanding | None = None
    """What the learner model says of it; None: nothing."""
    before: ModuleStanding | None = None
    """What it said before the newest attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What a read-out knows of the learner."""

    pace: str
    """Declared: SLOW, MODERATE or FAST."""
    active_minutes: Sequence[float]
    """Minutes studied on each active day of the last ``days_observed`` days."""
    days_observed: int
    engagement: float
    """[-1, 1], 0 is usual."""
    today: date
    recent_success: float | None = None
    """Success rate of the newest attempts, [0, 1]; None without any."""
    attempted_ms: int = 0
    """Newest attempt at anything that the path trains; 0: none."""


@dataclass(frozen=True, slots=True)
class ReadOut:
    """A path as it stands; lists have one entry a module, in the author's order."""

    order: list[int]
    """Modules that are left, first things first; those whose skills are mastered already stand last."""
    open: list[bool]
    reasons: list[str | None]
    """Why a module stands where it stands; None for completed ones."""
    moved: list[Move]
    """What the newest completion or day of attempts changed."""
    success: list[float]
    """Expected success rate, (0, 1)."""
    difficulties: list[float]
    """Adapted, on the author's scale."""
    estimates: list[TimeEstimate]
    """Of the whole module."""
    left: TimeEstimate
    minutes_a_day: float
    finish: tuple[date, date, date]
    """Expected, earliest, latest."""


def read_out(modules: Sequence[Module], learner: Learner) -> ReadOut:
    """The path as it stands.

    Raises:
        PrerequisiteError: the prerequisites cannot be satisfied.
        ValueError: a pace or a measure is out of its range.
    """
    graph = path_graph(
        prerequisite_graph(
            [module.id for module in modules],
            [(before, module.id) for module in modules for before in module.prerequisites],
            [(before, module.id) for module in modules for before in module.recommended],
        ),
        np.array([module.duration_seconds for module in modules]),
    )
    done = in_time(modules)
    target = TARGET_SUCCESS if learner.recent_success is None else corrected_target(learner.recent_success)
    view = _view(modules, done, [module.now for module in modules])
    now = plan(graph, view, target)
    known = [place for place in np.flatnonzero(view.mastered).tolist() if modules[place].completed_ms is None]
    pace = learner_pace(done)
    minutes = daily_minutes(learner.pace, learner.active_minutes, learner.days_observed)
    times = [module_time(max(module.duration_seconds, SHORTEST_DURATION_SECONDS)) for module in modules]
    left = path_estimate(pace, [(time, 1.0 - module.completion) for time, module in zip(times, modules, strict=True)])
    factor = difficulty_factor(done, learner.engagement, learner.recent_success)
    was = _view_before(modules, done, learner.attempted_ms)
    return ReadOut(
        order=[*now.order.tolist(), *known],
        open=(now.open | _reachable(modules, view, known)).tolist(),
        reasons=_reasons(graph, now, modules, view, known),
        moved=[] if was is None else moves(plan(graph, was, target), now),
        success=view.success.tolist(),
        difficulties=[BASE_DIFFICULTY[module.level] * factor for module in modules],
        estimates=[module_estimate(pace, time) for time in times],
        left=left,
        minutes_a_day=minutes,
        finish=finish_dates(left, minutes, learner.today),
    )


def in_time(modules: Sequence[Module]) -> list[Module]:
    """The completed modules, first completion first; those of one moment in the author's order."""
    return sorted((module for module in modules if module.completed_ms is not None), key=lambda m: m.completed_ms or 0)


def expected_success(done: Sequence[Module]) -> float:
    """The success rate to expect of an untried module, [0, 1]: the mean score, near the target while few are known."""
    scores = [module.score for module in done if module.score is not None]
    return (PRIOR_MODULES * TARGET_SUCCESS + sum(scores)) / (PRIOR_MODULES + len(scores))


def difficulty_factor(done: Sequence[Module], engagement: float, recent_success: float | None = None) -> float:
    """Adapted over base difficulty after these completions in order, each moving it by one bounded step.

    Performance is the mean score of the last few, else the success rate of the newest attempts.
    """
    otherwise = TARGET_SUCCESS if recent_success is None else recent_success
    factor = 1.0
    for count in range(1, len(done) + 1):
        recent = done[max(0, count - RECENT_MODULES) : count]
        scores = [module.score for module in recent if module.score is not None]
        ratios = [
            module.time_spent_seconds / module.duration_seconds
            for module in recent
            if module.time_spent_seconds > 0 and module.duration_seconds > 0
        ]
        wanted = adapted_difficulty(
            1.0,
            performance=sum(scores) / len(scores) if scores else otherwise,
            time_ratio=sum(ratios) / len(ratios) if ratios else 1.0,
            engagement=engagement,
        )
        factor = stepped(factor, wanted, FACTOR_STEP)
    return factor


def learner_pace(done: Sequence[Module]) -> LearnerPace:
    """The learner's pace, from the times of these modules in order."""
    pace = LearnerPace()
    for module in done:
        estimate = module_time(max(module.duration_seconds, SHORTEST_DURATION_SECONDS))
        pace, _ = observed(pace, estimate, module.time_spent_seconds)
    return pace


def _view(modules: Sequence[Module], done: Sequence[Module], standings: Sequence[ModuleStanding | None]) -> LearnerView:
    """The planner's view: mastered is what was completed, and what needs no more learning."""
    complete, otherwise = {module.id for module in done}, expected_success(done)
    mastered = [
        module.id in complete or (standing is not None and standing.mastered)
        for module, standing in zip(modules, standings, strict=True)
    ]
    success = [otherwise if standing is None else standing.success for standing in standings]
    style = np.array([module.style for module in modules])
    return LearnerView(np.array(mastered, bool), np.array(success), style)


def _view_before(modules: Sequence[Module], done: Sequence[Module], attempted_ms: int) -> LearnerView | None:
    """The view before the newest of completions and attempts, or both if they are one event; None: there are none."""
    completed_ms = (done[-1].completed_ms or 0) if done else 0
    if max(completed_ms, attempted_ms) == 0:
        return None
    back = attempted_ms >= completed_ms
    standings = [module.before if back else module.now for module in modules]
    return _view(modules, done[:-1] if completed_ms >= attempted_ms else done, standings)


def _reachable(modules: Sequence[Module], view: LearnerView, known: Sequence[int]) -> NDArray[np.bool_]:
    """(n,) which modules that need no more learning may be taken all the same."""
    mastered = {module.id for module, yes in zip(modules, view.mastered.tolist(), strict=True) if yes}
    found = np.zeros(len(modules), bool)
    found[[place for place in known if set(modules[place].prerequisites) <= mastered]] = True
    return found


def _reasons(
    graph: PathGraph, now: PathPlan, modules: Sequence[Module], view: LearnerView, known: Sequence[int]
) -> list[str | None]:
    """For open modules the term in which each is furthest above the other open ones, for the rest what is missing."""
    reasons: list[str | None] = [None] * len(graph)
    contributions = now.terms * np.array(WEIGHTS)
    ahead = contributions - contributions[now.open].mean(axis=0) if now.open.any() else contributions
    complete = {module.id for module, yes in zip(modules, view.mastered.tolist(), strict=True) if yes}
    for place in known:
        reasons[place] = KNOWN
    for place in now.order.tolist():
        if not now.open[place]:
            missing = [before for before in modules[place].prerequisites if before not in complete]
            reasons[place] = "after " + ", ".join(dict.fromkeys(missing))
            continue
        best = int(np.argmax(ahead[place]))
        reasons[place] = _WORDS[TERMS[best]] if ahead[place, best] > 1e-9 else "nothing speaks for another order"
    return reasons
