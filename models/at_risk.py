"""Who is about to fail or leave?  A probability from what a learner did in the last four weeks, and the reasons for it.

A logistic regression on the learner's own activity as the read models keep it: events, clicks and active days of each
of the last four weeks, the silence since, how much content, engagement, and what was before.  Nothing about the
person: no age, sex, region, disability or wealth.  The shipped weights (`models.at_risk_weights`) are fitted to the
outcomes of the Open University data set at day 28 of each course (OULAD; Kuzilek, Hlosta, Zdrahal 2017);
``personalize bench at-risk`` measures them by cross-validation over students, and writes them.

Beside it a rule that needs no training, after Open edX Aspects: somebody who was active and has not been seen for a
week.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from models.columns import Float64, Int64, Mask

WEEKS: Final = 4
DAYS: Final = 7 * WEEKS
"""The window, back from the moment of asking."""
SILENT_DAYS: Final = 7
"""Of the rule."""
HIGH: Final = 0.6
"""From this probability on a learner counts as at risk."""
_STRENGTH: Final = 0.3
"""Inverse of the L2 penalty on standardised features; found by cross-validation on OULAD."""


class Activity(NamedTuple):
    """What is known of n learners at a moment."""

    events: Float64
    """(n, 4) interactions of each week of the window, the oldest first."""
    clicks: Float64
    """(n, 4)"""
    active_days: Float64
    """(n, 4)"""
    silent_days: Float64
    """(n,) whole days since the last activity; ``DAYS`` if there was none in the window."""
    items: Float64
    """(n,) different contents touched in the window."""
    engagement: Float64
    """(n,) E(t) in [0, 100] (`models.engagement`)."""
    earlier_clicks: Float64
    """(n,) before the window."""
    earlier_active_days: Float64
    """(n,) before the window."""


class Weights(NamedTuple):
    """Of the logistic regression on standardised features."""

    mean: Float64
    scale: Float64
    coefficient: Float64
    intercept: float


_BY_WEEK: Final = ("interactions", "clicks", "active days")
FEATURES: Final = (
    *(f"{name}, week {week}" for name in _BY_WEEK for week in range(1, WEEKS + 1)),
    "clicks in four weeks",
    "days of silence",
    "different contents",
    "engagement",
    "earlier clicks",
    "earlier active days",
)
# Feature → what it says of a learner who has less (or, for silence, more) of it than others.
_REASONS: Final = {
    "interactions": "few interactions",
    "clicks": "little activity",
    "active days": "active on few days",
    "days of silence": "not seen lately",
    "different contents": "little of the content touched",
    "engagement": "low engagement",
    "earlier clicks": "a slow start",
    "earlier active days": "a late start",
}


def features(known: Activity) -> Float64:
    """(n, 18) in the order of ``FEATURES``; counts as logarithms, because the first ones say most."""
    score = np.clip(known.engagement / 100.0, 0.0, 0.9999)
    columns = [
        np.log1p(known.events),
        np.log1p(known.clicks),
        known.active_days,
        np.log1p(known.clicks.sum(axis=1))[:, None],
        known.silent_days[:, None],
        np.log1p(known.items)[:, None],
        np.log1p(-5.0 * np.log1p(-score))[:, None],
        np.log1p(known.earlier_clicks)[:, None],
        np.log1p(known.earlier_active_days)[:, None],
    ]
    return np.concatenate([column.astype(np.float64) for column in columns], axis=1)


def fit(found: Float64, failed: Mask) -> Weights:
    """Weights for features (n, k) and whether each learner failed or left (n,)."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = found.mean(axis=0), found.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    model = LogisticRegression(C=_STRENGTH, max_iter=2_000).fit((found - mean) / scale, failed)
    return Weights(mean, scale, model.coef_[0], float(model.intercept_[0]))


