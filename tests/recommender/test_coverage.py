"""The floor under coverage: popular items are damped until enough of the catalogue is shown, and no longer."""

from __future__ import annotations

import numpy as np
import pytest

from projections.recommender.coverage import FLOOR, PLACES, WINDOW, Coverage

ITEMS = 200


def lists(damping: float, count: int, draw: np.random.Generator) -> np.ndarray:
    """Lists of learners with tastes of their own, by score: a popularity that outweighs them, less the damping."""
    popularity = np.linspace(1.0, 0.0, ITEMS)
    score = draw.normal(scale=0.3, size=(count, ITEMS)) + (3.0 - damping) * popularity
    return np.argsort(-score, axis=1)[:, :PLACES].astype(np.int32)


def test_the_floor_holds_and_lets_go() -> None:
    """Undamped lists show a third of the items; steered ones the floor; when tastes spread out, damping falls again."""
    draw = np.random.default_rng(1)
    coverage = Coverage()
    counts = np.full(50, PLACES, np.int32)
    while coverage.lists < WINDOW:
        coverage.note(lists(0.0, 50, draw), counts)
    assert coverage.shown_items() < 0.5 * ITEMS
    for _ in range(400):
        coverage.steer(ITEMS)
        coverage.note(lists(coverage.damping, 50, draw), counts)
    assert coverage.shown_items() >= FLOOR * ITEMS - 5
    held = coverage.damping
    assert held > 0
    for _ in range(50):
        coverage.note(lists(3.0, 50, draw), counts)
        coverage.steer(ITEMS)
    assert coverage.damping < held


def test_popularity_bias_is_one_for_lists_that_show_what_is_taken() -> None:
    """Lists drawn as items are taken have a bias of 1; lists of hits more, of rarities less."""
    draw = np.random.default_rng(2)
    events = draw.integers(1, 1_000, ITEMS).astype(np.int32)
    counts = np.full(100, PLACES, np.int32)
    for weight, expected in ((1.0, 1.0), (2.0, 1.1), (0.0, 0.75)):
        share = events.astype(float) ** weight
        coverage = Coverage()
        for _ in range(30):
            coverage.note(draw.choice(ITEMS, (100, PLACES), p=share / share.sum()).astype(np.int32), counts, events)
        assert coverage.popularity_bias(events) == pytest.approx(expected, abs=0.06)
