"""Do the daily jobs sum, count and tidy what they say?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from projections import job_runs
from projections.housekeeping import tidy
from projections.stores.postgres import Connection, connect
from streams.jobs.catalogue import JOBS
from streams.jobs.runner import carry_out
from streams.jobs.settings import JobSettings

DAY = date(2026, 5, 6)  # a Wednesday


@pytest.fixture
def database(job_settings: JobSettings) -> Iterator[Connection]:
    """A connection to the test's database."""
    with connect(job_settings.database_url, autocommit=True) as connection:
        yield connection


def add_hours(connection: Connection, *hours: datetime, events: int = 2) -> None:
    """Adds activity to hours."""
    for hour in hours:
        connection.execute(
            "INSERT INTO hourly_activity VALUES (%s, 1, 0, %s, 1, 0, 60, .5) ON CONFLICT (hour, content_type_key,"
            " interaction_type) DO UPDATE SET events = hourly_activity.events + excluded.events",
            (hour, events),
        )


def add_learner(connection: Connection, days: list[date], consent: int = 3) -> None:
    """Adds a learner who was active on these days."""
    connection.execute(
        "WITH l AS (INSERT INTO learners (user_id, consent) VALUES (gen_random_uuid()::text, %s) RETURNING learner_key)"
        " INSERT INTO active_dates SELECT learner_key,"
        " (SELECT range_agg(int4range(d - '1970-01-01'::date, d - '1970-01-01'::date, '[]'))"
        "  FROM unnest(%s::date[]) d), 1 FROM l",
        (consent, days),
    )


def run(settings: JobSettings, connection: Connection, job: str, run_key: str) -> None:
    """Carries out one run."""
    job_runs.register(connection, job, "analytics", [run_key])
    assert carry_out(JOBS[job], run_key, settings) == "done"


def days(connection: Connection) -> list[tuple[date, int]]:
    """(day, events) as summed."""
    return connection.execute("SELECT day, events FROM daily_activity ORDER BY day").fetchall()


def at(day: date, hour: int) -> datetime:
    """An hour of a UTC day."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def test_days_are_summed_and_late_events_reach_the_week_before(job_settings: JobSettings, database: Connection) -> None:
    """The first run sums all there is; the next one sums again what came late, and doubles nothing."""
    long_ago, before = DAY - timedelta(days=100), DAY - timedelta(days=3)
    add_hours(database, at(long_ago, 5), at(before, 0), at(before, 23), at(DAY, 12), at(DAY + timedelta(days=1), 0))
    run(job_settings, database, "daily-activity", DAY.isoformat())
    assert days(database) == [(long_ago, 2), (before, 4), (DAY, 2)]
    add_hours(database, at(before, 23), at(long_ago, 5), events=10)
    run(job_settings, database, "daily-activity", (DAY + timedelta(days=1)).isoformat())
    assert days(database) == [(long_ago, 2), (before, 14), (DAY, 2), (DAY + timedelta(days=1), 2)]
    run(job_settings, database, "daily-activity", f"{DAY + timedelta(days=1)}/by hand")
    assert days(database)[0] == (long_ago, 12)


def test_weeks_go_from_monday_to_sunday(job_settings: JobSettings, database: Connection) -> None:
    """Sunday's last hour belongs to its week, Monday's first to the next."""
    monday = date(2026, 5, 4)
    add_hours(database, at(monday, 0), at(monday + timedelta(days=6), 23), at(monday + timedelta(days=7), 0))
    run(job_settings, database, "weekly-activity", "2026-W19")
    assert database.execute("SELECT week, events FROM weekly_activity").fetchall() == [(monday, 4)]


def test_learners_are_counted_by_their_own_calendar(job_settings: JobSettings, database: Connection) -> None:
    """Active, new and returning learners; those without consent to analytics are left out."""
    yesterday = DAY - timedelta(days=1)
    add_learner(database, [yesterday, DAY])
    add_learner(database, [DAY])
    add_learner(database, [yesterday])
    add_learner(database, [DAY], consent=1)
    run(job_settings, database, "daily-activity", DAY.isoformat())
    found = "SELECT active, newcomers, came_back FROM active_learners WHERE period = %s AND first_day = %s"
    assert database.execute(found, ("day", DAY)).fetchall() == [(2, 1, 1)]
    assert database.execute(found, ("day", yesterday)).fetchall() == [(2, 2, 0)]
    run(job_settings, database, "weekly-activity", "2026-W19")
    assert database.execute(found, ("week", date(2026, 5, 4))).fetchall() == [(3, 3, 0)]
    shown = database.execute("SELECT active FROM reporting.active_learners").fetchall()
    assert set(shown) == {(None,)}  # fewer than five


def test_housekeeping_deletes_what_is_old_enough(job_settings: JobSettings, database: Connection) -> None:
    """Verdicts after 7 days; the last scheduled run of a job stays, so that missed days are known."""
    database.execute(
        "INSERT INTO command_result (command_id, learner_key, status, created_at) VALUES"
        " ('old', 1, 200, now() - interval '8 days'), ('new', 1, 200, now() - interval '6 days')"
    )
    job_runs.register(database, "daily-activity", "analytics", ["2025-01-01", "2025-01-02"])
    database.execute("UPDATE job_runs SET state = 'done', finished_at = now() - interval '100 days'")
    assert tidy(database, datetime.now(UTC)) == 2
    assert database.execute("SELECT command_id FROM command_result").fetchall() == [("new",)]
    assert job_runs.newest_key(database, "daily-activity") == "2025-01-02"
