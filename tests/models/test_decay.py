"""Is a forward-decayed sum in log space the faded sum that its formula says?"""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import decay
from models.decay import DAY_MS, HOUR_MS, LANDMARK_MS, decayed_at, log_add, log_decay, log_weight

NOW_MS = 1_790_000_000_000
half_lives = st.sampled_from([HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS])
events = st.lists(st.tuples(st.floats(1e-6, 1.0), st.integers(0, 5 * DAY_MS)), min_size=1, max_size=30)


@given(events=events, half_life_ms=half_lives)
def test_the_kept_sum_read_out_is_the_sum_of_the_faded_weights(
    events: list[tuple[float, int]], half_life_ms: int
) -> None:
    """Adding log-weights one by one and reading at a time equals Σ w 2^(−age/H) within 1e-9, even for H = 1 h."""
    kept = np.array([-np.inf])
    for weight, age_ms in events:
        kept = log_add(kept, log_weight(np.array([weight]), np.array([NOW_MS - age_ms]), half_life_ms))
    expected = sum(weight * 2.0 ** (-age_ms / half_life_ms) for weight, age_ms in events)
    assert decayed_at(kept, NOW_MS, half_life_ms)[0] == pytest.approx(expected, rel=1e-9)


def test_a_weight_of_nothing_is_the_empty_sum() -> None:
    """ln 0 is −inf without a warning, adding it changes nothing, and it reads as 0."""
    nothing = log_weight(np.array([0.0]), np.array([NOW_MS]), DAY_MS)
    assert nothing[0] == -np.inf
    assert log_add(nothing, nothing)[0] == -np.inf
    assert log_add(nothing, np.array([1.5]))[0] == 1.5
    assert decayed_at(nothing, NOW_MS, DAY_MS)[0] == 0.0


def test_the_landmark_itself_has_log_decay_zero() -> None:
    """One half-life behind the landmark a unit weighs two."""
    assert log_decay(np.array([LANDMARK_MS]), DAY_MS)[0] == 0.0
    assert np.exp(log_decay(np.array([LANDMARK_MS + DAY_MS]), DAY_MS))[0] == pytest.approx(2.0)


def test_a_century_apart_stays_finite() -> None:
    """A sum of events in 1990 and 2090 keeps the younger one and does not overflow, at a half-life of one hour."""
    old, new = (log_weight(np.array([1.0]), np.array([at]), HOUR_MS) for at in (631_152_000_000, 3_786_912_000_000))
    assert np.isfinite(log_add(old, new))[0]
    assert decayed_at(log_add(old, new), 3_786_912_000_000, HOUR_MS)[0] == pytest.approx(1.0, rel=1e-8)


def test_the_example_in_the_documentation_runs() -> None:
    """The doctest of `decayed_at` gives what it shows."""
    result = doctest.testmod(decay)
    assert (result.attempted > 0, result.failed) == (True, 0)
