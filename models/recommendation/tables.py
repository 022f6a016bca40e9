"""What does the recommender remember? All item tables and learner histories as one tuple of arrays.

A table is owned by the module of its source; this one only gathers them, counts an event in all of them and lets them
grow. Everything here is plain arrays: a snapshot is the arrays, a restore is the arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.recommendation.bounded_rows import Rows, empty_rows
from models.recommendation.catalogue_order import (
    SESSION_MS,
    Steps,
    class_of,
    count_step,
    empty_steps,
    step_to,
)
from models.recommendation.co_occurrence import CHANNELS, count_near
from models.recommendation.compiled import compiled
from models.recommendation.histories import Histories, empty_histories, has_taken, remember
from models.recommendation.item_item import count_far
from models.recommendation.popularity import Popularity, count_popularity, empty_popularity
from models.recommendation.session_neighbours import Takers, count_taker, empty_takers

NORMS = 6  # (n+3)^-.75, (n+5)^-.15, (n+1)^-.5, (n+5)^-.5, 1/(n+1), 1/(n+2)


class Items(NamedTuple):
    """What is known of every item slot by itself. N slots, in catalogue order."""

    events: NDArray[np.int32]  # (N,) counted
    first_ms: NDArray[np.int64]  # (N,)
    last_ms: NDArray[np.int64]  # (N,)
    norm: NDArray[np.float64]  # (N, NORMS) powers of the count, kept so that scoring needs none
    known: NDArray[np.int64]  # (1,) items with at least one event


class Tables(NamedTuple):
    """The whole counted state."""

    items: Items
    near: Rows
    far: Rows
    content: Rows
    ease: Rows
    ridge: Rows
    popularity: Popularity
    steps: Steps
    takers: Takers
    histories: Histories


class Capacity(NamedTuple):
    """Sizes of the state. Rows are bounded, so memory is at most linear in the slots."""

    items: int = 1024
    learners: int = 1024
    pairs: int = 4096
    near_row: int = 200
    far_row: int = 400
    content_row: int = 200
    ease_row: int = 200
    ridge_row: int = 100
    takers: int = 200


def empty_tables(capacity: Capacity) -> Tables:
    """Return tables without events."""
    n = capacity.items
    items = Items(
        np.zeros(n, np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros((n, NORMS)),
        np.zeros(1, np.int64),
    )
    return Tables(
        items,
        empty_rows(n, capacity.near_row, CHANNELS),
        empty_rows(n, capacity.far_row, 1),
        empty_rows(n, capacity.content_row, 1),
        empty_rows(n, capacity.ease_row, 1),
        empty_rows(n, capacity.ridge_row, 1),
        empty_popularity(n),
        empty_steps(),
        empty_takers(n, capacity.takers),
        empty_histories(capacity.learners, capacity.pairs),
    )


@compiled
def _count_item(items: Items, item: int, at_ms: int) -> None:
    if items.events[item] == 0:
        items.first_ms[item] = at_ms
        items.known[0] += 1
    items.first_ms[item] = min(items.first_ms[item], at_ms)
    items.last_ms[item] = max(items.last_ms[item], at_ms)
    items.events[item] += 1
    n = float(items.events[item])
    norm = items.norm[item]
    norm[0] = (n + 3.0) ** -0.75
    norm[1] = (n + 5.0) ** -0.15
    norm[2] = (n + 1.0) ** -0.5
    norm[3] = (n + 5.0) ** -0.5
    norm[4] = 1.0 / (n + 1.0)
    norm[5] = 1.0 / (n + 2.0)


@compiled
def _count_event(tables: Tables, learner: int, item: int, at_ms: int) -> None:
    """Count one event in every table. Cost: about 120 row updates for a learner with a full ring."""
    histories, steps = tables.histories, tables.steps
    length = histories.ring_length[learner]
    ring = histories.ring_item[learner]
    step_class = 0
    if length > 0:
        gap_ms = at_ms - histories.ring_at_ms[learner, 0]
        steps.pairs[0] += 1
        if gap_ms == 0:
            steps.pairs[1] += 1
        last = ring[0] + 0
        if last != item:
            step = step_to(tables.items.events, histories, learner, last, item)
            if not has_taken(histories, learner, item):
                count_step(steps, 1 if gap_ms <= SESSION_MS else 0, histories.step_class[learner], step)
            step_class = class_of(step)
    count_near(tables.near, ring, length, item)
    count_far(tables.far, ring, length, item)
    _count_item(tables.items, item, at_ms)
    count_popularity(tables.popularity, item, at_ms)
    count_taker(tables.takers, learner, item, at_ms)
    remember(histories, learner, item, at_ms, step_class)


@compiled
def count_events(tables: Tables, learner: NDArray[np.int64], item: NDArray[np.int64], at_ms: NDArray[np.int64]) -> None:
    """Count n events in order."""
    for row in range(learner.shape[0]):
        _count_event(tables, learner[row], item[row], at_ms[row])


__all__ = ["Capacity", "Items", "Tables", "count_events", "empty_tables"]
