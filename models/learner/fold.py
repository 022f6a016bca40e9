"""How likely is success, and what follows from the outcome?  Predict and update, one attempt or a whole batch.

Any split of a log into batches gives the same learner and shared states and the same predictions, bit for bit: attempts
are folded one after the other.  The two states are strictly apart: a worker folds with ``learn_shared=False`` against a
published version, the owner of the shared state folds with ``learn_shared=True``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.learner.attempts import Attempts, attempts
from models.learner.kernel import Batch, run
from models.learner.layout import SHARED_VERSION
from models.learner.learners import Learners
from models.learner.shared import Shared

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the model said before it saw each outcome, shape (n,)."""

    probability: Float64
    """Of success, the logistic regression's: the one to use."""
    rating_probability: Float64
    """Of success, by the ratings alone."""


def fold(shared: Shared, learners: Learners, batch: Attempts, *, learn_shared: bool = True) -> Predictions:
    """Predict each attempt, then learn from it; changes ``learners`` in place, ``shared`` only where asked.

    About 1.5 microseconds an attempt.  Learners that are not held start at the prior, so load known ones first.
    """
    _reserve(shared, batch)
    rows = learners.rows(batch.learner)
    learners.reserve(len(batch.skills), len(batch))
    said = _run(shared, learners, rows, batch, (True, learn_shared))
    learners.tables.learner[rows, SHARED_VERSION] = shared.version
    return said


def predict_batch(shared: Shared, learners: Learners, batch: Attempts) -> Predictions:
    """Predictions for attempts that have not happened; outcomes in the batch are ignored and nothing changes."""
    _reserve(shared, batch)
    rows = np.array([learners.row(key) for key in batch.learner.tolist()], np.int64)
    return _run(shared, learners, rows, batch, (False, False))


def predict(
    shared: Shared, learners: Learners, learner: int, item: int, skills: Sequence[int], *, at_ms: int = 0
) -> float:
    """Probability that the learner succeeds at the item now; unknown learner, item or skill stand at their prior."""
    batch = attempts([learner], [item], [0], [0, len(skills)], list(skills), at_ms=[at_ms])
    return float(predict_batch(shared, learners, batch).probability[0])


def update(
    shared: Shared,
    learners: Learners,
    learner: int,
    item: int,
    skills: Sequence[int],
    *,
    success: bool,
    at_ms: int = 0,
    learn_shared: bool = True,
) -> float:
    """Learn from one outcome and return the probability of success that was expected before it."""
    batch = attempts([learner], [item], [float(success)], [0, len(skills)], list(skills), at_ms=[at_ms])
    return float(fold(shared, learners, batch, learn_shared=learn_shared).probability[0])


def _reserve(shared: Shared, batch: Attempts) -> None:
    items = int(batch.item.max()) + 1 if len(batch) else 0
    skills = int(batch.skills.max()) + 1 if len(batch.skills) else 0
    shared.reserve(items, skills)


def _run(shared: Shared, learners: Learners, rows: Int64, batch: Attempts, update: tuple[bool, bool]) -> Predictions:
    said = np.empty((len(batch), 2))
    columns = Batch(rows, batch.item, batch.success, batch.at_ms, batch.skill_start, batch.skills)
    run(learners.tables, shared.tables, columns, update, said)
    return Predictions(said[:, 0], said[:, 1])
