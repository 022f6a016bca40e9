"""Are streaks fair?  Each complaint of real learners about other products as a test, and the laws of the state."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner.streaks import (
    DAY_MS,
    HOUR_MS,
    StreakFacts,
    activity,
    day_bounds_ms,
    freezes_to_spend,
    local_day,
    refusal_of_freeze,
    refusal_of_repair,
    streak_at,
    zone_at,
)

NEW_YORK, LONDON, TOKYO, AUCKLAND = "America/New_York", "Europe/London", "Asia/Tokyo", "Pacific/Auckland"


def ms(zone, text):
    """Unix milliseconds of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def active(zone, *times, start=0):
    return reduce(StreakFacts.merged, (activity(ms(zone, text), zone, start) for text in times), StreakFacts())


def moved(*changes):
    return StreakFacts(zones=frozenset((at, zone, 0) for at, zone in changes))


def today(zone, text, start=0):
    return local_day(ms(zone, text), zone, start)


def test_an_evening_in_new_york_counts_for_that_evening():
    """neetcode #5987, tome #344: 22:26 in New York is the next day in UTC, and still the learner's own day."""
    facts = active(NEW_YORK, "2026-01-05T22:26", "2026-01-06T22:26", "2026-01-07T22:26")
    shown = streak_at(facts, today(NEW_YORK, "2026-01-07T23:59"))
    assert (shown.current_days, shown.active_today) == (3, True)


def test_the_streak_is_not_zero_before_the_day_is_over():
    """tome #344: after UTC midnight the streak still stands, because the learner's day has hours left."""
    facts = active(NEW_YORK, "2026-01-05T12:00", "2026-01-06T12:00")
    assert streak_at(facts, today(NEW_YORK, "2026-01-07T22:26")).current_days == 2
    assert streak_at(facts, today(NEW_YORK, "2026-01-08T00:01")).current_days == 0


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "America/Los_Angeles", "America/St_Johns", "Pacific/Kiritimati"])
def test_every_zone_agrees_on_state_and_icon(zone):
    """daily #1543, #1439, #1676: in zones far from UTC the number and today's mark come from the same day."""
    facts = active(zone, "2026-03-01T00:05", "2026-03-02T23:55")
    shown = streak_at(facts, today(zone, "2026-03-02T23:59"))
    assert (shown.current_days, shown.active_today) == (2, True)
    next_day = streak_at(facts, today(zone, "2026-03-03T00:01"))
    assert (next_day.current_days, next_day.active_today) == (2, False)


def test_a_restored_streak_stays_restored():
    """daily #1464: a repaired day is a fact, so no later evaluation loses the streak again."""
    facts = active(LONDON, "2026-01-01T10:00", "2026-01-02T10:00", "2026-01-04T10:00")
    missed, repair_day = today(LONDON, "2026-01-03T10:00"), today(LONDON, "2026-01-04T11:00")
    assert streak_at(facts, repair_day).current_days == 1
    assert refusal_of_repair(facts, missed, repair_day) is None
    facts = facts.merged(StreakFacts(repairs=frozenset({(missed, repair_day)})))
    for later in ("2026-01-04T12:00", "2026-01-05T09:00", "2026-01-05T23:59"):
        shown = streak_at(facts, today(LONDON, later))
        assert (shown.current_days, shown.repaired_days) == (3, (missed,))


def test_an_event_that_arrives_late_is_counted():
    """daily #1538, #1619: an event that arrives days later, or after others, fills its own day."""
    late = active(LONDON, "2026-01-02T10:00")
    facts = active(LONDON, "2026-01-01T10:00", "2026-01-03T10:00")
    assert streak_at(facts, today(LONDON, "2026-01-03T12:00")).current_days == 1
    assert streak_at(facts.merged(late), today(LONDON, "2026-01-03T12:00")).current_days == 3


def test_a_change_of_zone_moves_no_day_of_the_past():
    """daily #1612: days stay where they were when the learner was there; a later change re-dates nothing."""
    facts = active(TOKYO, "2026-01-05T08:00", "2026-01-06T08:00")
    changed = facts.merged(moved((0, TOKYO), (ms(NEW_YORK, "2026-01-06T07:00"), NEW_YORK)))
    assert changed.active == facts.active


