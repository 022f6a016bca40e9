r"""When should something learnt be reviewed?  FSRS-6 memory states: stability and difficulty of a learner at an item.

Stability S is the time in days after which recall falls to 90 %, difficulty D lies in [1, 10].  With w the parameters,
t whole days since the last review, G the rating 1..4 and F = 0.9^(−1/w20) − 1:

    R(t)    = (1 + F t / S)^(−w20)                                                recall probability
    S0(G)   = w[G−1],   D0(G) = w4 − e^(w5 (G−1)) + 1                             first review
    S'      = S (1 + e^w8 (11 − D) S^(−w9) (e^(w10 (1−R)) − 1) [w15 hard] [w16 easy])     recalled
    S'      = min(w11 D^(−w12) ((S+1)^w13 − 1) e^(w14 (1−R)), S / e^(w17 w18))    forgotten
    S'      = S e^(w17 (G − 3 + w18)) S^(−w19), the factor >= 1 for G >= 2        again within a day
    D'      = w7 D0(4) + (1 − w7) (D − w6 (G−3) (10 − D) / 9)

Source: the Free Spaced Repetition Scheduler, version 6 (open-spaced-repetition), default parameters fitted on 10,000
collections.  Two floats and a time a memory, O(1) a review.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

# fmt: off
PARAMETERS = (
    0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796,
    1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542,
)
# fmt: on
AGAIN, HARD, GOOD, EASY = 1, 2, 3, 4
DAY_MS = 86_400_000
STABILITY_MIN_DAYS = 0.001
DIFFICULTY_MIN, DIFFICULTY_MAX = 1.0, 10.0
INTERVAL_MAX_DAYS = 36_500
DESIRED_RETENTION = 0.9

_W = PARAMETERS
_DECAY = -_W[20]
_FACTOR: float = 0.9 ** (1 / _DECAY) - 1
_DIFFICULTY_OF_EASY = float(_W[4] - np.exp(_W[5] * (EASY - 1)) + 1)


@dataclass(frozen=True, slots=True)
class Memories:
    """n memory states, arrays of shape (n,); a thing that was never reviewed has stability NaN."""

    stability_days: Float64
    difficulty: Float64
    last_review_ms: Int64

    @classmethod
    def new(cls, n: int) -> Memories:
        """n things that were never reviewed."""
        return cls(np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int64))

    def __len__(self) -> int:
        return len(self.stability_days)

    @property
    def reviewed(self) -> Mask:
        """Which have been reviewed at least once."""
        return ~np.isnan(self.stability_days)


def rating_of(success: ArrayLike) -> Int64:
    """Ratings of outcomes: a failure is Again, a success is Good; finer ratings need the learner's own word."""
    return np.where(np.asarray(success) > 0, GOOD, AGAIN).astype(np.int64)


def retrievability(memories: Memories, at_ms: ArrayLike) -> Float64:
    """Probability of recall at a time, by whole days since the last review; 0 for what was never reviewed."""
    recall = (1 + _FACTOR * _days(memories, at_ms) / memories.stability_days) ** _DECAY
    return np.where(memories.reviewed, recall, 0.0)


def reviewed(memories: Memories, rating: ArrayLike, at_ms: ArrayLike) -> Memories:
    """The states after one review of each.

    Args:
        memories: n states.
        rating: (n,) of 1 (again) to 4 (easy).
        at_ms: (n,) Unix milliseconds; a review that arrives late counts as one on the day of the newest.

    Raises:
        ValueError: a rating is not 1, 2, 3 or 4.
    """
    grade = np.asarray(rating, np.int64)
    if not np.isin(grade, (AGAIN, HARD, GOOD, EASY)).all():
        raise ValueError("rating must be 1 (again), 2 (hard), 3 (good) or 4 (easy)")
    when = np.asarray(at_ms, np.int64)
    first = ~memories.reviewed
    # The formulas run on every row and are chosen from afterwards; 1 stands in where there is no state yet.
    s = np.where(first, 1.0, memories.stability_days)
    d = np.where(first, 1.0, memories.difficulty)
    elapsed = _days(memories, when)
    recall = (1 + _FACTOR * elapsed / s) ** _DECAY
    later = np.where(grade == AGAIN, _forgotten(s, d, recall), _recalled(s, d, recall, grade))
    stability = np.where(elapsed < 1, _same_day(s, grade), later)
    stability = np.where(first, np.asarray(_W[:4])[grade - 1], np.maximum(stability, STABILITY_MIN_DAYS))
    start = _W[4] - np.exp(_W[5] * (grade - 1)) + 1
    damped = d - _W[6] * (grade - 3) * (10.0 - d) / 9.0
    difficulty = np.where(first, start, _W[7] * _DIFFICULTY_OF_EASY + (1 - _W[7]) * damped)
    difficulty = np.clip(difficulty, DIFFICULTY_MIN, DIFFICULTY_MAX)
    return Memories(stability, difficulty, np.where(first, when, np.maximum(memories.last_review_ms, when)))


