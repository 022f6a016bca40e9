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

from models.learner.difficulty import FACTOR_STEP, TARGET_SUCCESS, adapted_difficulty, stepped
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

RECENT_MODULES = 5
"""Completions that performance and time ratio are taken from."""
PRIOR_MODULES = 2.0
"""A learner without scores is expected to succeed at the target rate, as if this many modules had said so."""
SHORTEST_DURATION_SECONDS = 1.0
"""Supposed of a module whose author stated 0."""
BASE_DIFFICULTY = {"BEGINNER": 1.0, "INTERMEDIATE": 2.0, "ADVANCED": 3.0, "EXPERT": 4.0}
"""The author's scale: one a level."""
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


@dataclass(frozen=True, slots=True)
class ReadOut:
    """A path as it stands; lists have one entry a module, in the author's order."""

    order: list[int]
    """Modules that are left, first things first."""
    open: list[bool]
    reasons: list[str | None]
    """Why a module stands where it stands; None for completed ones."""
    moved: list[Move]
    """What the newest completion changed."""
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
        ),
        np.array([module.duration_seconds for module in modules]),
    )
    done = in_time(modules)
    now = plan(graph, _view(modules, done))
    pace = learner_pace(done)
    minutes = daily_minutes(learner.pace, learner.active_minutes, learner.days_observed)
    times = [module_time(max(module.duration_seconds, SHORTEST_DURATION_SECONDS)) for module in modules]
    left = path_estimate(pace, [(time, 1.0 - module.completion) for time, module in zip(times, modules, strict=True)])
    factor = difficulty_factor(done, learner.engagement)
    return ReadOut(
        order=now.order.tolist(),
        open=now.open.tolist(),
        reasons=_reasons(graph, now, modules),
        moved=moves(plan(graph, _view(modules, done[:-1])), now) if done else [],
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


def difficulty_factor(done: Sequence[Module], engagement: float) -> float:
    """Adapted over base difficulty after these completions in order, each moving it by one bounded step."""
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
            performance=sum(scores) / len(scores) if scores else TARGET_SUCCESS,
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


def _view(modules: Sequence[Module], done: Sequence[Module]) -> LearnerView:
    known = {module.id for module in done}
    return LearnerView(
        np.array([module.id in known for module in modules], bool),
        np.full(len(modules), expected_success(done)),
        np.array([module.style for module in modules]),
    )


def _reasons(graph: PathGraph, now: PathPlan, modules: Sequence[Module]) -> list[str | None]:
    """For open modules the term in which each is furthest above the other open ones, for the rest what is missing."""
    reasons: list[str | None] = [None] * len(graph)
    contributions = now.terms * np.array(WEIGHTS)
    ahead = contributions - contributions[now.open].mean(axis=0) if now.open.any() else contributions
    complete = {module.id for module in modules if module.completed_ms is not None}
    for place in now.order.tolist():
        if not now.open[place]:
            missing = [before for before in modules[place].prerequisites if before not in complete]
            reasons[place] = "after " + ", ".join(dict.fromkeys(missing))
            continue
        best = int(np.argmax(ahead[place]))
        reasons[place] = _WORDS[TERMS[best]] if ahead[place, best] > 1e-9 else "nothing speaks for another order"
    return reasons