def test_hopping_zones_makes_no_days():
    """daily #1612: three local dates touched within one real hour count as two at most."""
    at = ms("UTC", "2026-01-06T10:30")
    zones = ["Etc/GMT+12", "UTC", "Pacific/Kiritimati"]
    facts = reduce(StreakFacts.merged, (activity(at + n, zone) for n, zone in enumerate(zones)))
    assert len(facts.active) == 3
    assert streak_at(facts, max(facts.active)).current_days == 2


def test_hopping_zones_holds_a_streak_for_two_dates_only():
    """Changing the zone every day protects no one who stays away."""
    start = ms("UTC", "2026-01-06T10:00")
    hops = moved(*((start + n * DAY_MS, "UTC" if n % 2 else "Asia/Tokyo") for n in range(9)))
    facts = activity(start, "UTC").merged(hops)
    assert streak_at(facts, local_day(start + 6 * DAY_MS, "UTC")).current_days == 0


def test_flying_from_asia_to_america_keeps_the_streak():
    """OpenPrep-AI #1176: going west repeats a date; daily activity stays a streak without a gap or a double count."""
    landing = ms("America/Los_Angeles", "2026-01-07T10:00")
    facts = active(TOKYO, "2026-01-06T21:00", "2026-01-07T21:00").merged(
        moved((0, TOKYO), (landing, "America/Los_Angeles"))
    )
    facts = facts.merged(active("America/Los_Angeles", "2026-01-07T20:00", "2026-01-08T20:00"))
    shown = streak_at(facts, today("America/Los_Angeles", "2026-01-08T21:00"))
    assert (shown.current_days, shown.active_today) == (3, True)


def test_flying_from_america_to_new_zealand_keeps_the_streak():
    """Going east skips a date that nobody could live whole: it is passed over and costs no freeze."""
    home = "America/Los_Angeles"
    landing = ms(AUCKLAND, "2026-01-08T06:00")
    facts = active(home, "2026-01-05T20:00", "2026-01-06T20:00").merged(moved((0, home), (landing, AUCKLAND)))
    facts = facts.merged(StreakFacts(freezes_granted=frozenset({"a"}))).merged(active(AUCKLAND, "2026-01-08T20:00"))
    shown = streak_at(facts, today(AUCKLAND, "2026-01-08T21:00"))
    assert (shown.current_days, shown.freezes_held) == (3, 1)
    assert shown.passed_over_days == (today(AUCKLAND, "2026-01-07T12:00"),)


def test_a_date_that_the_calendar_skipped_breaks_nothing():
    """Samoa had no 30 December 2011."""
    zone = "Pacific/Apia"
    facts = active(zone, "2011-12-28T09:00", "2011-12-29T09:00", "2011-12-31T21:00").merged(moved((0, zone)))
    assert streak_at(facts, today(zone, "2011-12-31T22:00")).current_days == 3


def test_summer_time_moves_no_day():
    """habitica #3433: with a numeric offset, events near midnight land on the wrong day after the clock change."""
    times = [f"2026-03-{day:02d}T23:50" for day in range(27, 32)] + [f"2026-04-{day:02d}T00:10" for day in range(1, 4)]
    facts = active("Europe/Berlin", *times)
    assert streak_at(facts, today("Europe/Berlin", "2026-04-03T09:00")).current_days == 8


def test_the_zone_of_the_event_counts_and_not_that_of_the_account():
    """Duolingo's forum: the cut-off is the learner's place then, not where the account was created."""
    history = [(0, NEW_YORK, 0), (ms(TOKYO, "2026-01-10T00:00"), TOKYO, 0)]
    assert zone_at(history, ms(NEW_YORK, "2026-01-05T22:00")) == NEW_YORK
    at = ms(TOKYO, "2026-01-11T01:00")
    assert local_day(at, zone_at(history, at)) == today(TOKYO, "2026-01-11T12:00")


