"""Are the behaviour counts those of counting one by one?"""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
from hypothesis import given, settings
from law_logs import interactions, logs

from models.behaviour import Behaviour, empty, update
from models.columns import Interactions
from models.grouping import Groups, group
from schemas.interactions import InteractionType

LEARNERS = np.arange(1, 6)


def folded(log: Interactions) -> Behaviour:
    """The state of the five learners of the law logs."""
    return update(empty(len(LEARNERS)), Groups(LEARNERS, log.learner - 1), log)


@settings(max_examples=200, deadline=None)
@given(log=logs())
def test_every_count_and_sum_is_that_of_the_learners_own_events(log: Interactions) -> None:
    """Counts by type, hour and weekday are exact, and the sums are those of the stated values."""
    state = folded(log)
    for place, learner in enumerate(LEARNERS.tolist()):
        own = log.take(log.learner == learner)
        days = [dt.date(1970, 1, 1) + dt.timedelta(days=int(day)) for day in own.local_day]
        assert state.events[place] == len(own)
        assert Counter(own.type.tolist()) == Counter(dict(enumerate(state.type_counts[place].tolist())))
        assert Counter(own.local_hour.tolist()) == Counter(dict(enumerate(state.hour_counts[place].tolist())))
        weekdays = Counter(day.weekday() for day in days)
        assert weekdays == Counter(dict(enumerate(state.weekday_counts[place].tolist())))
        assert state.completions[place] == np.sum(own.type == InteractionType.COMPLETE.code)
        assert state.completion_rates[place] == np.sum(~np.isnan(own.completion_rate))
        np.testing.assert_allclose(state.completion_rate_sum[place], np.nansum(own.completion_rate, dtype=np.float64))
        np.testing.assert_allclose(state.time_spent_seconds[place], np.nansum(own.time_spent_seconds, dtype=np.float64))
        if len(own):
            assert (state.first_at_ms[place], state.last_at_ms[place]) == (own.at_ms.min(), own.at_ms.max())


def test_pace_counts_only_events_with_both_times() -> None:
    """Time spent without a known duration, and a duration without time spent, leave the pace alone."""
    one = interactions([(1, 1, 0, 0, 0, 0)])
    spent, expected = np.float32(90), np.float32(60)
    nothing = np.float32(np.nan)
    batch = Interactions.concatenate(
        [
            with_times(one, spent, expected),
            with_times(one, spent, nothing),
            with_times(one, nothing, expected),
            with_times(one, spent, np.float32(0)),
        ]
    )
    state = update(empty(1), group(batch.learner), batch)
    assert (state.paced_spent_seconds[0], state.paced_expected_seconds[0]) == (90.0, 60.0)
    assert state.time_spent_seconds[0] == 270.0


def with_times(one: Interactions, spent: np.float32, expected: np.float32) -> Interactions:
    """The same event with other times."""
    columns = {name: getattr(one, name) for name in one.__dataclass_fields__}
    columns |= {"time_spent_seconds": np.array([spent]), "expected_seconds": np.array([expected])}
    return Interactions(**columns)
