r"""What do learners take now? Plain counts and counts that fade with half-lives of 30 and 7 days.

Forward decay (Cormode et al., ICDE 2009): an event at time t adds 2^(t/H); the count as of time s is that sum times
2^(-s/H), so nothing is ever swept. Sums are kept as log-weights, L = log(e^L + 2^(t/H)), which can't overflow. They
only grow, so the 256 most popular items are kept exactly by bubbling up the one item that changed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.compiled import compiled

POPULARITIES = 3  # plain, 30 days, 7 days
LEADERS = 256  # length of the ready list of the most popular
_DAY_MS = 86_400_000.0
RATE_PER_MS = np.array([0.0, np.log(2.0) / (30.0 * _DAY_MS), np.log(2.0) / (7.0 * _DAY_MS)])
NEVER = -1e300  # log-weight of an item without events


class Popularity(NamedTuple):
    """Counts of every item and the ready lists. N item slots."""

    log_weight: NDArray[np.float64]  # (3, N)
    leaders: NDArray[np.int32]  # (3, LEADERS) item slots, most popular first
    leaders_length: NDArray[np.int32]  # (3,)


def empty_popularity(items: int) -> Popularity:
    """Return counts of ``items`` items without events."""
    return Popularity(
        np.full((POPULARITIES, items), NEVER),
        np.zeros((POPULARITIES, LEADERS), np.int32),
        np.zeros(POPULARITIES, np.int32),
    )


@compiled
def _bubble_up(popularity: Popularity, kind: int, item: int) -> None:
    """Restore the order of one ready list after the count of ``item`` grew."""
    leaders = popularity.leaders[kind]
    weight = popularity.log_weight[kind]
    length = popularity.leaders_length[kind]
    place = -1
    for k in range(length):
        if leaders[k] == item:
            place = k
    if place < 0:
        if length < LEADERS:
            place = length
            popularity.leaders_length[kind] = length + 1
        elif weight[item] > weight[leaders[length - 1]]:
            place = length - 1
        else:
            return
    while place > 0 and weight[leaders[place - 1]] < weight[item]:
        leaders[place] = leaders[place - 1]
        place -= 1
    leaders[place] = item


@compiled
def count_popularity(popularity: Popularity, item: int, at_ms: int) -> None:
    """Count one event of the item in all three counts."""
    for kind in range(POPULARITIES):
        gain = RATE_PER_MS[kind] * at_ms
        old = popularity.log_weight[kind, item]
        high, low = max(old, gain), min(old, gain)
        popularity.log_weight[kind, item] = high + np.log1p(np.exp(low - high))
        _bubble_up(popularity, kind, item)


@compiled
def popularity_at(popularity: Popularity, kind: int, item: int, at_ms: int) -> float:
    """Return the count of the item as of a time (events; plain counts do not fade)."""
    return float(np.exp(popularity.log_weight[kind, item] - RATE_PER_MS[kind] * at_ms))
