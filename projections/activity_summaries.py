"""How busy were days and weeks, and how many learners took part?  Tables ``daily_activity``, ``weekly_activity`` and
``active_learners``, written by daily jobs from ``hourly_activity`` and ``active_dates``.

A span of periods is written anew as a whole, so that a run can be repeated and late events are caught up.  Only
learners who consent to analytics are counted; rows name no one.
"""

from __future__ import annotations

from datetime import date
from typing import LiteralString

from projections.locks import SUMMARIES_LOCK
from projections.stores.postgres import Connection

EARLIEST: LiteralString = "SELECT (min(hour) AT TIME ZONE 'UTC')::date FROM hourly_activity"
ANY_SUMMED: LiteralString = """
SELECT CASE %(period)s WHEN 'day' THEN EXISTS (SELECT FROM daily_activity)
                       ELSE EXISTS (SELECT FROM weekly_activity) END
"""
LOCK_SUMMARIES: LiteralString = "SELECT pg_advisory_xact_lock(%(lock)s)"
DELETE_DAYS: LiteralString = "DELETE FROM daily_activity WHERE day BETWEEN %(first)s AND %(last)s"
SUM_DAYS: LiteralString = """
INSERT INTO daily_activity (day, content_type_key, interaction_type, events, clicks, completions, time_spent_seconds,
                            score_sum)
SELECT (hour AT TIME ZONE 'UTC')::date AS day, content_type_key, interaction_type, sum(events), sum(clicks),
       sum(completions), sum(time_spent_seconds), sum(score_sum)
FROM hourly_activity
WHERE hour >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
  AND hour < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY day, content_type_key, interaction_type
"""
DELETE_WEEKS: LiteralString = "DELETE FROM weekly_activity WHERE week BETWEEN %(first)s AND %(last)s"
SUM_WEEKS: LiteralString = """
INSERT INTO weekly_activity (week, content_type_key, interaction_type, events, clicks, completions, time_spent_seconds,
                             score_sum)
SELECT date_trunc('week', hour AT TIME ZONE 'UTC')::date AS week, content_type_key, interaction_type, sum(events),
       sum(clicks), sum(completions), sum(time_spent_seconds), sum(score_sum)
FROM hourly_activity
WHERE hour >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
  AND hour < (%(last)s::date + 7)::timestamp AT TIME ZONE 'UTC'
GROUP BY week, content_type_key, interaction_type
"""
# Days are numbers since 1970-01-01; a learner's first day is the lower end of the set.
COUNT_LEARNERS: LiteralString = """
INSERT INTO active_learners AS old (period, first_day, active, newcomers, came_back)
SELECT %(period)s, p.first_day, count(*) FILTER (WHERE a.days && p.span),
       count(*) FILTER (WHERE lower(a.days) <@ p.span),
       count(*) FILTER (WHERE a.days && p.span AND a.days && p.span_before)
FROM (
    SELECT day::date AS first_day,
           int4range(day::date - '1970-01-01'::date, day::date - '1970-01-01'::date + %(length)s) AS span,
           int4range(day::date - '1970-01-01'::date - %(length)s, day::date - '1970-01-01'::date) AS span_before
    FROM generate_series(%(first)s::date::timestamp, %(last)s::date::timestamp,
                         make_interval(days => %(length)s)) AS day
) AS p
LEFT JOIN (active_dates AS a JOIN learners AS l ON l.learner_key = a.learner_key AND l.consent & 2 <> 0)
     ON a.days && p.span
GROUP BY p.first_day
ON CONFLICT (period, first_day) DO UPDATE SET
    active = excluded.active, newcomers = excluded.newcomers, came_back = excluded.came_back
"""


def earliest_day(connection: Connection) -> date | None:
    """The first UTC day on which there was activity."""
    row = connection.execute(EARLIEST).fetchone()
    return row[0] if row else None


def any_summed(connection: Connection, period: str) -> bool:
    """Whether a day, or a week, was ever summed."""
    return connection.execute(ANY_SUMMED, {"period": period}).fetchone() == (True,)


def sum_days(connection: Connection, first: date, last: date) -> int:
    """Writes the days from ``first`` to ``last`` anew, inside the caller's transaction; returns the rows written."""
    span = {"first": first, "last": last, "period": "day", "length": 1}
    return sum_activity_days(connection, first, last) + connection.execute(COUNT_LEARNERS, span).rowcount


def sum_activity_days(connection: Connection, first: date, last: date) -> int:
    """The same without the counts of learners."""
    span = {"first": first, "last": last}
    connection.execute(LOCK_SUMMARIES, {"lock": SUMMARIES_LOCK})
    connection.execute(DELETE_DAYS, span)
    return connection.execute(SUM_DAYS, span).rowcount


def sum_weeks(connection: Connection, first: date, last: date) -> int:
    """Writes the weeks that begin on the Mondays ``first`` to ``last`` anew; otherwise as `sum_days`."""
    span = {"first": first, "last": last, "period": "week", "length": 7}
    return sum_activity_weeks(connection, first, last) + connection.execute(COUNT_LEARNERS, span).rowcount


def sum_activity_weeks(connection: Connection, first: date, last: date) -> int:
    """The same without the counts of learners."""
    span = {"first": first, "last": last}
    connection.execute(LOCK_SUMMARIES, {"lock": SUMMARIES_LOCK})
    connection.execute(DELETE_WEEKS, span)
    return connection.execute(SUM_WEEKS, span).rowcount
