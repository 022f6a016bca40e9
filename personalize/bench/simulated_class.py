"""How many attempts does a class need to master a path?  Simulated learners, taught the author's or the adaptive way.

The world, drawn from a seed: ``MODULES`` modules with up to three hard prerequisites among the eight before them, each
with exercises at ``LEVELS`` levels of difficulty.  A learner has a true ability a at each module; most begin low, some
modules are known already.  An exercise of difficulty d is solved with p = σ(a − d) and teaches

    Δa = rate · p^s (1 − p) / max(p^s (1 − p)) · 0.5^(prerequisites not mastered),

and a tenth of it reaches the modules that require this one.  s decides at which success rate learning is fastest, which
is not settled: s = 1 (50 %), 2 (67 %) and 4 (80 %) are all run.  Mastery is true once p at the author's level is .85.

The teacher sees outcomes only, through the learner model.  The author's way takes modules in the author's order at the
author's level; the adaptive way takes the plan's first module at the level nearest to the target success rate.  Both
stay with a module until the model holds it mastered; when it holds all mastered but the truth is otherwise, both review
what was not practised for longest.  A learner's luck (the n-th attempt's random number) is the same in all arms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.learner.attempts import attempts
from models.learner.difficulty import LOGIT_STEP, corrected_target, stepped, target_difficulty
from models.learner.fold import fold, predict_batch
from models.learner.learners import Learners
from models.learner.mastery import masteries
from models.learner.path_order import LearnerView, PathGraph, path_graph, plan
from models.learner.prerequisites import prerequisite_graph
from models.learner.shared import Shared

MODULES = 40
LEVELS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
AUTHOR_LEVEL = 2
ATTEMPTS_MAX = 3_000
RATE = 0.4
TRUE_MASTERY = 0.85
_RECENT_RATE = 0.2

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class World:
    """A path and a class before the first attempt."""

    graph: PathGraph
    requires: Mask
    """(modules, modules): row requires column."""
    ability: Float64
    """(learners, modules), logits against the author's level."""
    rate: Float64
    """(learners,)"""
    luck: Float64
    """(learners, ATTEMPTS_MAX) uniform in [0, 1)."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a class is taught."""

    adaptive_order: bool
    adaptive_difficulty: bool


def world(learners: int, seed: int) -> World:
    """A path of 40 modules and a class, the same for the same seed."""
    rng = np.random.default_rng(seed)
    requires = np.zeros((MODULES, MODULES), bool)
    for module in range(1, MODULES):
        window = np.arange(max(0, module - 8), module)
        requires[module, rng.choice(window, min(len(window), int(rng.integers(0, 4))), replace=False)] = True
    names = [f"module-{n}" for n in range(MODULES)]
    edges = [(names[before], names[after]) for after, before in zip(*np.nonzero(requires), strict=True)]
    graph = path_graph(prerequisite_graph(names, edges), np.full(MODULES, 600.0))
    ability = rng.normal(-1.0, 0.6, (learners, 1)) + rng.normal(0.0, 0.6, (learners, MODULES))
    ability += 2.5 * (rng.random((learners, MODULES)) < 0.25)
    rate = RATE * np.exp(0.3 * rng.standard_normal(learners))
    return World(graph, requires, ability, rate, rng.random((learners, ATTEMPTS_MAX)))


def attempts_to_mastery(
    world_: World, way: Way, success_power: float, finished: Callable[[int], None] = lambda _: None
) -> Int64:
    """(learners,) attempts until every module is truly mastered, ``ATTEMPTS_MAX`` for who never gets there.

    Args:
        world_: path and class; it is not changed.
        way: of teaching.
        success_power: s of the learning curve.
        finished: told how many learners are through at each step, at last those who did not get there.
    """
    lesson = _Lesson(world_, way)
    needed = np.full(len(world_.ability), ATTEMPTS_MAX)
    peak = success_power / (success_power + 1)
    scale = peak**success_power * (1 - peak)
    for turn in range(ATTEMPTS_MAX):
        p_author = _sigmoid(lesson.ability)
        done = (p_author >= TRUE_MASTERY).all(1)
        newly = done & (needed == ATTEMPTS_MAX)
        needed[newly] = turn
        finished(int(newly.sum()))
        if done.all():
            break
        active = np.flatnonzero(~done)
        module, level = lesson.choose(active)
        p = _sigmoid(lesson.ability[active, module] - LEVELS[level])
        outcome = world_.luck[active, turn] < p
        lesson.learn_from(active, module, level, outcome)
        missing = (world_.requires[module] & (p_author[active] < TRUE_MASTERY)).sum(1)
        gain = world_.rate[active] * p**success_power * (1 - p) / scale * 0.5**missing
        lesson.ability[active, module] += gain
        lesson.ability[active] += 0.1 * gain[:, None] * world_.requires.T[module]
    finished(int((needed == ATTEMPTS_MAX).sum()))
    return needed


