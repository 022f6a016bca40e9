"""How far is a learner on a path, and which milestones are reached?  A join of facts, free of order and repeats.

Progress keeps the highest completion seen of each module.  Milestones are read from it: a quarter, half, three quarters
and all of the modules, each module, and streaks.  Their ids are stable, so each is announced once, however often found.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid5

PATH_PERCENTS = (25, 50, 75, 100)
STREAK_DAYS = (3, 7, 14, 30, 60, 100, 180, 365)
COMPLETE = 1.0
_NAMESPACE = UUID("5d0f9a9e-7a1c-5f0b-9d53-1f2b6c8e4a70")


class MilestoneKind(StrEnum):
    """What was reached."""

    PATH_PERCENT = "path_percent"
    MODULE = "module"
    STREAK = "streak"


@dataclass(frozen=True, slots=True, order=True)
class Milestone:
    """Something reached once: a share of a path, a module, or a streak length."""

    kind: MilestoneKind
    subject: str
    """Path id, module id within its path (``path/module``), or "" for a streak."""
    value: int
    """Percent, 100, or days."""

    def id(self, learner_key: int) -> UUID:
        """Stable id: the same learner reaching the same thing always has the same one."""
        return uuid5(_NAMESPACE, f"{learner_key}|{self.kind}|{self.subject}|{self.value}")


@dataclass(frozen=True, slots=True)
class PathProgress:
    """Highest completion of each module, [0, 1]; modules not in here are not begun."""

    completion: Mapping[str, float] = field(default_factory=dict)

    def merged(self, other: PathProgress) -> PathProgress:
        """The higher completion of each module; commutative, associative, idempotent."""
        both = dict(self.completion)
        for module, share in other.completion.items():
            both[module] = max(share, both.get(module, 0.0))
        return PathProgress(dict(sorted(both.items())))

    def completed(self, modules: Collection[str]) -> set[str]:
        """Modules of the path that are complete."""
        return {module for module in modules if self.completion.get(module, 0.0) >= COMPLETE}

    def share(self, modules: Collection[str]) -> float:
        """Mean completion of the path's modules, [0, 1]; 0 for a path without modules."""
        return sum(self.completion.get(module, 0.0) for module in modules) / len(modules) if modules else 0.0


def module_progress(module: str, completion: float) -> PathProgress:
    """The fact that a module was completed to this share.

    Raises:
        ValueError: not in [0, 1].
    """
    if not 0 <= completion <= 1:
        raise ValueError(f"completion must be in [0, 1], got {completion}")
    return PathProgress({module: completion})


def path_milestones(path_id: str, progress: PathProgress, modules: Collection[str]) -> set[Milestone]:
    """Every milestone of the path that this progress has reached; more progress never takes one away."""
    done = progress.completed(modules)
    reached = {Milestone(MilestoneKind.MODULE, f"{path_id}/{module}", 100) for module in done}
    for percent in PATH_PERCENTS:
        if modules and 100 * len(done) >= percent * len(modules):
            reached.add(Milestone(MilestoneKind.PATH_PERCENT, path_id, percent))
    return reached


def streak_milestones(longest_days: int) -> set[Milestone]:
    """Every streak milestone up to the longest streak."""
    return {Milestone(MilestoneKind.STREAK, "", days) for days in STREAK_DAYS if days <= longest_days}
