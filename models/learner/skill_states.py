"""What do attempts leave behind?  Abilities, masteries day by day, and memories, for the learners of a batch.

The learner's side of the model alone: difficulty and weights are those of a published version, so learners do not
influence each other.  Any split of a log into batches gives the same states and the same days, bit for bit, as long as
the version is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.columns import Float64, Int64, Mask
from models.grouping import group_pairs
from models.learner import fsrs, kernel
from models.learner.attempts import Attempts
from models.learner.fsrs import Memories
from models.learner.layout import LEARNER_WIDTH, SHARED_VERSION
from models.learner.learners import Columns, Learners
from models.learner.shared import Shared
from models.learner.skill_mastery import INTERVAL_Z

HEAD_WIDTH = 11


@dataclass(frozen=True, slots=True)
class SkillStates:
    """What is kept of some learners: of each skill and item that a batch touches, nothing need be there of others."""

    columns: Columns
    mastered: Mask
    """(s,) which skills count as mastered."""
    memories: Memories
    """(i,) of the items."""

    @classmethod
    def none(cls) -> SkillStates:
        """Nobody has attempted anything."""
        nobody = np.empty(0, np.int64)
        columns = Columns(nobody, np.empty((0, HEAD_WIDTH)), nobody, np.empty((0, 8)), nobody, np.empty((0, 5)))
        return cls(columns, np.empty(0, bool), Memories.new(0))


class MasteryDays(NamedTuple):
    """Mastery after the last attempt of each local day at each skill; d rows by learner, skill, and day."""

    learner: Int64
    skill: Int64
    day: Int64
    mastery: Float64
    low: Float64
    high: Float64
    attempts: Int64


class Masterings(NamedTuple):
    """The moments at which a skill began to count as mastered, in the order of the log."""

    learner: Int64
    skill: Int64
    at_ms: Int64
    """Event time of the attempt that did it."""


def followed(
    shared: Shared, states: SkillStates, attempts: Attempts, local_day: Int64
) -> tuple[SkillStates, MasteryDays, Masterings]:
    """The states after a batch, the days that it changed, and the skills that were mastered in it.

    Args:
        shared: the published version; it is not changed.
        states: of the learners in the batch, with their rows of the skills and items in it.
        attempts: n attempts in log order.
        local_day: (n,) days since 1970-01-01 in the learner's zone.
    """
    learners = Learners.of_columns(states.columns)
    rows = learners.rows(attempts.learner)
    learners.reserve(len(attempts.skills), len(attempts))
    shared.reserve(_above(attempts.item), _above(attempts.skills))
    mastered = np.zeros(len(learners.tables.skill), bool)
    mastered[1 : 1 + len(states.mastered)] = states.mastered
    said, after = np.empty((len(attempts), 2)), np.empty((len(attempts.skills), 5))
    columns = kernel.Batch(rows, attempts.item, attempts.success, attempts.at_ms, attempts.skill_start, attempts.skills)
    kernel.follow(learners.tables, shared.tables, columns, mastered, said, after)
    learners.tables.learner[rows, SHARED_VERSION] = shared.version
    found = learners.columns()
    kept = mastered[learners.skill_order()]
    after_states = SkillStates(found, kept, _remembered(states, found, attempts))
    return after_states, _days(attempts, local_day, after), _masterings(attempts, after)


def _masterings(attempts: Attempts, after: Float64) -> Masterings:
    place = np.flatnonzero(after[:, 4])
    attempt = np.searchsorted(attempts.skill_start, place, side="right") - 1
    return Masterings(attempts.learner[attempt], attempts.skills[place], attempts.at_ms[attempt])


def _remembered(before: SkillStates, found: Columns, attempts: Attempts) -> Memories:
    """The memories of the items in ``found`` after the attempts, each of which is a review."""
    pairs = group_pairs(
        np.concatenate([found.item_learner, before.columns.item_learner, attempts.learner]),
        np.concatenate([found.item[:, 0], before.columns.item[:, 0], attempts.item]).astype(np.int64),
    )
    place = np.empty(pairs.groups.size, np.int64)
    n, m = len(found.item), len(before.columns.item)
    place[pairs.groups.inverse[:n]] = np.arange(n)
    memories, old = Memories.new(n), place[pairs.groups.inverse[n : n + m]]
    memories.stability_days[old] = before.memories.stability_days
    memories.difficulty[old] = before.memories.difficulty
    memories.last_review_ms[old] = before.memories.last_review_ms
    return fsrs.replayed(
        memories, place[pairs.groups.inverse[n + m :]], fsrs.rating_of(attempts.success), attempts.at_ms
    )


def _days(attempts: Attempts, local_day: Int64, after: Float64) -> MasteryDays:
    """The last row of each learner, skill and day."""
    count = np.diff(attempts.skill_start)
    learner, day = np.repeat(attempts.learner, count), np.repeat(local_day, count).astype(np.int64)
    order = np.lexsort((np.arange(len(learner)), day, attempts.skills, learner))
    learner, skill, day = learner[order], attempts.skills[order], day[order]
    changes = (np.diff(learner) != 0) | (np.diff(skill) != 0) | (np.diff(day) != 0)
    last = np.flatnonzero(np.append(changes, True)) if len(order) else np.empty(0, np.int64)
    mastery, ability, variance, tried, _ = after[order[last]].T
    spread = INTERVAL_Z * np.sqrt(variance)
    return MasteryDays(
        learner[last],
        skill[last],
        day[last],
        mastery,
        1.0 / (1.0 + np.exp(spread - ability)),
        1.0 / (1.0 + np.exp(-spread - ability)),
        tried.astype(np.int64),
    )


def _above(keys: Int64) -> int:
    return int(keys.max()) + 1 if len(keys) else 0


assert LEARNER_WIDTH == HEAD_WIDTH + 3, "the head is what stands between key and chains"
