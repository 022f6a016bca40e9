"""Is the memory state the published FSRS-6?  The `fsrs` library decides, on random review logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from fsrs import Card, Rating, Scheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner.fsrs import DAY_MS, Memories, due_ms, interval_days, rating_of, replayed, retrievability, reviewed

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
GAP_MS = st.one_of(st.integers(0, DAY_MS), st.integers(0, 40 * DAY_MS), st.integers(0, 900 * DAY_MS))
REVIEWS = st.lists(st.tuples(st.integers(1, 4), GAP_MS), min_size=1, max_size=25)


def by_library(log):
    """The library's card after each review of a log of (rating, milliseconds since the last)."""
    scheduler = Scheduler(enable_fuzzing=False, learning_steps=(), relearning_steps=())
    card, at, cards = Card(), START, []
    for rating, gap in log:
        at += timedelta(milliseconds=gap)
        card, _ = scheduler.review_card(card, Rating(rating), at)
        cards.append(card)
    return scheduler, cards


@settings(max_examples=500, deadline=None)
@given(REVIEWS, st.integers(0, 400 * DAY_MS))
def test_equals_the_library_on_random_review_logs(log, later):
    """Stability, difficulty, recall and due time equal the library's to 1e-9 after every review."""
    scheduler, cards = by_library(log)
    memory, at = Memories.new(1), START_MS
    for (rating, gap), card in zip(log, cards, strict=True):
        at += gap
        memory = reviewed(memory, [rating], [at])
        assert memory.stability_days[0] == pytest.approx(card.stability, rel=1e-9)
        assert memory.difficulty[0] == pytest.approx(card.difficulty, rel=1e-9)
        assert memory.last_review_ms[0] == at
        assert due_ms(memory)[0] == round(card.due.timestamp() * 1000)
    moment = datetime.fromtimestamp((at + later) / 1000, UTC)
    expected = scheduler.get_card_retrievability(cards[-1], moment)
    assert retrievability(memory, [at + later])[0] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(REVIEWS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_mixed_log_equals_each_thing_alone(logs, random):
    """Replaying an interleaved log of many things gives each the state that its own reviews give."""
    rows = []
    for thing, log in enumerate(logs):
        at = START_MS
        for rating, gap in log:
            at += gap
            rows.append((at, thing, rating))
    order = sorted(rows, key=lambda row: row[0])
    mixed = replayed(
        Memories.new(len(logs)), *(np.array(column) for column in zip(*((t, r, a) for a, t, r in order), strict=True))
    )
    for thing, log in enumerate(logs):
        card = by_library(log)[1][-1]
        assert mixed.stability_days[thing] == pytest.approx(card.stability, rel=1e-9)
        assert mixed.difficulty[thing] == pytest.approx(card.difficulty, rel=1e-9)


def test_success_lengthens_and_failure_shortens():
    """Good after ten days lengthens the interval, Again shortens it."""
    once = reviewed(Memories.new(2), rating_of([1, 1]), [START_MS] * 2)
    twice = reviewed(once, rating_of([1, 0]), [START_MS + 10 * DAY_MS] * 2)
    good, again = interval_days(twice.stability_days)
    assert again < interval_days(once.stability_days)[0] < good


def test_a_late_review_never_moves_time_back():
    """A review that arrives after a newer one leaves the newest review time in place."""
    memory = reviewed(Memories.new(1), [3], [START_MS])
    late = reviewed(memory, [3], [START_MS - 5 * DAY_MS])
    assert late.last_review_ms[0] == START_MS


def test_what_was_never_reviewed_is_neither_recalled_nor_due():
    """A new thing has recall 0 and no due time."""
    assert retrievability(Memories.new(1), [START_MS]).tolist() == [0.0]
    assert due_ms(Memories.new(1)).tolist() == [0]


def test_an_unknown_rating_is_refused():
    """Ratings are 1 to 4."""
    with pytest.raises(ValueError, match="rating must be"):
        reviewed(Memories.new(1), [5], [START_MS])
