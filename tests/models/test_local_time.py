"""Are local days and hours those of the IANA database, at every moment and in every zone?"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.local_time import local_days_and_hours

ZONES = sorted(available_timezones() - {"localtime"})
EPOCH = dt.date(1970, 1, 1)
YEAR_1990_MS, YEAR_2090_MS = 631_152_000_000, 3_786_912_000_000


def ms(*moment: int) -> int:
    """Unix milliseconds of a moment in UTC."""
    return int(dt.datetime(*moment, tzinfo=dt.UTC).timestamp() * 1000)


@settings(max_examples=200, deadline=None)
@given(
    moments=st.lists(
        st.tuples(st.integers(YEAR_1990_MS, YEAR_2090_MS), st.integers(0, len(ZONES) - 1)), min_size=1, max_size=8
    )
)
def test_many_moments_in_many_zones_agree_with_asking_each(moments: list[tuple[int, int]]) -> None:
    """Day and hour of each moment are those of `datetime` in that zone."""
    at_ms, zone = (np.array([moment[place] for moment in moments], np.int64) for place in (0, 1))
    day, hour = local_days_and_hours(at_ms, zone, ZONES)
    clocks = [dt.datetime.fromtimestamp(at // 1000, ZoneInfo(ZONES[place])) for at, place in moments]
    assert hour.tolist() == [clock.hour for clock in clocks]
    assert day.tolist() == [(clock.date() - EPOCH).days for clock in clocks]


def test_summer_time_begins_and_ends_to_the_second() -> None:
    """In Berlin 01:59:59.999 is followed by 03:00 in March 2024, and 02:59:59.999 by 02:00 in October."""
    at_ms = np.array([ms(2024, 3, 31, 1) - 1, ms(2024, 3, 31, 1), ms(2024, 10, 27, 1) - 1, ms(2024, 10, 27, 1)])
    _, hour = local_days_and_hours(at_ms, np.zeros(4, np.int64), ["Europe/Berlin"])
    assert hour.tolist() == [1, 3, 2, 2]


def test_a_day_can_start_at_four_in_the_morning() -> None:
    """With day start 4, 03:59 belongs to the day before and 04:00 to the day itself; the hour stays the clock's."""
    at_ms = np.array([ms(2024, 5, 2, 3, 59), ms(2024, 5, 2, 4)])
    day, hour = local_days_and_hours(at_ms, np.zeros(2, np.int64), ["UTC"], day_start_hour=4)
    assert (day[1] - day[0], hour.tolist()) == (1, [3, 4])


def test_samoa_skipped_a_whole_day() -> None:
    """Apia went from 29 to 31 December 2011 within a second."""
    at_ms = np.array([ms(2011, 12, 30, 10) - 1000, ms(2011, 12, 30, 10)])
    day, _ = local_days_and_hours(at_ms, np.zeros(2, np.int64), ["Pacific/Apia"])
    assert [EPOCH + dt.timedelta(days=int(one)) for one in day] == [dt.date(2011, 12, 29), dt.date(2011, 12, 31)]


def test_no_moments_are_no_days() -> None:
    """An empty column gives empty columns."""
    day, hour = local_days_and_hours(np.empty(0, np.int64), np.empty(0, np.int64), ["Europe/Berlin"])
    assert (len(day), len(hour)) == (0, 0)


def test_an_unknown_zone_is_named_with_the_fix() -> None:
    """The error names the field, the value and an example."""
    with pytest.raises(ValueError, match=r"timezone: 'Mars/Olympus'.*Europe/Berlin"):
        local_days_and_hours(np.array([0]), np.array([0]), ["Mars/Olympus"])


def test_a_day_start_must_be_an_hour() -> None:
    """24 is no hour of a day."""
    with pytest.raises(ValueError, match="day_start_hour: 24"):
        local_days_and_hours(np.array([0]), np.array([0]), ["UTC"], day_start_hour=24)
