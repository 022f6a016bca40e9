"""Is popularity the fading weighted count it claims to be, for every half-life?"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from law_logs import interactions, logs

from models import preferences, trending
from models.columns import Interactions
from models.decay import DAY_MS, HOUR_MS

EXAMPLES = settings(max_examples=200, deadline=None)


@EXAMPLES
@given(log=logs())
def test_the_sums_are_those_of_the_plain_formula(log: Interactions) -> None:
    """In each window the kept sums are Σ w 2^(−(t − tᵢ)/H) over the events of learners who agreed."""
    state = trending.of(log)
    at_ms = int(log.at_ms.max(initial=0)) + HOUR_MS
    weights = preferences.event_weights(log)[0]
    agreed = (log.consent & 2) != 0
    assert state.item.tolist() == sorted(set(log.item[agreed].tolist()))
    for row, item in enumerate(state.item):
        mine = (log.item == item) & agreed
        assert state.events[row] == mine.sum()
        assert state.last_at_ms[row] == log.at_ms[mine].max()
        for place, (window, half_life_ms) in enumerate(trending.HALF_LIFE_MS.items()):
            # In logarithms: a count of the short window fades below the smallest float within weeks.
            exponent = -(at_ms - log.at_ms[mine]) / half_life_ms * np.log(2)
            with np.errstate(divide="ignore"):
                expected = np.logaddexp.reduce(np.log(weights[mine]) + exponent, initial=-np.inf)
                found = np.log(trending.popularity_at(state.log_sums[place][row : row + 1], at_ms, window)[0])
            if expected > -700:
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
            else:
                assert found < -690


def test_half_lives_halve() -> None:
    """One LIKE counts 1 when it happens and a half after the half-life of each window."""
    log = interactions([(1, 1, 5, 0, 0, 0)])
    state, at_ms = trending.of(log), int(log.at_ms[0])
    for place, (window, half_life_ms) in enumerate({"1h": HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS}.items()):
        for age_ms, expected in ((0, 1.0), (half_life_ms, 0.5), (2 * half_life_ms, 0.25)):
            found = trending.popularity_at(state.log_sums[place], at_ms + age_ms, window)
            np.testing.assert_allclose(found, [expected], rtol=1e-9)


def test_ranks_need_no_reading_time() -> None:
    """Many old views beat one new like over a week but not within the hour, whenever the ranks are read."""
    old = [(1, 1, 0, minute, 0, 0) for minute in range(20)]
    state = trending.of(interactions([*old, (2, 2, 5, 1440, 0, 0)]))
    ahead = [int(np.argmax(sums)) for sums in state.log_sums]
    assert [state.item[place] for place in ahead] == [2, 1, 1]


def test_dislikes_and_skips_count_as_events_but_not_as_popularity() -> None:
    """An item that was only skipped and disliked has two events and an empty sum."""
    state = trending.of(interactions([(1, 1, 6, 0, 0, 0), (1, 1, 11, 1, 0, 0)]))
    assert state.events.tolist() == [2]
    assert np.isneginf(state.log_sums).all()


def test_without_consent_nothing_is_counted() -> None:
    """A learner who agreed to personalisation but not to analytics moves no item."""
    log = dataclasses.replace(interactions([(1, 1, 5, 0, 0, 0)]), consent=np.array([1], np.int32))
    assert len(trending.of(log).item) == 0


@pytest.mark.parametrize(
    ("log_sums", "expected"),
    [([], []), ([-np.inf], [0.0]), ([5000.0, 5000.0 - np.log(4), -np.inf], [1.0, 0.25, 0.0])],
)
def test_relative_popularity(log_sums: list[float], expected: list[float]) -> None:
    """Hand-made sums, and their share of the largest."""
    np.testing.assert_allclose(trending.relative(np.array(log_sums)), expected, rtol=1e-12)
