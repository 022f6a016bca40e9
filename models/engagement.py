r"""How engaged is a learner?  A bounded, fading score in [0, 100] whose terms say where it comes from.

An event has up to seven terms x_k in [0, 1], each present or absent; its score is the weighted mean of those present,

    s = Σ w_k x_k / Σ w_k ,      so that the share of term k in it is  c_k = w_k x_k / Σ w_k .

A learner's score at time t, over his events i at times t_i,

    A_k(t) = Σ c_{k,i} 2^(−(t − t_i)/H),   A = Σ A_k,   E(t) = 100 (1 − exp(−A/τ)),   term k = E · A_k / A .

The state is one log-space forward-decayed sum a term (`models.decay`), so it depends neither on the order of the
events nor on how they were batched, and reading it at any time needs no write.

Symbols: w_k term weight [1], H half-life [ms], τ saturation [events' worth of full scores].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import Float64, Int64, Interactions
from models.decay import DAY_MS, decayed_at, log_add, log_decay
from models.grouping import Groups, count_by, log_sum_by, max_by
from schemas.interactions import TYPE_OF_CODE, InteractionType

TERMS = ("type", "completion", "time", "scroll", "clicks", "rating", "sentiment")
"""Names of the terms, in the order of every array of terms here and of the table's ``log_*`` columns."""

TERM_WEIGHTS = np.array([0.30, 0.25, 0.15, 0.10, 0.05, 0.10, 0.05])
"""w_k.  A design decision of this project: what was done counts most, then how much of it was finished."""

HALF_LIFE_MS = 7 * DAY_MS
"""H.  One week, the rhythm of courses; edX Insights and Aspects also read activity by the last 7 days."""

SATURATION = 5.0
"""τ.  Five fresh events of full score give 100 (1 − 1/e) = 63; a score near 100 takes a busy week."""

CLICKS_SCALE = 10.0
"""Clicks n count as 1 − exp(−n/10): ten clicks are 63 % of any number of clicks."""

# How much each kind of act says by itself, by the effort it takes: a judgement, from a skip (0) to finishing (1).
TYPE_WEIGHT: dict[InteractionType, float] = {
    InteractionType.VIEW: 0.2,
    InteractionType.START: 0.3,
    InteractionType.PROGRESS: 0.5,
    InteractionType.COMPLETE: 1.0,
    InteractionType.CLICK: 0.2,
    InteractionType.LIKE: 0.5,
    InteractionType.DISLIKE: 0.3,
    InteractionType.BOOKMARK: 0.5,
    InteractionType.SHARE: 0.7,
    InteractionType.RATE: 0.6,
    InteractionType.ATTEMPT: 0.8,
    InteractionType.SKIP: 0.0,
}
_WEIGHT_OF_CODE = np.array([TYPE_WEIGHT[member] for member in TYPE_OF_CODE])


class Engagement(NamedTuple):
    """What is kept of g learners."""

    events: Int64
    """(g,) interactions folded."""
    log_sums: Float64
    """(7, g) log-space forward-decayed sums of c_k, in the order of ``TERMS``; −inf is empty."""
    last_at_ms: Int64
    """(g,) newest event time; the smallest int64 before the first event."""


def empty(learners: int) -> Engagement:
    """The state of g learners of whom nothing is known."""
    return Engagement(
        np.zeros(learners, np.int64),
        np.full((len(TERMS), learners), -np.inf),
        np.full(learners, np.iinfo(np.int64).min),
    )


def event_terms(batch: Interactions) -> Float64:
    """(7, n) the terms x_k in [0, 1] of each interaction, NaN where absent."""
    expected = batch.expected_seconds.astype(np.float64)
    spent = batch.time_spent_seconds.astype(np.float64)
    terms = np.empty((len(TERMS), len(batch)))
    terms[0] = _WEIGHT_OF_CODE[batch.type]
    terms[1] = batch.completion_rate
    terms[2] = np.minimum(spent / np.where(expected > 0, expected, np.nan), 1.0)
    terms[3] = batch.scroll_depth
    terms[4] = -np.expm1(batch.clicks.astype(np.float64) / -CLICKS_SCALE)
    terms[5] = (batch.rating.astype(np.float64) - 1.0) / 4.0
    terms[6] = (batch.sentiment.astype(np.float64) + 1.0) / 2.0
    return terms


def event_shares(terms: Float64) -> Float64:
    """(7, n) the shares c_k >= 0 of each event's score, 0 where absent; their sum over k is the score s in [0, 1]."""
    present = ~np.isnan(terms)
    weight = TERM_WEIGHTS[:, None] * present
    shares: Float64 = TERM_WEIGHTS[:, None] * np.where(present, terms, 0.0) / weight.sum(axis=0)
    return shares


def update(state: Engagement, groups: Groups, batch: Interactions) -> Engagement:
    """The state after a batch of n interactions.

    Args:
        state: of the g learners of ``groups``, in the order of its keys.
        groups: the batch's learner column, grouped.
        batch: the interactions, in any order.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(event_shares(event_terms(batch))) + log_decay(batch.at_ms, HALF_LIFE_MS)
    added = np.stack([log_sum_by(groups, term) for term in logs])
    return Engagement(
        state.events + count_by(groups),
        log_add(state.log_sums, added),
        np.maximum(state.last_at_ms, max_by(groups, batch.at_ms)),
    )


def score_at(state: Engagement, at_ms: Int64 | int) -> Float64:
    """(g,) E(t) in [0, 100] at a time, one for all or (g,)."""
    return _saturated(_sums_at(state.log_sums, at_ms).sum(axis=0))


def terms_at(state: Engagement, at_ms: Int64 | int) -> Float64:
    """(7, g) the parts of `score_at` that each term brings, >= 0; their sum over the terms is the score."""
    sums = _sums_at(state.log_sums, at_ms)
    total = sums.sum(axis=0)
    return sums * (_saturated(total) / np.where(total > 0, total, 1.0))


def _saturated(total: Float64) -> Float64:
    return np.expm1(-total / SATURATION) * -100.0


def _sums_at(log_sums: Float64, at_ms: Int64 | int) -> Float64:
    # Read long before the events, a sum can exceed float64; a large finite value keeps the shares defined.
    return np.minimum(decayed_at(log_sums, at_ms, HALF_LIFE_MS), 1e300)