def test_the_day_can_start_at_the_learners_hour():
    """habitica: with a day that starts at 4, half past one at night still belongs to the evening before."""
    facts = active(LONDON, "2026-01-05T12:00", "2026-01-07T01:30", start=4)
    assert streak_at(facts, today(LONDON, "2026-01-07T03:59", start=4)).current_days == 2
    assert len(active(LONDON, "2026-01-05T12:00", "2026-01-07T01:30").active) == 2
    assert (
        streak_at(
            active(LONDON, "2026-01-05T12:00", "2026-01-07T01:30"), today(LONDON, "2026-01-07T03:00")
        ).current_days
        == 1
    )


def test_a_freeze_is_spent_on_a_missed_day_and_given_back_by_a_late_event():
    """A held freeze covers a missed day; when an event of that day arrives late, the freeze is held again."""
    facts = active(LONDON, "2026-01-01T10:00", "2026-01-02T10:00").merged(
        StreakFacts(freezes_granted=frozenset({"bought"}))
    )
    missed, now = today(LONDON, "2026-01-03T10:00"), today(LONDON, "2026-01-04T10:00")
    shown = streak_at(facts, now)
    assert (shown.current_days, shown.frozen_days, shown.freezes_held) == (2, (missed,), 0)
    assert freezes_to_spend(facts, now) == (missed,)
    spent = facts.merged(StreakFacts(freezes_spent=frozenset({missed})))
    assert freezes_to_spend(spent, now) == ()
    healed = spent.merged(active(LONDON, "2026-01-03T10:00"))
    assert (streak_at(healed, now).current_days, streak_at(healed, now).freezes_held) == (3, 1)


def test_a_freeze_is_never_wasted_on_a_lost_streak():
    """Two missed days and one freeze: the streak ends and the freeze stays."""
    facts = active(LONDON, "2026-01-01T10:00").merged(StreakFacts(freezes_granted=frozenset({"a"})))
    shown = streak_at(facts, today(LONDON, "2026-01-04T10:00"))
    assert (shown.current_days, shown.freezes_held) == (0, 1)


def test_a_freeze_covers_a_day_whether_or_not_anything_ran_on_it():
    """Someone who returns after a missed day keeps the streak even if no evaluation happened in between."""
    facts = active(LONDON, "2026-01-01T10:00", "2026-01-02T10:00", "2026-01-04T10:00").merged(
        StreakFacts(freezes_granted=frozenset({"a"}))
    )
    shown = streak_at(facts, today(LONDON, "2026-01-04T11:00"))
    assert (shown.current_days, shown.longest_days, shown.freezes_held) == (3, 3, 0)


def test_a_freeze_spent_is_gone():
    """A freeze logged for one missed day does not cover another one later."""
    facts = active(LONDON, "2026-01-01T10:00", "2026-01-03T10:00").merged(
        StreakFacts(freezes_granted=frozenset({"a"}), freezes_spent=frozenset({today(LONDON, "2026-01-02T10:00")}))
    )
    assert streak_at(facts, today(LONDON, "2026-01-04T11:00")).current_days == 2
    assert streak_at(facts, today(LONDON, "2026-01-05T11:00")).current_days == 0


def test_two_freezes_cover_a_weekend_and_no_third_is_granted():
    """Two held freezes cover two days; a third is refused while two are held."""
    facts = active(LONDON, "2026-01-01T10:00").merged(StreakFacts(freezes_granted=frozenset({"a", "b"})))
    assert refusal_of_freeze(facts) is not None
    assert refusal_of_freeze(StreakFacts(freezes_granted=frozenset({"a"}))) is None
    assert streak_at(facts, today(LONDON, "2026-01-04T10:00")).current_days == 1


def test_repairs_are_few_and_timely():
    """A repair is refused for an active day, a day long past, and within seven days of the last one."""
    facts = active(LONDON, "2026-01-01T10:00", "2026-01-09T10:00")
    first = today(LONDON, "2026-01-01T10:00")
    assert "nothing to repair" in str(refusal_of_repair(facts, first, first + 1))
    assert "last 3 days" in str(refusal_of_repair(facts, first + 1, first + 5))
    again = facts.merged(StreakFacts(repairs=frozenset({(first + 1, first + 3)})))
    assert "the next in 2" in str(refusal_of_repair(again, first + 7, first + 8))
    assert refusal_of_repair(again, first + 7, first + 10) is None


