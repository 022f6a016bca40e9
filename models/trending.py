"""What is popular just now?  A fading weighted count of interactions an item, with half-lives of 1 h, 24 h and 7 d.

Each count is a forward-decayed sum in log space (`models.decay`): the order of events does not matter, ranks need no
reading time, and nothing is ever swept.  An interaction weighs as much as it speaks for its item in
`models.preferences`; a dislike or a skip adds nothing, but is counted as an event.  Only learners who consented to
analytics are counted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import CONSENT_ANALYTICS, Float64, Int64, Interactions
from models.decay import DAY_MS, HOUR_MS, decayed_at, log_add, log_decay
from models.grouping import count_by, group, log_sum_by, max_by
from models.preferences import event_weights

HALF_LIFE_MS: dict[str, int] = {"1h": HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS}
"""By window name; the order is that of every array of windows and of the table's columns."""

WINDOWS = tuple(HALF_LIFE_MS)
DEFAULT_WINDOW = "24h"


class Trending(NamedTuple):
    """What is kept of r items, ascending by key."""

    item: Int64
    """(r,)"""
    log_sums: Float64
    """(3, r) log-space forward-decayed sums, in the order of `WINDOWS`; −inf is empty."""
    events: Int64
    """(r,)"""
    last_at_ms: Int64
    """(r,) newest event time."""


def of(batch: Interactions) -> Trending:
    """What a batch of n interactions adds."""
    batch = batch.consented(CONSENT_ANALYTICS)
    items = group(batch.item)
    with np.errstate(divide="ignore"):
        weight = np.log(event_weights(batch)[0])
    sums = [log_sum_by(items, weight + log_decay(batch.at_ms, half_life)) for half_life in HALF_LIFE_MS.values()]
    return Trending(items.keys, np.stack(sums), count_by(items), max_by(items, batch.at_ms))


def add(one: Trending, other: Trending) -> Trending:
    """Both together, item by item.  Commutative and associative; the statement of the projection does the same."""
    items = group(np.concatenate((one.item, other.item)))
    sums = np.full((len(WINDOWS), items.size), -np.inf)
    events = np.zeros(items.size, np.int64)
    split = len(one.item)
    for part, at in ((one, items.inverse[:split]), (other, items.inverse[split:])):
        sums[:, at] = log_add(sums[:, at], part.log_sums)
        events[at] += part.events
    return Trending(items.keys, sums, events, max_by(items, np.concatenate((one.last_at_ms, other.last_at_ms))))


def empty() -> Trending:
    """No item known."""
    return of(Interactions.empty())


def update(state: Trending, batch: Interactions) -> Trending:
    """The state after a batch."""
    return add(state, of(batch))


def popularity_at(log_sum: Float64, at_ms: int, window: str) -> Float64:
    """(r,) the fading count of one window as of a time, >= 0; inf where float64 ends."""
    return decayed_at(log_sum, at_ms, HALF_LIFE_MS[window])


def relative(log_sum: Float64) -> Float64:
    """(r,) popularity in [0, 1] as a share of the most popular of these items; it needs no reading time."""
    peak = log_sum.max(initial=-np.inf)
    return np.exp(log_sum - peak) if np.isfinite(peak) else np.zeros(len(log_sum))
