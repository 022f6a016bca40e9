"""Is the ring the newest interactions, newest first, in whatever order they came?"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from law_logs import LEARNERS, batched_logs, interactions

from models.columns import Interactions
from models.grouping import Groups
from models.recent import RING, Recent, empty, update

UNIVERSE = np.arange(1, LEARNERS + 1)


def folded(batches: list[Interactions], size: int = RING) -> Recent:
    """The rings of the five learners of the law logs."""
    state = empty(len(UNIVERSE))
    for batch in batches:
        state = update(state, Groups(UNIVERSE, batch.learner - 1), batch, size)
    return state


@settings(max_examples=200, deadline=None)
@given(logs=batched_logs(), size=st.integers(1, 8))
def test_the_ring_is_the_head_of_the_sorted_events(logs: tuple[Interactions, list[Interactions]], size: int) -> None:
    """Each learner's entries are his K largest by (time, dedupe key), with their own columns, descending."""
    log, batches = logs
    ring = folded(batches, size)
    for place, learner in enumerate(UNIVERSE.tolist()):
        own = log.take(log.learner == learner)
        kept = (own.at_ms, own.dedupe_key, own.item, own.content_type, own.type)
        rows = sorted(zip(*(column.tolist() for column in kept), strict=True), reverse=True)[:size]
        part = slice(ring.starts[place], ring.starts[place + 1])
        columns = (ring.at_ms, ring.dedupe_key, ring.item, ring.content_type, ring.type)
        assert list(zip(*(column[part].tolist() for column in columns), strict=True)) == rows


def test_a_second_delivery_changes_nothing() -> None:
    """The same events again are the same entries, not repeats."""
    log = interactions([(1, item, 0, item, 0, 0) for item in range(1, 7)])
    once, twice = folded([log]), folded([log, log.take(slice(2, 4)), log])
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_array_equal(one, other)


def test_at_most_fifty_are_kept() -> None:
    """The 51st oldest leaves the ring."""
    log = interactions([(1, 1 + n % 6, 0, n, 0, 0) for n in range(60)])
    ring = folded([log])
    assert ring.starts.tolist() == [0, 50, 50, 50, 50, 50]
    assert ring.at_ms.tolist() == log.at_ms[:9:-1].tolist()
