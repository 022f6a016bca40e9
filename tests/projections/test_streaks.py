"""Streaks in the product: zones, freezes and repairs through the recorder, read out as the API does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder_kit import OnePartition, event, users_of

from projections import streaks
from projections.identities import Identities
from projections.reads import streaks as reads
from schemas.read_models import Streak

PART = 2
USERS = iter(users_of(PART, 1_400))
NEW_YORK, AUCKLAND, LOS_ANGELES = "America/New_York", "Pacific/Auckland", "America/Los_Angeles"


class Product(OnePartition):
    """A recorder of one partition, fed with what a learner does."""

    def active(self, user: str, *times: str, zone: str | None = None) -> None:
        """Events at times of a zone's clock (else of UTC), a poll each; their own zone is stated if one is given."""
        for text in times:
            own = {} if zone is None else {"timezone": zone}
            at = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone or "UTC"))
            self.record([event(user, occurredAt=at.isoformat(), **own)])

    def command(self, kind: str, user: str, at: str, **fields: Any) -> int:
        """Carries a command out and returns its verdict."""
        return self.verdict(kind, user, at, **fields)[0]

    def streak(self, user: str, at: str) -> Streak | None:
        """What the API shows at a moment (of UTC)."""
        now_ms = int(dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC).timestamp() * 1000)
        answers = [self.connection.execute(*query).fetchall() for query in reads.queries(user)]
        return reads.streak_of(answers, now_ms)


@pytest.fixture(scope="module")
def product(module_database_url: str) -> Iterator[Product]:
    """One for the module; every test has a learner of its own."""
    made = Product(module_database_url, PART)
    yield made
    made.close()


@pytest.fixture
def user() -> str:
    """A learner that no other test knows."""
    return next(USERS)


def test_a_week_earns_a_freeze_that_holds_the_streak(product: Product, user: str) -> None:
    """Seven active days earn one freeze; it covers a missed day for good, and the next one is earned again."""
    product.active(user, *(f"2026-01-{day:02d}T10:00" for day in range(1, 7)))
    assert product.command("StreakFreezeTaken", user, "2026-01-06T12:00:00Z") == 409
    assert product.streak(user, "2026-01-06T12:00").days_to_next_freeze == 1
    product.active(user, "2026-01-07T10:00")
    assert product.command("StreakFreezeTaken", user, "2026-01-07T12:00:00Z") == 200
    assert product.command("StreakFreezeTaken", user, "2026-01-07T12:00:01Z") == 409
    product.active(user, "2026-01-09T10:00")
    shown = product.streak(user, "2026-01-09T12:00")
    assert (shown.current_days, shown.frozen_days, shown.freezes_held) == (8, (dt.date(2026, 1, 8),), 0)
    product.active(user, "2026-01-11T10:00")
    assert product.streak(user, "2026-01-11T12:00").current_days == 1


def test_no_more_than_two_freezes_are_held(product: Product, user: str) -> None:
    """Bought ones need no active days, and a third is refused."""
    product.active(user, "2026-01-01T10:00")
    taken = [product.command("StreakFreezeTaken", user, "2026-01-01T11:00:00Z", source="BOUGHT") for _ in range(3)]
    assert taken == [200, 200, 409]
    assert product.streak(user, "2026-01-04T01:00").current_days == 1
    assert product.streak(user, "2026-01-05T01:00").current_days == 0


def test_a_late_event_gives_a_spent_freeze_back(product: Product, user: str) -> None:
    """A freeze that was spent on a day is held again once an event of that day arrives."""
    product.active(user, "2026-01-01T10:00")
    product.command("StreakFreezeTaken", user, "2026-01-01T11:00:00Z", source="BOUGHT")
    product.active(user, "2026-01-03T10:00")
    assert product.streak(user, "2026-01-03T11:00").freezes_held == 0
    product.active(user, "2026-01-02T10:00")
    shown = product.streak(user, "2026-01-03T11:00")
    assert (shown.current_days, shown.freezes_held, shown.frozen_days) == (3, 1, ())


def test_a_repair_holds_and_is_possible_once_a_week(product: Product, user: str) -> None:
    """The missed day is offered, repaired, and stays so; the next repair has to wait a week."""
    product.active(user, "2026-01-01T10:00", "2026-01-02T10:00", "2026-01-04T10:00", "2026-01-06T10:00")
    offered = product.streak(user, "2026-01-04T11:00").repairable_days
    assert offered == (dt.date(2026, 1, 3),)
    assert product.command("StreakRepaired", user, "2026-01-04T11:00:00Z", missedDay="2026-01-03") == 200
    assert product.command("StreakRepaired", user, "2026-01-06T11:00:00Z", missedDay="2026-01-05") == 409
    shown = product.streak(user, "2026-01-04T12:00")
    assert (shown.current_days, shown.repaired_days) == (3, offered)
    assert product.command("StreakRepaired", user, "2026-01-20T11:00:00Z", missedDay="2026-01-05") == 409


def test_the_declared_zone_decides_when_a_day_ends(product: Product, user: str) -> None:
    """tome #344: 22:26 in New York belongs to that evening, and the streak stands until midnight there."""
    product.command("ProfileSet", user, "2026-01-01T00:00:00Z", timezone=NEW_YORK)
    product.active(user, "2026-01-06T03:26", "2026-01-07T03:26")
    assert product.streak(user, "2026-01-08T04:59").current_days == 2
    assert product.streak(user, "2026-01-08T05:01").current_days == 0