def probability(weights: Weights, found: Float64) -> Float64:
    """(n,) probability of failing or leaving."""
    logit = _parts(weights, found).sum(axis=1) + weights.intercept
    found_share: Float64 = 1.0 / (1.0 + np.exp(-logit))
    return found_share


def silent(known: Activity) -> Mask:
    """(n,) the rule: was active, and has not been seen for a week."""
    seen = (known.events.sum(axis=1) > 0) | (known.earlier_active_days > 0)
    quiet: Mask = seen & (known.silent_days >= SILENT_DAYS)
    return quiet


def reasons(weights: Weights, known: Activity, most: int = 3) -> list[list[str]]:
    """Of each learner, what adds most to the probability, the heaviest first; the rule's reason stands before them."""
    parts = _parts(weights, features(known))
    groups: dict[str, Float64] = {}
    for place, name in enumerate(FEATURES):
        topic = name.partition(",")[0].removesuffix(" in four weeks")
        groups[topic] = groups.get(topic, 0.0) + parts[:, place]
    topics = list(groups)
    table = np.stack([groups[topic] for topic in topics], axis=1)
    order = np.argsort(-table, axis=1, kind="stable")[:, :most]
    quiet = silent(known)
    found: list[list[str]] = []
    for row, places in enumerate(order.tolist()):
        said = [_REASONS[topics[place]] for place in places if table[row, place] > 0.05]
        first = [f"not seen for {int(known.silent_days[row])} days or more"] if quiet[row] else []
        found.append(first + [text for text in said if not first or text != "not seen lately"])
    return found


def _parts(weights: Weights, found: Float64) -> Float64:
    parts: Float64 = (found - weights.mean) / weights.scale * weights.coefficient
    return parts


def activity_of(
    learners: int, learner: Int64, days_ago: Int64, events: Float64, clicks: Float64
) -> tuple[Float64, Float64, Float64, Float64, Float64, Float64]:
    """Rows a learner and day, made into the parts of ``Activity`` that days tell.

    Args:
        learners: n.
        learner: (r,) 0..n-1.
        days_ago: (r,) whole days before the moment, from 0.
        events: (r,)
        clicks: (r,)

    Returns:
        events, clicks and active days by week (n, 4); silent days, earlier clicks and earlier active days (n,).
    """
    inside = (days_ago >= 0) & (days_ago < DAYS)
    week = WEEKS - 1 - days_ago[inside] // 7
    cell = learner[inside] * WEEKS + week

    def by_week(weight: Float64 | None) -> Float64:
        counted = np.bincount(cell, weights=weight, minlength=learners * WEEKS)
        return counted.reshape(learners, WEEKS).astype(np.float64)

    earlier = days_ago >= DAYS
    silent_days = np.full(learners, float(DAYS))
    np.minimum.at(silent_days, learner[inside], days_ago[inside].astype(np.float64))
    return (
        by_week(events[inside]),
        by_week(clicks[inside]),
        by_week(None),
        silent_days,
        np.bincount(learner[earlier], weights=clicks[earlier], minlength=learners).astype(np.float64),
        np.bincount(learner[earlier], minlength=learners).astype(np.float64),
    )


def bootstrap_difference(
    outcome: Mask, one: Float64, other: Float64, people: Sequence[int] | Int64, resamples: int, seed: int
) -> tuple[float, float]:
    """95 % interval of AUC(one) − AUC(other), resampling people with all their rows."""
    from models.learner.accuracy import area_under_curve

    rng = np.random.default_rng(seed)
    keys, inverse = np.unique(np.asarray(people), return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(keys) + 1))
    sizes = np.diff(starts)
    found = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(keys), len(keys))
        length = sizes[drawn]
        offset = np.repeat(starts[drawn] - np.concatenate(([0], np.cumsum(length)[:-1])), length)
        rows = order[np.arange(length.sum()) + offset]
        truth = outcome[rows].astype(np.float64)
        found.append(area_under_curve(truth, one[rows]) - area_under_curve(truth, other[rows]))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
