"""Which runs are due?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.jobs.schedule import Cadence, due_keys, first_day, key_of

DAILY = Cadence(period="day", delay=timedelta(hours=2), most_missed=5)
WEEKLY = Cadence(period="week", delay=timedelta(hours=2), most_missed=3)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


def test_a_day_is_due_when_it_has_ended_and_the_delay_is_over() -> None:
    """At 01:59 the day before yesterday is the newest, at 02:00 yesterday is."""
    assert due_keys(DAILY, datetime(2026, 5, 3, 1, 59, tzinfo=UTC), None) == ["2026-05-01"]
    assert due_keys(DAILY, datetime(2026, 5, 3, 2, 0, tzinfo=UTC), None) == ["2026-05-02"]


def test_missed_days_are_due_in_order_up_to_the_limit() -> None:
    """After a pause of three days all three are due; after a long one only the newest five."""
    now = datetime(2026, 5, 10, 3, tzinfo=UTC)
    assert due_keys(DAILY, now, "2026-05-06") == ["2026-05-07", "2026-05-08", "2026-05-09"]
    assert due_keys(DAILY, now, "2026-01-01") == [f"2026-05-0{n}" for n in range(5, 10)]
    assert due_keys(DAILY, now, "2026-05-09") == []
    assert due_keys(DAILY, now, "2026-06-01") == []


def test_a_week_is_due_on_monday_and_named_by_iso() -> None:
    """The week that holds new year's day of 2027 is the 53rd of 2026."""
    assert due_keys(WEEKLY, datetime(2027, 1, 4, 2, tzinfo=UTC), None) == ["2026-W53"]
    assert due_keys(WEEKLY, datetime(2027, 1, 4, 1, tzinfo=UTC), None) == ["2026-W52"]
    assert first_day("2026-W53") == date(2026, 12, 28)


@given(now=moments, later=st.timedeltas(timedelta(0), timedelta(days=4)), cadence=st.sampled_from([DAILY, WEEKLY]))
def test_looking_twice_schedules_every_period_once(now: datetime, later: timedelta, cadence: Cadence) -> None:
    """What a second look finds lies behind what the first one found, without a gap, and keys sort by time."""
    first = due_keys(cadence, now, None)
    second = due_keys(cadence, now + later, first[-1])
    keys = first + second
    assert keys == sorted(set(keys))
    days = [first_day(key) for key in keys]
    step = timedelta(days=1 if cadence.period == "day" else 7)
    assert all(b - a == step for a, b in pairwise(days))
    assert all(key_of(cadence.period, day) == key for key, day in zip(keys, days, strict=True))


def test_a_run_by_hand_is_for_the_period_before_the_slash() -> None:
    """What stands behind the slash only tells runs apart."""
    assert first_day("2026-05-02/2026-05-03T10:00:00.000+00:00") == date(2026, 5, 2)