def test_the_day_begins_at_the_learners_hour(product: Product, user: str) -> None:
    """With a day that begins at four, half past one at night counts for the evening before."""
    product.command("ProfileSet", user, "2026-01-01T00:00:00Z", dayStartHour=4)
    product.active(user, "2026-01-05T12:00", "2026-01-07T01:30")
    shown = product.streak(user, "2026-01-07T03:59")
    assert (shown.current_days, shown.active_today) == (2, True)
    assert product.command("ProfileSet", user, "2026-01-07T09:00:00Z", dayStartHour=0) == 200
    product.active(user, "2026-01-08T12:00")
    assert product.streak(user, "2026-01-08T13:00").current_days == 3


@pytest.mark.parametrize("declares", [True, False])
def test_a_flight_over_the_date_line_breaks_nothing(product: Product, user: str, declares: bool) -> None:
    """The date that the flight skipped is passed over, whether the profile or the events say where the learner is."""
    product.command("ProfileSet", user, "2026-01-01T00:00:00Z", timezone=LOS_ANGELES)
    product.active(user, "2026-01-06T04:00", "2026-01-07T04:00")
    if declares:
        product.command("ProfileSet", user, "2026-01-07T17:00:00Z", timezone=AUCKLAND)
    product.active(user, "2026-01-08T20:00", zone=AUCKLAND)
    shown = product.streak(user, "2026-01-08T08:00")
    assert (shown.current_days, shown.passed_over_days) == (3, (dt.date(2026, 1, 7),))


def test_hopping_zones_makes_no_days(product: Product, user: str) -> None:
    """daily #1612: three local dates within one real hour count as two at most."""
    for zone, text in (("Etc/GMT+12", "05T22:30"), ("UTC", "06T10:30"), ("Pacific/Kiritimati", "07T00:30")):
        product.active(user, f"2026-01-{text}", zone=zone)
    assert product.streak(user, "2026-01-07T10:00").longest_days == 2


def test_an_erased_learner_leaves_no_trace(product: Product, user: str) -> None:
    """Zones, travels, freezes and covers go with the learner."""
    product.command("ProfileSet", user, "2026-01-01T00:00:00Z", timezone=NEW_YORK)
    product.active(user, "2026-01-01T10:00", zone="UTC")
    product.command("StreakFreezeTaken", user, "2026-01-01T11:00:00Z", source="BOUGHT")
    product.active(user, "2026-01-03T10:00")
    tables = ("learner_zone", "learner_travel", "streak_freeze", "streak_cover")
    key = Identities().learners(product.connection, [user])[0].key
    counts = "SELECT count(*) FROM {} WHERE learner_key = {}"
    assert all(product.connection.execute(counts.format(table, key)).fetchone()[0] for table in tables)
    product.command("EraseRequested", user, "2026-01-04T10:00:00Z")
    assert not any(product.connection.execute(counts.format(table, key)).fetchone()[0] for table in tables)


_moment = st.tuples(st.integers(0, 20 * 48), st.sampled_from([None, "UTC", NEW_YORK, AUCKLAND, LOS_ANGELES]))
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@settings(max_examples=200, deadline=None)
@given(moments=st.lists(_moment, min_size=1, max_size=12), data=st.data())
def test_any_permutation_duplication_and_split_gives_the_same_streak(
    product: Product, moments: list[tuple[int, str | None]], data: st.DataObject
) -> None:
    """A learner whose events come shuffled, repeated and in other polls has the streak of one served in order."""
    shuffled = data.draw(st.permutations(moments + data.draw(st.lists(st.sampled_from(moments), max_size=3))))
    cut = data.draw(st.integers(0, len(shuffled)))
    shown = []
    for polls in ([sorted(moments, key=lambda m: (m[0], str(m[1])))], [shuffled[:cut], shuffled[cut:]]):
        user = next(USERS)
        for values in polls:
            if values:
                product.record([_event(user, step, zone) for step, zone in values])
        shown.append(product.streak(user, "2026-01-22T00:00"))
    assert shown[0] == shown[1]


def _event(user: str, step: int, zone: str | None) -> dict[str, Any]:
    at = START + dt.timedelta(minutes=30 * step)
    own = {} if zone is None else {"timezone": zone}
    return event(user, f"{step}/{zone}", occurredAt=at.isoformat(), **own)


@settings(max_examples=100, deadline=None)
@given(days=st.lists(st.integers(2, 25), min_size=1, max_size=10), data=st.data())
def test_any_permutation_and_split_spends_the_same_freezes(
    product: Product, days: list[int], data: st.DataObject
) -> None:
    """Freezes are spent as if every day had come alone and in its order, however the days come."""
    shuffled = data.draw(st.permutations(days))
    cut = data.draw(st.integers(0, len(days)))
    spent = []
    for polls in ([[day] for day in sorted(days)], [shuffled[:cut], shuffled[cut:]]):
        user = next(USERS)
        active_first = data.draw(st.booleans())
        if active_first:
            product.active(user, "2026-01-01T10:00")
        for _ in range(2):
            product.command("StreakFreezeTaken", user, "2026-01-01T11:00:00Z", source="BOUGHT")
        for values in polls if active_first else [*polls, [1]]:
            if values:
                product.record([event(user, occurredAt=f"2026-01-{day:02d}T10:00:00Z") for day in values])
        key = Identities().learners(product.connection, [user])[0].key
        facts, _ = streaks.load(product.connection, key)
        spent.append((facts.freezes_spent, product.streak(user, "2026-01-27T00:00")))
    assert spent[0] == spent[1]
