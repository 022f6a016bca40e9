r"""How far along the catalogue does a learner step next? A table of step sizes by context.

Item slots stand in catalogue order. A step from the last item to x is its rank distance over the items that are known
(have had an event) and that the learner has not had, up to 30 either way. D[session, class of the step before, step]
counts steps, fading by .9995 an update, and is shrunk to its marginal by 20 pseudo-counts:

    p(step | session, class) = (D[session, class, step] + 20 m(step)) / (sum D[session, class] + 20), m = marginal

Class of the step before: 0 none, 1 = +1, 2 = +2..+3, 3 = -1..-3, 4 = farther. A session ends after a gap of 2 h.
Where many consecutive events of a learner carry the same time stamp, the log's order inside a tie is an artefact
(usually the item id), so the source keeps silent while the share of such pairs is above 5 %.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.compiled import compiled
from models.recommendation.histories import Histories, in_taken

REACH = 30
STEPS = 2 * REACH + 2  # steps -30..+30 (0 is never used) and one more for "farther"
FARTHER = STEPS - 1
CLASSES = 5
FADE = 0.9995
PSEUDO = 20.0
SESSION_MS = 2 * 3_600_000
VISITS = 400  # slots looked at in one direction before giving up
TIED_LIMIT = 0.05


class Steps(NamedTuple):
    """The table of steps and the share of tied time stamps."""

    table: NDArray[np.float64]  # (2, CLASSES, STEPS)
    pairs: NDArray[np.int64]  # (2,): consecutive pairs of events of one learner; those with the same time stamp


def empty_steps() -> Steps:
    """Return a table without steps."""
    return Steps(np.zeros((2, CLASSES, STEPS)), np.zeros(2, np.int64))


@compiled
def order_speaks(steps: Steps) -> bool:
    """Return whether the order of events is trusted (few ties in time)."""
    return bool(steps.pairs[1] <= TIED_LIMIT * steps.pairs[0])


@compiled
def class_of(step: int) -> int:
    """Return the class of a step (0 means that there was none)."""
    if step == 1:
        return 1
    if 2 <= step <= 3:
        return 2
    if -3 <= step <= -1:
        return 3
    return 4


@compiled
def walk(
    counts: NDArray[np.int32],
    items: int,
    histories: Histories,
    learner: int,
    start: int,
    direction: int,
    out: NDArray[np.int32],
) -> int:
    """Write the known items that the learner has not had, in order from ``start``, to ``out``; return how many."""
    taken = histories.taken
    found = 0
    slot = start + direction
    for _ in range(VISITS):
        if slot < 0 or slot >= items or found == REACH:
            break
        if counts[slot] > 0 and not in_taken(taken, learner, slot):
            out[found] = slot
            found += 1
        slot += direction
    return found


@compiled
def step_to(counts: NDArray[np.int32], histories: Histories, learner: int, start: int, target: int) -> int:
    """Return the step from ``start`` to ``target`` (counted as known and new), 0 if farther than the table reaches."""
    taken = histories.taken
    direction = 1 if target > start else -1
    step = 1
    slot = start + direction
    for _ in range(VISITS):
        if slot == target:
            return direction * step
        if counts[slot] > 0 and not in_taken(taken, learner, slot):
            step += 1
            if step > REACH:
                return 0
        slot += direction
    return 0


@compiled
def count_step(steps: Steps, session: int, step_class: int, step: int) -> None:
    """Count one step (0 = farther than the table reaches) in its context."""
    row = steps.table[session, step_class]
    row *= FADE
    row[step + REACH if step != 0 else FARTHER] += 1.0


@compiled
def step_probabilities(steps: Steps, session: int, step_class: int, out: NDArray[np.float64]) -> None:
    """Write the probability of every step in this context to ``out`` (STEPS,)."""
    total = steps.table.sum()
    row = steps.table[session, step_class]
    row_total = row.sum()
    for s in range(STEPS):
        marginal = 0.0
        for a in range(2):
            for c in range(CLASSES):
                marginal += steps.table[a, c, s]
        share = marginal / total if total > 0 else 0.0
        out[s] = (row[s] + PSEUDO * share) / (row_total + PSEUDO)
