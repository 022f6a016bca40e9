"""The folded state: the splitting law, growth, snapshots, forgetting, duplicates and what counts as taking an item."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommendation.tables import Capacity
from projections.recommender import snapshot_store
from projections.recommender.dedupe_window import DedupeWindow
from projections.recommender.learn_budget import LearnBudget
from projections.recommender.state import NOBODY, Batch, Shares, State
from schemas.interactions import InteractionType


def log(events: int = 600, learners: int = 40, items: int = 60, seed: int = 1) -> Batch:
    """Learners who walk through the items in jumps."""
    draw = np.random.default_rng(seed)
    learner = draw.integers(1, learners + 1, events)
    at_ms = np.cumsum(draw.integers(1_000, 900_000, events)) + 1_700_000_000_000
    return Batch(
        learner=learner,
        item=(learner * 3 + np.arange(events) // 9 + draw.integers(0, 4, events)) % items + 1,
        at_ms=at_ms,
        record_ms=at_ms + 500,
        type=draw.integers(0, 12, events).astype(np.int16),
        rating=np.where(draw.random(events) < 0.3, draw.integers(1, 6, events), np.nan).astype(np.float32),
        dedupe_key=draw.integers(1, 1 << 62, events),
    )


def cut(batch: Batch, start: int, end: int) -> Batch:
    """Some rows."""
    return Batch(*(column[start:end] for column in batch))


def folded(batch: Batch, cuts: list[int], capacity: Capacity | None = None, shares: Shares | None = None) -> State:
    """The state after folding the batch in pieces."""
    state = State(capacity)
    for start, end in zip([0, *cuts], [*cuts, len(batch.learner)], strict=True):
        state.fold(cut(batch, start, end), shares or Shares())
    return state


def comparable(state: State) -> dict[str, bytes]:
    """The arrays of a state; of the hash table of pairs only which there are, since its size follows the batches."""
    arrays = state.arrays()
    arrays["tables.histories.taken"] = np.sort(arrays["tables.histories.taken"][arrays["tables.histories.taken"] != 0])
    return {name: values.tobytes() for name, values in arrays.items()}


@pytest.mark.parametrize("cuts", [[1, 2, 3], [300], list(range(7, 600, 13))])
def test_any_split_gives_the_same_state(cuts: list[int]) -> None:
    """Tables, weights, network, evaluation and duplicates are the same bit for bit, however the log is cut."""
    batch = log()
    assert comparable(folded(batch, cuts)) == comparable(folded(batch, []))


def test_a_sampled_log_is_sampled_by_its_events() -> None:
    """Which events are learnt from does not depend on the batches, and all of them are counted."""
    batch, some = log(), Shares(learn=0.3, measure=0.5)
    sampled, whole = folded(batch, [100, 250], shares=some), folded(batch, [])
    assert comparable(sampled) == comparable(folded(batch, [411], shares=some))
    assert 0 < sampled.evaluation.mean[5] < whole.evaluation.mean[5]
    assert np.array_equal(sampled.tables.items.events, whole.tables.items.events)


def test_growth_changes_nothing() -> None:
    """Tables that had to grow hold what tables hold that were large from the start."""
    batch = log()
    small = folded(batch, [50, 90, 300], Capacity(items=2, learners=2, pairs=4))
    large = folded(batch, [50, 90, 300])
    known = len(small.items)
    assert np.array_equal(small.tables.items.events[:known], large.tables.items.events[:known])
    assert np.array_equal(small.tables.near.weights[:known], large.tables.near.weights[:known])
    assert np.array_equal(small.blend.weight, large.blend.weight)


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    """A state packed to chunks and read back folds the rest to the same bits as the original."""
    batch = log()
    state = folded(cut(batch, 0, 350), [120])
    copies = snapshot_store.copied(state.arrays())
    again = State.of_arrays(copies, state.step)
    state.fold(cut(batch, 350, 600))
    again.fold(cut(batch, 350, 600))
    assert comparable(again) == comparable(state)
    assert State().fits(state.arrays())


def test_unchanged_chunks_are_not_written_again() -> None:
    """After one event, a second snapshot writes a small part of what the first one wrote."""
    state = folded(cut(log(), 0, 500), [])
    first = snapshot_store.pack(state.arrays(), 1, {})
    assert len(first.bodies) == len(first.digests)
    assert not snapshot_store.pack(state.arrays(), 1, first.digests).bodies
    state.fold(cut(log(), 500, 501))
    second = snapshot_store.pack(state.arrays(), 2, first.digests)
    assert 0 < len(second.bodies) < len(first.bodies)


def test_a_repeated_event_counts_once() -> None:
    """The same event ids again change no table."""
    batch = log()
    state = folded(batch, [])
    before = comparable(state)
    again = state.fold(batch)
    assert again.duplicates == len(batch.learner)
    assert comparable(state) == before


def test_the_dedupe_window_forgets_the_oldest_generation_only() -> None:
    """With 32 places a generation holds 16 ids: the last 16 are always known, those 32 back are not."""
    window = DedupeWindow(32)
    keys = np.arange(1, 101, dtype=np.int64)
    assert window.unseen(keys).all()
    assert not window.unseen(keys[-16:]).any()
    assert window.unseen(keys[:60]).all()


def test_a_forgotten_learner_is_nowhere() -> None:
    """No array holds the learner's key or history, and nobody stands in the learner's place among an item's takers."""
    state = folded(log(), [])
    slot = state.learners.find(7)
    assert slot is not None
    state.forget(7)
    tables = state.tables
    assert state.learners.find(7) is None
    assert 7 not in state.learners.keys().tolist()
    assert not (tables.takers.learner == slot).any()
    assert not tables.histories.ring_length[slot]
    assert not ((tables.histories.taken >> 32) - 1 == slot).any()
    assert slot != NOBODY


def test_one_visit_counts_once() -> None:
    """START, PROGRESS and COMPLETE of one item within half an hour are one visit; after two hours it is another."""
    kinds = [InteractionType.START, InteractionType.PROGRESS, InteractionType.COMPLETE, InteractionType.VIEW]
    at_ms = np.array([0, 60_000, 600_000, 9_000_000], np.int64)
    batch = Batch(
        learner=np.ones(4, np.int64),
        item=np.full(4, 9, np.int64),
        at_ms=at_ms,
        record_ms=at_ms,
        type=np.array([kind.code for kind in kinds], np.int16),
        rating=np.full(4, np.nan, np.float32),
        dedupe_key=np.arange(1, 5),
    )
    assert State().fold(batch).counted == 2


def test_the_learning_share_keeps_to_its_time() -> None:
    """A small step is learnt from whole; a large one by a share that falls as learning costs more."""
    budget = LearnBudget(0.1)
    assert budget.share(10) == 1.0
    large = budget.share(10_000)
    assert large < 0.1
    budget.note(10_000, large, 10.0)
    assert budget.share(10_000) < large
    assert LearnBudget(float("inf")).share(10**9) == 1.0