def replayed(memories: Memories, thing: ArrayLike, rating: ArrayLike, at_ms: ArrayLike) -> Memories:
    """The states after a log of reviews, ``thing`` indexing the states; each thing's reviews stand in log order.

    Vectorised over things: as many rounds as the busiest thing has reviews.
    """
    which = np.asarray(thing, np.int64)
    grade, when = np.asarray(rating, np.int64), np.asarray(at_ms, np.int64)
    order = np.argsort(which, kind="stable")
    ordinal = np.empty(len(which), np.int64)
    _, start, count = np.unique(which[order], return_index=True, return_counts=True)
    ordinal[order] = np.arange(len(which)) - np.repeat(start, count)
    state = Memories(memories.stability_days.copy(), memories.difficulty.copy(), memories.last_review_ms.copy())
    for turn in range(int(ordinal.max()) + 1 if len(which) else 0):
        rows = np.flatnonzero(ordinal == turn)
        things = which[rows]
        part = Memories(state.stability_days[things], state.difficulty[things], state.last_review_ms[things])
        after = reviewed(part, grade[rows], when[rows])
        state.stability_days[things] = after.stability_days
        state.difficulty[things] = after.difficulty
        state.last_review_ms[things] = after.last_review_ms
    return state


def interval_days(stability_days: ArrayLike, retention: float = DESIRED_RETENTION) -> Float64:
    """Whole days until recall falls to ``retention``, in [1, 36500]; NaN stays NaN."""
    exact = np.asarray(stability_days, np.float64) / _FACTOR * (retention ** (1 / _DECAY) - 1)
    days: Float64 = np.clip(np.rint(exact), 1, INTERVAL_MAX_DAYS)
    return days


def due_ms(memories: Memories, retention: float = DESIRED_RETENTION) -> Int64:
    """When each review is due, Unix milliseconds; 0 for what was never reviewed."""
    days = np.where(memories.reviewed, interval_days(memories.stability_days, retention), 0.0)
    return np.where(memories.reviewed, memories.last_review_ms + days.astype(np.int64) * DAY_MS, 0)


def _days(memories: Memories, at_ms: ArrayLike) -> Float64:
    elapsed_ms = np.asarray(at_ms, np.int64) - memories.last_review_ms
    days: Float64 = np.maximum(elapsed_ms // DAY_MS, 0).astype(np.float64)
    return days


def _recalled(s: Float64, d: Float64, recall: Float64, grade: Int64) -> Float64:
    factor = np.where(grade == HARD, _W[15], np.where(grade == EASY, _W[16], 1.0))
    growth: Float64 = np.exp(_W[8]) * (11 - d) * s ** -_W[9] * (np.exp((1 - recall) * _W[10]) - 1)
    after: Float64 = s * (1 + growth * factor)
    return after


def _forgotten(s: Float64, d: Float64, recall: Float64) -> Float64:
    long_term: Float64 = _W[11] * d ** -_W[12] * ((s + 1) ** _W[13] - 1) * np.exp((1 - recall) * _W[14])
    short_term: Float64 = s / np.exp(_W[17] * _W[18])
    return np.minimum(long_term, short_term)


def _same_day(s: Float64, grade: Int64) -> Float64:
    factor: Float64 = np.exp(_W[17] * (grade - 3 + _W[18])) * s ** -_W[19]
    after: Float64 = s * np.where(grade >= HARD, np.maximum(factor, 1.0), factor)
    return after
