r"""What did learners with a history like this one do around the same items? Session nearest neighbours.

For the learner's last 10 different items j_0, j_1, ... (newest first) the last 200 takers of each get

    similarity(v) += .8^a (n_ja + 1)^-.5 e^(-age / 180 d),   age = time since v took j_a

The 200 most similar learners v propose the items of their rings around the match (the newest of the shared items): an
item x steps after it gets similarity(v) e^(-x/5), x steps before it .3 of that. Idea: V-SKNN (Ludewig and Jannach
2018) and STAN (Garg et al., SIGIR 2019), on whole histories. Cost: at most 2,000 takers and 10,000 ring entries a
request.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.compiled import compiled
from models.recommendation.histories import Histories
from models.recommendation.selection import kth_largest

QUERIES = 10
AGE = 0.8
FADE_MS = 180.0 * 86_400_000.0
NEAREST = 200
REACH = 20  # steps around the match: e^(-20/5) is below 2 %
BACK = 0.3
STEP_WEIGHT = np.exp(-np.arange(REACH + 1) / 5.0)


class Takers(NamedTuple):
    """The last takers of every item, a ring buffer each. N item slots, T takers."""

    learner: NDArray[np.int32]  # (N, T)
    at_ms: NDArray[np.int64]  # (N, T)
    total: NDArray[np.int32]  # (N,) events ever; the next one goes to place total mod T


class NeighbourScratch(NamedTuple):
    """Work space, zero between calls. U learner slots."""

    similarity: NDArray[np.float64]  # (U,)
    matched: NDArray[np.int32]  # (U,) item of the match
    touched: NDArray[np.int32]  # (QUERIES * T,)


def empty_takers(items: int, takers: int) -> Takers:
    """Return rings of ``takers`` takers for ``items`` items."""
    return Takers(np.zeros((items, takers), np.int32), np.zeros((items, takers), np.int64), np.zeros(items, np.int32))


@compiled
def count_taker(takers: Takers, learner: int, item: int, at_ms: int) -> None:
    """Remember that the learner took the item."""
    place = takers.total[item] % takers.learner.shape[1]
    takers.learner[item, place] = learner
    takers.at_ms[item, place] = at_ms
    takers.total[item] += 1


@compiled
def gather_neighbours(
    takers: Takers,
    norm: NDArray[np.float64],
    scratch: NeighbourScratch,
    learner: int,
    queries: NDArray[np.int32],
    query_count: int,
    at_ms: int,
) -> int:
    """Fill ``scratch`` with the similarity of every learner who took one of the queries; return how many."""
    similarity, matched, touched = scratch.similarity, scratch.matched, scratch.touched
    found = 0
    weight = 1.0
    for a in range(min(query_count, QUERIES)):
        item = queries[a]
        base = weight * norm[item, 2]
        who, when = takers.learner[item], takers.at_ms[item]
        for k in range(min(takers.total[item], who.shape[0])):
            other = who[k]
            if other == learner:
                continue
            if similarity[other] == 0.0:
                touched[found] = other
                matched[other] = item
                found += 1
            age_ms = max(0.0, float(at_ms - when[k]))
            similarity[other] += base * np.exp(-age_ms / FADE_MS)
        weight *= AGE
    return found


@compiled
def threshold_of_nearest(scratch: NeighbourScratch, found: int) -> float:
    """Return the similarity that the NEAREST-th most similar learner has (0 if there are fewer)."""
    if found <= NEAREST:
        return 0.0
    values = np.empty(found)
    for k in range(found):
        values[k] = scratch.similarity[scratch.touched[k]]
    return kth_largest(values, NEAREST)


@compiled
def match_place(histories: Histories, learner: int, item: int) -> int:
    """Return the newest place of the item on the learner's ring, -1 if it has left it."""
    ring = histories.ring_item[learner]
    for k in range(histories.ring_length[learner]):
        if ring[k] == item:
            return k
    return -1
