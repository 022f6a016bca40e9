"""In which order should this learner take a path's modules?  Prerequisites first, then what fits best, always the same.

Mastered modules are done.  Of the others, only those whose hard prerequisites are mastered are open (the fringe); the
plan takes the open module with the highest score, supposes it mastered, and goes on.  The score is a sum of five terms
in [0, 1] times weights that sum to 1:

    goal      1 / (1 + steps to the nearest goal), 0 for modules that lead to none
    fit       how near the predicted success is to the target of .8
    unlocks   d / (1 + d), d = modules that hard-require this one
    ready     share of its soft prerequisites that are met
    style     the learner's preference for its format: learnt, soft, and never more than a tenth of the score

Scores equal to nine decimals go by shorter time, then by the author's order, so that equal inputs give equal plans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.learner.difficulty import TARGET_SUCCESS
from models.learner.prerequisites import Adjacency, PrerequisiteGraph

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

GOAL, FIT, UNLOCKS, READY, STYLE = range(5)
TERMS = ("goal", "fit", "unlocks", "ready", "style")
WEIGHTS = (0.30, 0.40, 0.10, 0.10, 0.10)
STYLE_WEIGHT_MAX = 0.10
"""Format preferences may break ties but gate nothing: matching styles has no proven effect (Clinton-Lisell 2024)."""


@dataclass(frozen=True, slots=True)
class PathGraph:
    """Everything about a path that does not depend on the learner, computed once."""

    prerequisites: PrerequisiteGraph
    duration_seconds: Float64
    """(n,) the author's estimates."""
    goal_term: Float64
    """(n,)"""
    unlocks_term: Float64
    """(n,)"""

    def __len__(self) -> int:
        return len(self.prerequisites)


@dataclass(frozen=True, slots=True)
class LearnerView:
    """What the planner knows of the learner, one entry a module."""

    mastered: Mask
    """(n,)"""
    success: Float64
    """(n,) predicted success rate now, [0, 1]."""
    style: Float64
    """(n,) preference for the module's format, [0, 1]; .5 where nothing is known."""


@dataclass(frozen=True, slots=True)
class PathPlan:
    """An order of the modules that are left, with what decided it."""

    order: Int64
    """(m,) positions of modules, first things first."""
    open: Mask
    """(n,) not mastered, and all hard prerequisites are mastered now."""
    terms: Float64
    """(n, 5) terms of the score; ``ready`` as it was when the module was taken."""
    score: Float64
    """(n,) Σ weight × term."""

    def next_modules(self, count: int) -> list[int]:
        """The first modules of the plan that are open now."""
        return [int(module) for module in self.order if self.open[module]][:count]


def path_graph(prerequisites: PrerequisiteGraph, duration_seconds: Float64, goals: Mask | None = None) -> PathGraph:
    """The static part of planning; without goals, the modules that nothing requires are the goals.

    Raises:
        ValueError: arrays of another length than the path.
    """
    n = len(prerequisites)
    degree = np.diff(prerequisites.hard.start)
    wanted = (degree == 0) if goals is None else np.asarray(goals, bool)
    if len(duration_seconds) != n or len(wanted) != n:
        raise ValueError(f"duration_seconds and goals must have {n} entries, one a module")
    steps = _steps_to_goal(prerequisites.hard.start, prerequisites.hard.node, wanted)
    goal_term = np.where(steps >= 0, 1.0 / (1.0 + np.maximum(steps, 0)), 0.0)
    return PathGraph(prerequisites, np.asarray(duration_seconds, np.float64), goal_term, degree / (1.0 + degree))


def plan(graph: PathGraph, learner: LearnerView, target: float = TARGET_SUCCESS) -> PathPlan:
    """The order for a learner.  O((V + E) log V); 1,000 modules and 5,000 edges take about half a millisecond.

    Raises:
        ValueError: the learner's arrays don't match the path.
    """
    n = len(graph)
    if not len(learner.mastered) == len(learner.success) == len(learner.style) == n:
        raise ValueError(f"mastered, success and style must have {n} entries, one a module")
    if not (np.isfinite(learner.success).all() and np.isfinite(learner.style).all()):
        raise ValueError("success and style must be numbers in [0, 1]; use .5 where nothing is known")
    terms = np.empty((n, len(TERMS)))
    terms[:, GOAL], terms[:, UNLOCKS] = graph.goal_term, graph.unlocks_term
    norm = np.where(learner.success > target, 1 - target, target)
    terms[:, FIT] = 1 - ((target - learner.success) / np.maximum(norm, 0.001)) ** 2
    terms[:, STYLE] = np.clip(learner.style, 0.0, 1.0)
    terms[:, READY] = 0.0
    fixed: Float64 = terms @ np.array(WEIGHTS)
    hard, soft = graph.prerequisites.hard, graph.prerequisites.soft
    left = unmet(hard, graph.prerequisites.hard_count, learner.mastered)
    wished = unmet(soft, graph.prerequisites.soft_count, learner.mastered)
    fringe = (left == 0) & ~learner.mastered
    order = _ordered(
        (hard.start, hard.node, left.copy()),
        (soft.start, soft.node, wished, graph.prerequisites.soft_count),
        learner.mastered,
        (fixed, WEIGHTS[READY]),
        graph.duration_seconds,
        terms[:, READY],
    )
    return PathPlan(order, fringe, terms, fixed + WEIGHTS[READY] * terms[:, READY])