def test_an_unknown_zone_is_refused():
    """A zone that is not in the IANA database is named."""
    with pytest.raises(ValueError, match="Mars/Olympus"):
        local_day(0, "Mars/Olympus")


START = ms("UTC", "2026-01-01T00:00")
ZONES = st.sampled_from(["UTC", NEW_YORK, LONDON, TOKYO, AUCKLAND, "Pacific/Honolulu", "Pacific/Kiritimati"])
FACT = st.one_of(
    st.builds(lambda at, zone: activity(START + at, zone), st.integers(0, 30 * DAY_MS), ZONES),
    st.builds(lambda at, zone: moved((START + at, zone)), st.integers(0, 30 * DAY_MS), ZONES),
    st.builds(lambda n: StreakFacts(freezes_granted=frozenset({str(n)})), st.integers(0, 3)),
    st.builds(lambda day: StreakFacts(freezes_spent=frozenset({20454 + day})), st.integers(0, 30)),
    st.builds(lambda day: StreakFacts(repairs=frozenset({(20454 + day, 20455 + day)})), st.integers(0, 30)),
)
LAST = 20454 + 31


@settings(max_examples=400, deadline=None)
@given(st.lists(FACT, max_size=25), st.data())
def test_any_permutation_duplication_and_split_gives_the_same_streak(facts, data):
    """Facts in any order, repeated, or merged batch by batch give the same state and the same streak."""
    once = reduce(StreakFacts.merged, facts, StreakFacts())
    shuffled = data.draw(
        st.permutations(facts + data.draw(st.lists(st.sampled_from(facts), max_size=5)) if facts else facts)
    )
    cut = data.draw(st.integers(0, len(shuffled)))
    halves = [reduce(StreakFacts.merged, part, StreakFacts()) for part in (shuffled[:cut], shuffled[cut:])]
    other = halves[0].merged(halves[1])
    assert once == other
    assert list(once.active) == list(other.active)
    assert streak_at(once, LAST) == streak_at(other, LAST)


NEAR = st.builds(lambda at, zone: activity(START + at, zone), st.integers(20 * DAY_MS, 30 * DAY_MS), ZONES)


@settings(max_examples=1000, deadline=None)
@given(st.lists(NEAR | FACT, max_size=25), st.integers(15 * DAY_MS, 30 * DAY_MS), ZONES, st.integers(25, 31))
def test_another_active_moment_never_shortens_a_streak(facts, at, zone, day):
    """More activity, however late it arrives, makes neither the current nor the longest streak shorter."""
    before = reduce(StreakFacts.merged, facts, StreakFacts())
    after = before.merged(activity(START + at, zone))
    one, other = streak_at(before, 20454 + day), streak_at(after, 20454 + day)
    assert other.current_days >= one.current_days
    assert other.longest_days >= one.longest_days


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 23 * HOUR_MS), ZONES), min_size=1, max_size=30))
def test_no_travel_breaks_the_streak_of_someone_active_every_23_hours(steps):
    """Whoever is active at least every 23 hours keeps the streak, wherever they go."""
    at, facts, zone = START, StreakFacts(), "UTC"
    facts = facts.merged(moved((0, zone)))
    for gap, next_zone in steps:
        facts = facts.merged(activity(at, zone))
        assert streak_at(facts, local_day(at, zone)).current_days > 0
        at += gap
        if next_zone != zone:
            zone = next_zone
            facts = facts.merged(moved((at, zone)))
    first = min(facts.active)
    covered = streak_at(facts, local_day(at, zone)).current_days
    assert covered >= min(len(facts.active), (at - START) // DAY_MS) - 1 or first == max(facts.active)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 3000), ZONES, st.integers(0, 23))
def test_a_day_contains_exactly_its_own_moments(day, zone, start):
    """The first and last moment of a local day are on it, the moments around it are not."""
    first, end = day_bounds_ms(18_000 + day, zone, start)
    if first < end:
        assert [local_day(at, zone, start) - 18_000 - day for at in (first, end - 1, end)] == [0, 0, 1]
        assert timedelta(hours=22) < timedelta(milliseconds=end - first) < timedelta(hours=26)