class _Lesson:
    """One class being taught one way: the true abilities, and what the teacher believes."""

    def __init__(self, world_: World, way: Way) -> None:
        people = len(world_.ability)
        self.ability = world_.ability.copy()
        self._world, self._way = world_, way
        self._shared, self._learners = Shared(MODULES * len(LEVELS), MODULES), Learners()
        self._learners.rows(np.arange(people))
        for item, level in enumerate(np.tile(LEVELS, MODULES)):
            self._shared.suppose(item, float(level))
        self._mastered = np.zeros((people, MODULES), bool)
        self._practised = np.zeros((people, MODULES), np.int64)
        self._turn = 0
        self._module = np.full(people, -1)
        self._difficulty = np.zeros(people)
        self._recent = np.full(people, 0.8)

    def choose(self, active: Int64) -> tuple[Int64, Int64]:
        """The module and level of each active learner's next attempt."""
        for learner in active[self._needs_module(active)].tolist():
            self._module[learner] = self._next_module(learner)
            self._difficulty[learner] = np.nan
        module = self._module[active]
        return module, self._levels(active, module)

    def learn_from(self, active: Int64, module: Int64, level: Int64, outcome: Mask) -> None:
        """What the teacher learns from one attempt of each active learner."""
        item = module * len(LEVELS) + level
        batch = attempts(active, item, outcome, np.arange(len(active) + 1), module)
        fold(self._shared, self._learners, batch)
        self._recent[active] += _RECENT_RATE * (outcome - self._recent[active])
        self._turn += 1
        self._practised[active, module] = self._turn
        was = self._mastered[active, module]
        self._mastered[active, module] = masteries(self._shared, self._learners, active, module, was)[1]

    def _needs_module(self, active: Int64) -> Mask:
        module = self._module[active]
        needs: Mask = (module < 0) | self._mastered[active, module]
        return needs

    def _next_module(self, learner: int) -> int:
        mastered = self._mastered[learner]
        if mastered.all():
            return int(np.argmin(self._practised[learner]))
        if not self._way.adaptive_order:
            return int(np.argmin(mastered))
        view = LearnerView(mastered, self._masteries(learner), np.full(MODULES, 0.5))
        return int(plan(self._world.graph, view).order[0])

    def _masteries(self, learner: int) -> Float64:
        every = np.arange(MODULES)
        return masteries(self._shared, self._learners, np.full(MODULES, learner), every, self._mastered[learner])[0]

    def _levels(self, active: Int64, module: Int64) -> Int64:
        if not self._way.adaptive_difficulty:
            return np.full(len(active), AUTHOR_LEVEL)
        levels = len(LEVELS)
        item = (module[:, None] * levels + np.arange(levels)).ravel()
        batch = attempts(
            np.repeat(active, levels), item, np.zeros(len(item)), np.arange(len(item) + 1), np.repeat(module, levels)
        )
        said = predict_batch(self._shared, self._learners, batch).rating_probability
        logit = np.log(said / (1 - said)).reshape(-1, levels)
        ability = logit[:, AUTHOR_LEVEL]
        difficulty = ability[:, None] - logit
        wanted = np.array(
            [
                target_difficulty(float(a), corrected_target(float(r)))
                for a, r in zip(ability, self._recent[active], strict=True)
            ]
        )
        last = self._difficulty[active]
        goal = np.array(
            [w if np.isnan(d) else stepped(float(d), float(w), LOGIT_STEP) for d, w in zip(last, wanted, strict=True)]
        )
        self._difficulty[active] = goal
        nearest: Int64 = np.argmin(np.abs(difficulty - goal[:, None]), axis=1)
        return nearest


def _sigmoid(z: Float64) -> Float64:
    found: Float64 = 1.0 / (1.0 + np.exp(-z))
    return found