def unmet(edges: Adjacency, count: Int64, mastered: Mask) -> Int64:
    """(n,) prerequisites of each module that are not mastered yet."""
    met = np.bincount(edges.node[np.repeat(mastered, np.diff(edges.start))], minlength=len(count))
    return count - met


@njit(cache=True)
def _steps_to_goal(start: Int64, node: Int64, goal: Mask) -> Int64:
    """Fewest edges from each module to a goal, −1 where there is no way; relaxed from behind until nothing changes."""
    n = len(goal)
    steps = np.where(goal, 0, -1).astype(np.int64)
    changed = True
    while changed:
        changed = False
        for i in range(n - 1, -1, -1):
            for e in range(start[i], start[i + 1]):
                beyond = steps[node[e]]
                if beyond >= 0 and (steps[i] < 0 or steps[i] > beyond + 1):
                    steps[i] = beyond + 1
                    changed = True
    return steps


@njit(cache=True)
def _before(one: int, other: int, score: Float64, seconds: Float64) -> bool:
    """Whether a module comes before another of the open ones."""
    if score[one] != score[other]:
        return bool(score[one] > score[other])
    if seconds[one] != seconds[other]:
        return bool(seconds[one] < seconds[other])
    return one < other


@njit(cache=True)
def _lift(heap: Int64, place: Int64, at: int, score: Float64, seconds: Float64) -> None:
    """Move an entry up until its parent comes before it."""
    while at > 0:
        parent = (at - 1) // 2
        if not _before(heap[at], heap[parent], score, seconds):
            break
        heap[at], heap[parent] = heap[parent], heap[at]
        place[heap[at]], place[heap[parent]] = at, parent
        at = parent


@njit(cache=True)
def _pop(heap: Int64, place: Int64, size: int, score: Float64, seconds: Float64) -> int:
    """Take the first entry out of a heap of that size."""
    first: int = heap[0]
    heap[0] = heap[size - 1]
    place[heap[0]], place[first] = 0, -1
    at, last = 0, size - 1
    while True:
        best = at
        for child in (2 * at + 1, 2 * at + 2):
            if child < last and _before(heap[child], heap[best], score, seconds):
                best = child
        if best == at:
            return first
        heap[at], heap[best] = heap[best], heap[at]
        place[heap[at]], place[heap[best]] = at, best
        at = best


@njit(cache=True)
def _ordered(
    hard: tuple[Int64, Int64, Int64],
    soft: tuple[Int64, Int64, Int64, Int64],
    mastered: Mask,
    scoring: tuple[Float64, float],
    seconds: Float64,
    ready: Float64,
) -> Int64:
    """Kahn's algorithm with a heap of the open modules; fills in ``ready`` and raises scores as soft ones are met."""
    start, node, left = hard
    soft_start, soft_node, wished, soft_count = soft
    fixed, ready_weight = scoring
    n, size = len(mastered), 0
    score = fixed.copy()
    heap, place = np.empty(n, np.int64), np.full(n, -1)
    order, taken = np.empty(n, np.int64), 0
    for i in range(n):
        ready[i] = 1.0 - wished[i] / soft_count[i] if soft_count[i] else 1.0
        score[i] = np.rint((fixed[i] + ready_weight * ready[i]) * 1e9)
    for i in range(n):
        if not mastered[i] and left[i] == 0:
            heap[size], place[i] = i, size
            _lift(heap, place, size, score, seconds)
            size += 1
    while size > 0:
        module = _pop(heap, place, size, score, seconds)
        size -= 1
        order[taken] = module
        taken += 1
        for e in range(soft_start[module], soft_start[module + 1]):
            other = soft_node[e]
            if not mastered[other]:
                wished[other] -= 1
                ready[other] = 1.0 - wished[other] / soft_count[other]
                score[other] = np.rint((fixed[other] + ready_weight * ready[other]) * 1e9)
                if place[other] >= 0:
                    _lift(heap, place, place[other], score, seconds)
        for e in range(start[module], start[module + 1]):
            other = node[e]
            left[other] -= 1
            if left[other] == 0 and not mastered[other]:
                heap[size], place[other] = other, size
                _lift(heap, place, size, score, seconds)
                size += 1
    return order[:taken]
