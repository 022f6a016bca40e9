"""What moved in a learner's path, and why?  The difference of two plans, one reason a moved module.

Modules that keep their order relative to most others have not moved, even if their number changed because something
before them was mastered: moved are those outside the longest common subsequence of the two orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.learner.path_order import FIT, READY, STYLE, WEIGHTS, LearnerView, PathGraph, PathPlan, plan

Int64 = NDArray[np.int64]


class MoveReason(StrEnum):
    """Why a module's place changed."""

    MASTERED = "mastered"
    LOST = "mastery was lost"
    UNLOCKED = "all its prerequisites are mastered now"
    LOCKED = "a prerequisite is no longer mastered"
    BETTER_FIT = "its difficulty fits better now"
    WORSE_FIT = "its difficulty fits less now"
    READIER = "a recommended prerequisite comes before it now"
    LESS_READY = "a recommended prerequisite comes after it now"
    FORMAT = "your use of its format changed"
    MADE_ROOM = "others moved past it"


@dataclass(frozen=True, slots=True)
class Move:
    """One module that left, entered or changed its place among the modules that are left."""

    module: int
    """Position in the author's order."""
    before: int | None
    """Place in the old plan, 0 first; None if it was mastered then."""
    after: int | None
    """Place in the new plan; None if it is mastered now."""
    reason: MoveReason


def replanned(
    graph: PathGraph, old: PathPlan, learner: LearnerView, target: float | None = None
) -> tuple[PathPlan, list[Move]]:
    """The plan after mastery changed, equal to planning anew, with the moves in the order of the new plan.

    A plan without a change of place has no moves.  Under 1 ms for 1,000 modules and 5,000 edges.
    """
    new = plan(graph, learner) if target is None else plan(graph, learner, target)
    return new, moves(old, new)


def moves(old: PathPlan, new: PathPlan) -> list[Move]:
    """Moves between two plans of the same path: departures first, then arrivals and changes by new place."""
    n = len(old.open)
    before, after = _places(old.order, n), _places(new.order, n)
    gone = np.flatnonzero((before >= 0) & (after < 0))
    came = (before < 0) & (after >= 0)
    common = new.order[before[new.order] >= 0]
    moved = np.zeros(n, bool)
    moved[common] = ~_longest_rising(before[common])
    found = [Move(int(m), int(before[m]), None, MoveReason.MASTERED) for m in gone]
    for module in new.order[(came | moved)[new.order]].tolist():
        was = int(before[module])
        reason = MoveReason.LOST if was < 0 else _reason(old, new, module)
        found.append(Move(module, was if was >= 0 else None, int(after[module]), reason))
    return found


def _reason(old: PathPlan, new: PathPlan, module: int) -> MoveReason:
    """The gate if it changed, else the term whose weighted change is largest."""
    if old.open[module] != new.open[module]:
        return MoveReason.UNLOCKED if new.open[module] else MoveReason.LOCKED
    change = (new.terms[module] - old.terms[module]) * WEIGHTS
    largest = int(np.argmax(np.abs(change)))
    if change[largest] == 0.0:
        return MoveReason.MADE_ROOM
    rises = bool(change[largest] > 0)
    return {
        FIT: MoveReason.BETTER_FIT if rises else MoveReason.WORSE_FIT,
        READY: MoveReason.READIER if rises else MoveReason.LESS_READY,
        STYLE: MoveReason.FORMAT,
    }[largest]


def _places(order: Int64, n: int) -> Int64:
    places = np.full(n, -1)
    places[order] = np.arange(len(order))
    return places


@njit(cache=True)
def _longest_rising(values: Int64) -> NDArray[np.bool_]:
    """Which entries of distinct values belong to one longest rising subsequence (patience sorting)."""
    n, length = len(values), 0
    tails, previous = np.empty(n, np.int64), np.full(n, -1)
    for i in range(n):
        low, high = 0, length
        while low < high:
            middle = (low + high) // 2
            if values[tails[middle]] < values[i]:
                low = middle + 1
            else:
                high = middle
        if low > 0:
            previous[i] = tails[low - 1]
        tails[low] = i
        length = max(length, low + 1)
    chosen = np.zeros(n, np.bool_)
    at = tails[length - 1] if length else -1
    while at >= 0:
        chosen[at] = True
        at = previous[at]
    return chosen
