"""How is the first tick kept from waiting for the compiler?  Every kernel is made ready before Kafka is asked.

Compiling takes half a minute on a slow machine and blocks all threads: a consumer would miss its heartbeats.  The
result is cached on disk, so that this is felt once after an installation.
"""

from __future__ import annotations

import numpy as np

from models.learner.attempts import attempts
from models.learner.fold import fold
from models.learner.learners import Learners
from models.learner.shared import Shared
from models.recommendation.tables import Capacity
from projections.recommender.list_kernel import empty_ranked, rank_into, taken_of
from projections.recommender.state import Batch, State

_EVENTS = 24


def warm_up() -> None:
    """Folds a few invented events and ranks, with every kernel that a tick uses."""
    state = State(Capacity(items=16, learners=8, pairs=64))
    state.item_slots(np.arange(1, 13, dtype=np.int64))
    rows = np.arange(_EVENTS)
    state.fold(
        Batch(
            learner=rows % 4 + 1,
            item=rows * 5 % 12 + 1,
            at_ms=rows * 60_000,
            record_ms=rows * 60_000,
            type=np.zeros(_EVENTS, np.int16),
            rating=np.full(_EVENTS, np.nan, np.float32),
            dedupe_key=rows + 1,
        )
    )
    slots = np.arange(1, 5, dtype=np.int32)
    ranked = empty_ranked(len(slots))
    at_ms = np.full(len(slots), _EVENTS * 60_000, np.int64)
    admitted = state.admitted()
    rank_into(ranked, state.work, state.tables, state.blend, state.reranker, admitted, slots, at_ms, 0.0)
    taken_of(state.tables, 1, slots)
    state.forget(1)
    fold(Shared(), Learners(), attempts([1], [0], [1], [0, 1], [0]))
