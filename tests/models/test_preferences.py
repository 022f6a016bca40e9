"""How much does each interaction say for and against its item, and what do the read-outs make of it?"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from law_logs import interactions, logs

from models import preferences
from models.columns import Interactions
from models.decay import DAY_MS
from schemas.interactions import InteractionType

EXAMPLES = settings(max_examples=200, deadline=None)
NAN = float("nan")


def event(kind: InteractionType, completion: float = NAN, rating: float = NAN, sentiment: float = NAN) -> Interactions:
    """One interaction that states at most three measurements."""
    blank = interactions([(1, 1, kind.code, 0, 0, 0)])
    stated = {"completion_rate": completion, "rating": rating, "sentiment": sentiment}
    return dataclasses.replace(blank, **{name: np.array([value], np.float32) for name, value in stated.items()})


@pytest.mark.parametrize(
    ("log", "positive", "negative"),
    [
        (event(InteractionType.VIEW), 0.2, 0.0),
        (event(InteractionType.VIEW, completion=0.0), 0.1, 0.0),
        (event(InteractionType.VIEW, completion=1.0), 0.3, 0.0),
        (event(InteractionType.COMPLETE), 1.0, 0.0),
        (event(InteractionType.COMPLETE, completion=1.0, rating=5.0), 2.5, 0.0),
        (event(InteractionType.COMPLETE, rating=1.0), 1.0, 1.0),  # finished, and found bad
        (event(InteractionType.RATE, rating=3.0), 0.0, 0.0),
        (event(InteractionType.RATE, rating=4.0), 0.5, 0.0),
        (event(InteractionType.RATE, rating=2.0), 0.0, 0.5),
        (event(InteractionType.DISLIKE), 0.0, 1.0),
        (event(InteractionType.SKIP, completion=1.0), 0.0, 0.5),
        (event(InteractionType.CLICK, sentiment=-0.5), 0.2, 0.25),
        (event(InteractionType.CLICK, sentiment=1.0), 0.7, 0.0),
    ],
)
def test_weights_of_some_events(log: Interactions, positive: float, negative: float) -> None:
    """Hand-made interactions, and how much they say for and against their item."""
    p, q = preferences.event_weights(log)
    np.testing.assert_allclose((p[0], q[0]), (positive, negative), atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "completion", "finishes"),
    [
        (InteractionType.COMPLETE, NAN, True),
        (InteractionType.COMPLETE, 0.2, True),
        (InteractionType.PROGRESS, 1.0, True),
        (InteractionType.PROGRESS, 0.99, False),
        (InteractionType.VIEW, NAN, False),
    ],
)
def test_what_finishes_an_item(kind: InteractionType, completion: float, finishes: bool) -> None:
    """An item is finished by a COMPLETE, or by any interaction that states all of it."""
    assert preferences.finishes(event(kind, completion)).tolist() == [finishes]


@EXAMPLES
@given(log=logs())
def test_the_sums_are_those_of_the_plain_formula(log: Interactions) -> None:
    """Read at any time, the kept sums are Σ w 2^(−(t − tᵢ)/H) over the events of learners who agreed."""
    state = preferences.of(log)
    at_ms = int(log.at_ms.max(initial=0)) + 3 * DAY_MS
    p, q = preferences.event_weights(log)
    age = np.exp2(-(at_ms - log.at_ms) / preferences.HALF_LIFE_MS)
    agreed = (log.consent & 1) != 0
    assert set(zip(state.learner.tolist(), state.item.tolist(), strict=True)) == {
        pair for pair, yes in zip(zip(log.learner.tolist(), log.item.tolist(), strict=True), agreed, strict=True) if yes
    }
    for row, (learner, item) in enumerate(zip(state.learner, state.item, strict=True)):
        mine = (log.learner == learner) & (log.item == item) & agreed
        for kept, weights in ((state.log_positive, p), (state.log_negative, q)):
            total = preferences.weights_at(kept[row : row + 1], at_ms)[0]
            np.testing.assert_allclose(total, (weights * age)[mine].sum(), rtol=1e-9, atol=1e-300)
        assert state.events[row] == mine.sum()
        assert state.completions[row] == preferences.finishes(log)[mine].sum()
        assert state.last_at_ms[row] == log.at_ms[mine].max()


def test_without_consent_nothing_is_kept() -> None:
    """A learner who agreed to analytics but not to personalisation leaves no row."""
    log = dataclasses.replace(interactions([(1, 1, 5, 0, 0, 0)]), consent=np.array([2], np.int32))
    assert len(preferences.of(log).learner) == 0


def test_topic_weights_of_some_items() -> None:
    """Hand-made items: shares between topics, aversion below zero, little evidence near zero, strongest first."""
    topics = [["algebra", "graphs"], ["algebra"], ["essays"], ["chess"], []]
    positive = np.array([2.0, 3.0, 0.0, 0.1, 9.0])
    negative = np.array([0.0, 0.0, 2.0, 0.0, 0.0])
    expected = [("algebra", 0.8), ("essays", -0.4), ("graphs", 0.2), ("chess", 0.02)]
    found = preferences.topic_vector(topics, positive, negative)
    assert [name for name, _ in found] == [name for name, _ in expected]
    np.testing.assert_allclose([weight for _, weight in found], [weight for _, weight in expected])
    assert preferences.topic_vector(topics, positive, negative, limit=1) == found[:1]
    assert preferences.topic_vector([], np.empty(0), np.empty(0)) == []


def test_a_later_catalogue_entry_heals_earlier_interactions() -> None:
    """The same kept sums are read with whatever topics the catalogue gives the item now."""
    state = preferences.of(event(InteractionType.LIKE))
    weights = preferences.weights_at(state.log_positive, 1_711_843_200_000), np.zeros(1)
    assert preferences.topic_vector([[]], *weights) == []
    assert preferences.topic_vector([["algebra"]], *weights) == [("algebra", 0.5)]


@EXAMPLES
@given(log=logs())
def test_topic_weights_stay_between_minus_one_and_one(log: Interactions) -> None:
    """No log brings a topic's weight out of [−1, 1]."""
    state = preferences.of(log)
    at_ms = int(log.at_ms.max(initial=0))
    topics = [[f"t{item % 3}", f"u{item % 2}"] for item in state.item.tolist()]
    positive, negative = (preferences.weights_at(kept, at_ms) for kept in (state.log_positive, state.log_negative))
    assert all(-1 <= weight <= 1 for _, weight in preferences.topic_vector(topics, positive, negative))
