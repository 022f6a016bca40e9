"""May the daily job and the follower of the log sum the same days at the same time?"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from projections import activity_summaries
from projections.stores.postgres import Connection, connect

MONDAY = dt.date(2026, 5, 4)
WAITING_SECONDS = 20

Summing = Callable[[Connection, dt.date, dt.date], int]


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """A database with two hours of activity on one Monday, of which no day and no week was summed yet."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute(
            "INSERT INTO hourly_activity (hour, content_type_key, interaction_type, events, clicks, completions,"
            " time_spent_seconds, score_sum) SELECT %s::date::timestamp AT TIME ZONE 'UTC' + make_interval(hours => n),"
            " 1, 0, 3, 2, 1, 60, 1.5 FROM generate_series(8, 9) AS n",
            (MONDAY,),
        )
        yield opened


@pytest.mark.parametrize(
    ("table", "job", "of_follower"),
    [
        ("daily_activity", activity_summaries.sum_days, activity_summaries.sum_activity_days),
        ("weekly_activity", activity_summaries.sum_weeks, activity_summaries.sum_activity_weeks),
    ],
)
def test_two_who_sum_the_same_span_take_turns(
    connection: Connection, module_database_url: str, table: str, job: Summing, of_follower: Summing
) -> None:
    """At a first start neither finds rows to delete: both would insert the same ones, and the second would fail."""
    with ThreadPoolExecutor(1) as pool, connect(module_database_url) as second:
        with connection.transaction():
            of_follower(connection, MONDAY, MONDAY)
            later = pool.submit(job, second, MONDAY, MONDAY)
            wait_until_blocked(connection, second.info.backend_pid)
        assert later.result(WAITING_SECONDS) > 0
        second.commit()
    assert connection.execute(f"SELECT events, clicks, completions FROM {table}").fetchall() == [(6, 4, 2)]


def wait_until_blocked(connection: Connection, process: int) -> None:
    """Returns as soon as the server process waits for somebody's lock."""
    deadline = time.monotonic() + WAITING_SECONDS
    while connection.execute("SELECT cardinality(pg_blocking_pids(%s))", (process,)).fetchone() == (0,):
        assert time.monotonic() < deadline, "nobody waits: the spans are summed side by side"
        time.sleep(0.01)
