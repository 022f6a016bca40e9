"""Counts the log of record directly, by plain SQL: what every figure of analytics has to equal."""

from __future__ import annotations

from typing import Any

from projections.stores.postgres import Connection

LEARNER_DAYS = """
WITH visits AS (
    SELECT learner_key, min(occurred_at) AS started_at, max(occurred_at) AS ended_at FROM (
        SELECT learner_key, occurred_at, sum(opens) OVER (PARTITION BY learner_key ORDER BY occurred_at, opens DESC)
               AS visit
        FROM (SELECT learner_key, occurred_at, (lag(occurred_at) OVER each IS NULL
                     OR occurred_at - lag(occurred_at) OVER each > interval '30 minutes')::int AS opens
              FROM interaction_log WINDOW each AS (PARTITION BY learner_key ORDER BY occurred_at)) AS marked
    ) AS numbered GROUP BY learner_key, visit
), days AS (
    SELECT learner_key, (occurred_at AT TIME ZONE 'UTC')::date AS day, count(*) AS events,
           coalesce(sum(clicks::float8) FILTER (WHERE clicks <> 'NaN'), 0) AS clicks,
           count(*) FILTER (WHERE interaction_type = 3) AS completions,
           count(*) FILTER (WHERE completion_rate <> 'NaN') AS completion_rates,
           coalesce(sum(completion_rate::float8) FILTER (WHERE completion_rate <> 'NaN'), 0) AS completion_rate_sum,
           coalesce(sum(time_spent_seconds::float8) FILTER (WHERE time_spent_seconds <> 'NaN'), 0) AS time_spent_seconds
    FROM interaction_log WHERE consent & 2 <> 0 GROUP BY 1, 2
)
SELECT d.*, count(v.started_at), coalesce(sum(extract(epoch FROM v.ended_at - v.started_at) * 1000), 0)::bigint
FROM days d LEFT JOIN visits v ON v.learner_key = d.learner_key AND (v.started_at AT TIME ZONE 'UTC')::date = d.day
GROUP BY d.learner_key, d.day, d.events, d.clicks, d.completions, d.completion_rates, d.completion_rate_sum,
         d.time_spent_seconds
ORDER BY 1, 2
"""
KEPT_LEARNER_DAYS = """
SELECT learner_key, day, events, clicks, completions, completion_rates, completion_rate_sum, time_spent_seconds,
       sessions, session_ms FROM learner_day ORDER BY 1, 2
"""
DISTINCT = """
SELECT count(DISTINCT learner_key), count(DISTINCT learner_key) FILTER (WHERE interaction_type = 3) FROM interaction_log
WHERE consent & 2 <> 0 AND (occurred_at AT TIME ZONE 'UTC')::date BETWEEN %(first)s AND %(last)s
"""
NEWCOMERS = """
SELECT first, count(*) FROM (
    SELECT min((occurred_at AT TIME ZONE 'UTC')::date) AS first FROM interaction_log WHERE consent & 2 <> 0
    GROUP BY learner_key) AS l GROUP BY first ORDER BY first
"""
ACTIVITY = """
SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, content_type_key, interaction_type, count(*)
FROM interaction_log WHERE consent & 2 <> 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
WITNESSES = """
SELECT day, dimension, cell, (array_agg(learner_key ORDER BY learner_key))[1:5] FROM (
    SELECT DISTINCT (occurred_at AT TIME ZONE 'UTC')::date AS day, dimension, learner_key,
           CASE dimension WHEN 0 THEN content_type_key WHEN 1 THEN interaction_type
                ELSE extract(hour FROM occurred_at AT TIME ZONE 'UTC') END::int AS cell
    FROM interaction_log CROSS JOIN generate_series(0, 2) AS dimension WHERE consent & 2 <> 0) AS cells
GROUP BY day, dimension, cell ORDER BY 1, 2, 3
"""


def rows(connection: Connection, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return connection.execute(query, parameters).fetchall()
