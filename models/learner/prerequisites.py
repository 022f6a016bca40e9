"""What must come before what?  The prerequisite graph of a path's modules, checked once and kept as arrays.

A hard prerequisite is a gate, a soft one only lowers a module's score while it is unmet.  A cycle of either can never
be satisfied and is refused with the cycle in the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


class PrerequisiteError(ValueError):
    """The modules can't form a path; the message names the module and the fix."""


class CycleError(PrerequisiteError):
    """Modules require each other in a circle."""

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = tuple(cycle)
        shown = " → ".join([*self.cycle, self.cycle[0]])
        super().__init__(f"prerequisites form a cycle: {shown} (each requires the one before it); remove one of them")


@dataclass(frozen=True, slots=True)
class Adjacency:
    """Edges by their start: the ends of node i are ``node[start[i]:start[i + 1]]``, ascending."""

    start: Int64
    """(n + 1,)"""
    node: Int64
    """(edges,)"""

    def of(self, index: int) -> Int64:
        """Ends of one node's edges."""
        return self.node[self.start[index] : self.start[index + 1]]


@dataclass(frozen=True, slots=True)
class PrerequisiteGraph:
    """n modules in the author's order, with the edges from each prerequisite to what requires it."""

    modules: tuple[str, ...]
    hard: Adjacency
    """Prerequisite -> modules that are gated by it."""
    soft: Adjacency
    """Prerequisite -> modules that profit from it."""
    hard_count: Int64
    """(n,) hard prerequisites of each module."""
    soft_count: Int64
    """(n,) soft ones."""

    def __len__(self) -> int:
        return len(self.modules)


def prerequisite_graph(
    modules: Sequence[str], hard: Iterable[tuple[str, str]], soft: Iterable[tuple[str, str]] = ()
) -> PrerequisiteGraph:
    """The graph of modules and (prerequisite, module) pairs; repeated pairs count once, hard beats soft.

    Raises:
        PrerequisiteError: a module id twice, an unknown id in a pair, or a module that requires itself.
        CycleError: modules require each other, through hard or soft prerequisites.
    """
    index = {module: position for position, module in enumerate(modules)}
    if len(index) != len(modules):
        twice = next(module for position, module in enumerate(modules) if index[module] != position)
        raise PrerequisiteError(f"modules: id {twice!r} stands twice; ids must differ")
    n = len(modules)
    gates = _edges(index, hard)
    wishes = np.setdiff1d(_edges(index, soft), gates)
    graph = PrerequisiteGraph(
        tuple(modules), _adjacency(gates, n), _adjacency(wishes, n), _counts(gates, n), _counts(wishes, n)
    )
    cycle = _cycle(np.union1d(gates, wishes), n)
    if cycle:
        raise CycleError([modules[position] for position in cycle])
    return graph


def _edges(index: dict[str, int], pairs: Iterable[tuple[str, str]]) -> Int64:
    """Distinct edges as start · n + end, ascending."""
    n, codes = len(index), []
    for before, after in pairs:
        if before not in index or after not in index:
            unknown = before if before not in index else after
            raise PrerequisiteError(f"prerequisites: module {unknown!r} is not in the path; add it or drop the edge")
        if before == after:
            raise PrerequisiteError(f"prerequisites: module {after!r} requires itself")
        codes.append(index[before] * n + index[after])
    return np.unique(np.array(codes, np.int64))


def _adjacency(edges: Int64, n: int) -> Adjacency:
    start = np.zeros(n + 1, np.int64)
    if n:
        np.cumsum(np.bincount(edges // n, minlength=n), out=start[1:])
    return Adjacency(start, edges % max(n, 1))


def _counts(edges: Int64, n: int) -> Int64:
    return np.bincount(edges % max(n, 1), minlength=n).astype(np.int64)


def _cycle(edges: Int64, n: int) -> list[int]:
    """Positions of a cycle, from its first module on, each requiring the one before; empty if there is none."""
    adjacency = _adjacency(edges, n)
    start, node = adjacency.start.tolist(), adjacency.node.tolist()
    unmet = _counts(edges, n).tolist()
    ready = [position for position in range(n) if unmet[position] == 0]
    while ready:
        done = ready.pop()
        for after in node[start[done] : start[done + 1]]:
            unmet[after] -= 1
            if unmet[after] == 0:
                ready.append(after)
    stuck = {position for position in range(n) if unmet[position] > 0}
    if not stuck:
        return []
    required_by_stuck: dict[int, int] = {}
    for before in sorted(stuck, reverse=True):
        for after in node[start[before] : start[before + 1]]:
            if after in stuck:
                required_by_stuck[after] = before
    walk, seen = [min(stuck)], {min(stuck): 0}
    while True:
        before = required_by_stuck[walk[-1]]
        if before in seen:
            loop = walk[seen[before] :][::-1]
            first = loop.index(min(loop))
            return loop[first:] + loop[:first]
        seen[before] = len(walk)
        walk.append(before)
