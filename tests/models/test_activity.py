"""Does the hourly roll-up hold the sums of its hour, content type and interaction type, and nothing of anyone else?"""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from law_logs import interactions, logs

from models import activity, engagement
from models.columns import Interactions
from models.decay import HOUR_MS

EXAMPLES = settings(max_examples=200, deadline=None)


@EXAMPLES
@given(log=logs())
def test_every_cell_is_the_sum_of_its_events(log: Interactions) -> None:
    """Counts and sums of each hour (UTC), content type and interaction type equal those of a plain selection."""
    state = activity.of(log)
    agreed = (log.consent & 2) != 0
    scores = engagement.event_shares(engagement.event_terms(log)).sum(axis=0)
    assert state.events.sum() == agreed.sum()
    assert len(set(zip(state.hour, state.content_type, state.interaction_type, strict=True))) == len(state.hour)
    for row in range(len(state.hour)):
        mine = (log.at_ms // HOUR_MS == state.hour[row]) & (log.content_type == state.content_type[row])
        mine &= (log.type == state.interaction_type[row]) & agreed
        assert state.events[row] == mine.sum() > 0
        assert state.clicks[row] == np.nansum(log.clicks[mine])
        assert state.completions[row] == (log.type[mine] == 3).sum()
        np.testing.assert_allclose(state.time_spent_seconds[row], np.nansum(log.time_spent_seconds[mine], dtype=float))
        np.testing.assert_allclose(state.score_sum[row], scores[mine].sum(), rtol=1e-9)


def test_an_hour_ends_where_the_next_begins() -> None:
    """A millisecond before the hour and the hour itself are two rows."""
    log = interactions([(1, 3, 0, 60, -1, 0), (1, 3, 0, 60, 0, 0)])
    assert (np.diff(activity.of(log).hour) == 1).all()
    assert activity.of(log).events.tolist() == [1, 1]


def test_without_consent_nothing_is_counted() -> None:
    """A learner who did not agree to analytics is in no sum."""
    log = dataclasses.replace(interactions([(1, 1, 0, 0, 0, 0)]), consent=np.array([1], np.int32))
    assert len(activity.of(log).hour) == 0
