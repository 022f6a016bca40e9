r"""What does a learner like and dislike?  Two fading sums an item, read out as weights of topics and of content.

An interaction speaks for its item with a weight p >= 0 and against it with a weight q >= 0:

    p = a(type) (½ + completion) + max(0, (rating − 3)/2) + ½ max(0, sentiment)
    q = b(type)                  + max(0, (3 − rating)/2) + ½ max(0, −sentiment)

where the factor of an unstated completion is 1 and unstated terms are 0.  Both are kept as forward-decayed sums in log
space (`models.decay`, half-life 30 days), so neither order nor batching matters.

They are kept per item and joined with topics only when read: a catalogue entry that comes later, or is corrected,
heals what earlier interactions say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.columns import CONSENT_PERSONALISE, Float32, Float64, Int64, Interactions, Mask
from models.decay import DAY_MS, decayed_at, log_add, log_decay
from models.grouping import count_by, group_pairs, log_sum_by, max_by
from schemas.interactions import TYPE_OF_CODE, InteractionType

HALF_LIFE_MS = 30 * DAY_MS
"""Interests outlast a week's activity but not a term: a month, as the popularity of the recommender's sources."""

# a(type): how much an act speaks for the item.  A judgement, ordered by effort: looking, staying, finishing, telling.
POSITIVE: dict[InteractionType, float] = {
    InteractionType.VIEW: 0.2,
    InteractionType.START: 0.3,
    InteractionType.PROGRESS: 0.4,
    InteractionType.COMPLETE: 1.0,
    InteractionType.CLICK: 0.2,
    InteractionType.LIKE: 1.0,
    InteractionType.DISLIKE: 0.0,
    InteractionType.BOOKMARK: 0.8,
    InteractionType.SHARE: 1.0,
    InteractionType.RATE: 0.0,  # the rating itself decides
    InteractionType.ATTEMPT: 0.5,
    InteractionType.SKIP: 0.0,
}
# b(type): how much it speaks against it.
NEGATIVE: dict[InteractionType, float] = {InteractionType.DISLIKE: 1.0, InteractionType.SKIP: 0.5}
SENTIMENT_WEIGHT = 0.5
PRIOR_WEIGHT = 1.0
"""Weight of indifference in `topic_vector`: a single look at something is a faint preference."""

_POSITIVE = np.array([POSITIVE[member] for member in TYPE_OF_CODE])
_NEGATIVE = np.array([NEGATIVE.get(member, 0.0) for member in TYPE_OF_CODE])


class Preferences(NamedTuple):
    """What is kept of r pairs of a learner and an item, ascending by learner and then item."""

    learner: Int64
    """(r,)"""
    item: Int64
    """(r,)"""
    log_positive: Float64
    """(r,) log-space forward-decayed sum of p; −inf is empty."""
    log_negative: Float64
    """(r,) the same of q."""
    events: Int64
    """(r,)"""
    completions: Int64
    """(r,) interactions that finished the item, see `finishes`."""
    last_at_ms: Int64
    """(r,) newest event time."""


def event_weights(batch: Interactions) -> tuple[Float64, Float64]:
    """(p, q), each (n,) and >= 0: how much each interaction speaks for and against its item."""
    completion = batch.completion_rate.astype(np.float64) + 0.5
    positive = _POSITIVE[batch.type] * np.where(np.isnan(completion), 1.0, completion)
    negative = _NEGATIVE[batch.type]
    for stated, neutral, scale in ((batch.rating, 3.0, 0.5), (batch.sentiment, 0.0, SENTIMENT_WEIGHT)):
        polarity = _polarity(stated, neutral, scale)
        positive = positive + np.maximum(polarity, 0.0)
        negative = negative + np.maximum(-polarity, 0.0)
    return positive, negative


def finishes(batch: Interactions) -> Mask:
    """(n,) whether each interaction finished its item: of type COMPLETE, or a stated completion rate of 1."""
    finished: Mask = (batch.type == InteractionType.COMPLETE.code) | (batch.completion_rate >= 1)
    return finished


def of(batch: Interactions) -> Preferences:
    """What a batch of n interactions says, of the learners who consented to personalisation."""
    batch = batch.consented(CONSENT_PERSONALISE)
    pairs = group_pairs(batch.learner, batch.item)
    growth = log_decay(batch.at_ms, HALF_LIFE_MS)
    with np.errstate(divide="ignore"):
        positive, negative = (np.log(weights) + growth for weights in event_weights(batch))
    return Preferences(
        learner=pairs.first,
        item=pairs.second,
        log_positive=log_sum_by(pairs.groups, positive),
        log_negative=log_sum_by(pairs.groups, negative),
        events=count_by(pairs.groups),
        completions=count_by(pairs.groups, finishes(batch)),
        last_at_ms=max_by(pairs.groups, batch.at_ms),
    )


def add(one: Preferences, other: Preferences) -> Preferences:
    """Both together, pair by pair.  Commutative and associative; the statement of the projection does the same."""
    both = [np.concatenate(columns) for columns in zip(one, other, strict=True)]
    learner, item, positive, negative, events, completions, last_at_ms = both
    pairs = group_pairs(learner, item)
    result = Preferences(
        learner=pairs.first,
        item=pairs.second,
        log_positive=np.full(pairs.groups.size, -np.inf),
        log_negative=np.full(pairs.groups.size, -np.inf),
        events=np.zeros(pairs.groups.size, np.int64),
        completions=np.zeros(pairs.groups.size, np.int64),
        last_at_ms=max_by(pairs.groups, last_at_ms),
    )
    for rows in (slice(0, len(one.learner)), slice(len(one.learner), None)):
        at = pairs.groups.inverse[rows]
        result.log_positive[at] = log_add(result.log_positive[at], positive[rows])
        result.log_negative[at] = log_add(result.log_negative[at], negative[rows])
        result.events[at] += events[rows]
        result.completions[at] += completions[rows]
    return result


def empty() -> Preferences:
    """Nothing known of anyone."""
    return of(Interactions.empty())


def update(state: Preferences, batch: Interactions) -> Preferences:
    """The state after a batch."""
    return add(state, of(batch))


def weights_at(log_sum: Float64, at_ms: int) -> Float64:
    """(r,) the sums as of a time, at most 1e9 (read long before the events they would leave float64)."""
    return np.minimum(decayed_at(log_sum, at_ms, HALF_LIFE_MS), 1e9)


def topic_vector(
    topics: Sequence[Sequence[str]], positive: Float64, negative: Float64, limit: int = 10
) -> list[tuple[str, float]]:
    r"""The learner's topics with the largest weights in [−1, 1], strongest first.

    An item shares its sums equally among its topics.  With P and Q the sums of a topic, its weight is

        (P − Q) / (1 + max over all topics of (P + Q)),

    so 1 is a topic liked without reserve and more than any other is dealt with, and little evidence stays near 0.

    Args:
        topics: the topics of each of r items.
        positive: (r,) `weights_at` of what speaks for the items.
        negative: (r,) of what speaks against them.
        limit: most topics wanted.
    """
    net: dict[str, float] = {}
    gross: dict[str, float] = {}
    for names, p, q in zip(topics, positive.tolist(), negative.tolist(), strict=True):
        for name in names:
            net[name] = net.get(name, 0.0) + (p - q) / len(names)
            gross[name] = gross.get(name, 0.0) + (p + q) / len(names)
    scale = PRIOR_WEIGHT + max(gross.values(), default=0.0)
    ranked = sorted(net.items(), key=lambda entry: (-abs(entry[1]), entry[0]))
    return [(name, weight / scale) for name, weight in ranked[:limit]]


def _polarity(stated: Float32, neutral: float, scale: float) -> Float64:
    """(n,) signed distance from neutral, 0 where nothing is stated."""
    return np.nan_to_num((stated.astype(np.float64) - neutral) * scale)
