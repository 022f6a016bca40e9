"""How does a learner like to work?  Five dimensions of habit, opt-in, each with what moved it, never used as a gate.

| dimension | 0 | 1 | behaviour counted |
|---|---|---|---|
| thoroughness | samples | finishes | completion of what was opened |
| pace | takes time | quick | stated over spent time, on a log scale |
| practice | reads and watches | tries | attempts among attempts, views, starts and completions |
| sociability | keeps to themselves | shows | share of likes, dislikes, ratings and shares, times ten |
| evening | by day | by night | events from 18 to 4 o'clock, the learner's own time |

These are habits seen on a learning platform and answers that the learner gave; they are no psychological test.  Each
value starts at the learner's own answer, or one half, and behaviour moves it: value = (m a + S) / (m + n) with a the
start, S the sum and n the number of observations, m = ``ANSWER_WEIGHT`` or ``PRIOR_WEIGHT``.  Sums are free of order.
Only events whose consent names this purpose are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.columns import CONSENT_PERSONALITY, Interactions
from schemas.interactions import InteractionType as Type

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

DIMENSIONS = ("thoroughness", "pace", "practice", "sociability", "evening")
PRIOR_WEIGHT = 5.0
ANSWER_WEIGHT = 20.0
"""An answer counts as much as this many observations."""
SOCIAL_SCALE = 10.0
EVENING_FROM, EVENING_UNTIL = 18, 4
_SOCIAL = np.array([Type.LIKE.code, Type.DISLIKE.code, Type.RATE.code, Type.SHARE.code])
_READING = np.array([Type.VIEW.code, Type.START.code, Type.COMPLETE.code])


@dataclass(frozen=True, slots=True)
class Habits:
    """Sums and numbers of observations of g learners; adding them row by row joins disjoint sets of events."""

    learner: Int64
    """(g,) keys, ascending."""
    total: Float64
    """(g, 5) sum of the observations of each dimension, each in [0, 1]."""
    count: Float64
    """(g, 5) number of them."""


@dataclass(frozen=True, slots=True)
class Trait:
    """One dimension of a learner, and why it stands where it does."""

    name: str
    value: float
    """[0, 1]"""
    answer: float | None
    """Where the learner's own answer put it; None without one."""
    moved_by_behaviour: float
    """value − start."""
    observations: int
    certainty: float
    """Share of the value that rests on behaviour, [0, 1)."""


def habits_of(batch: Interactions) -> Habits:
    """The observations in a batch, by learner."""
    batch = batch.consented(CONSENT_PERSONALITY)
    observed = np.full((len(batch), len(DIMENSIONS)), np.nan)
    observed[:, 0] = batch.completion_rate
    timed = (batch.expected_seconds > 0) & (batch.time_spent_seconds > 0)
    ratio = batch.expected_seconds[timed].astype(np.float64) / batch.time_spent_seconds[timed]
    observed[timed, 1] = np.clip(0.5 + 0.25 * np.log2(ratio), 0.0, 1.0)
    attempt = batch.type == Type.ATTEMPT.code
    observed[attempt, 2] = 1.0
    observed[np.isin(batch.type, _READING), 2] = 0.0
    observed[:, 3] = np.isin(batch.type, _SOCIAL)
    observed[:, 4] = (batch.local_hour >= EVENING_FROM) | (batch.local_hour < EVENING_UNTIL)
    learner, inverse = np.unique(batch.learner, return_inverse=True)
    total, count = np.zeros((len(learner), len(DIMENSIONS))), np.zeros((len(learner), len(DIMENSIONS)))
    seen = ~np.isnan(observed)
    np.add.at(total, inverse, np.where(seen, observed, 0.0))
    np.add.at(count, inverse, seen)
    return Habits(learner, total, count)


def joined(one: Habits, other: Habits) -> Habits:
    """The observations of two disjoint sets of events; commutative and associative."""
    learner, inverse = np.unique(np.concatenate([one.learner, other.learner]), return_inverse=True)
    total, count = np.zeros((len(learner), len(DIMENSIONS))), np.zeros((len(learner), len(DIMENSIONS)))
    np.add.at(total, inverse, np.concatenate([one.total, other.total]))
    np.add.at(count, inverse, np.concatenate([one.count, other.count]))
    return Habits(learner, total, count)


def personality(total: Float64, count: Float64, answers: Mapping[str, int] | None = None) -> tuple[Trait, ...]:
    """The five dimensions of one learner.

    Args:
        total: (5,) sums of one learner's observations.
        count: (5,) numbers of them.
        answers: the learner's own answers, 1 (not at all) to 5 (very much), by dimension.

    Raises:
        ValueError: an answer to an unknown dimension or outside 1..5.
    """
    given = dict(answers or {})
    for name, answer in given.items():
        if name not in DIMENSIONS or not 1 <= answer <= 5:
            raise ValueError(f"answers: {name}={answer}; give 1 to 5 for any of {', '.join(DIMENSIONS)}")
    traits = []
    for place, name in enumerate(DIMENSIONS):
        answered = (given[name] - 1) / 4 if name in given else None
        start, weight = (0.5, PRIOR_WEIGHT) if answered is None else (answered, ANSWER_WEIGHT)
        n, mean = float(count[place]), float(total[place] / count[place]) if count[place] else start
        if name == "sociability" and n:
            mean = min(1.0, SOCIAL_SCALE * mean)
        value = (weight * start + n * mean) / (weight + n)
        traits.append(Trait(name, value, answered, value - start, int(n), n / (weight + n)))
    return tuple(traits)
