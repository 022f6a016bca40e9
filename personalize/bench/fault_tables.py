"""What do the tables hold?  The read models with platform ids in place of surrogates, to compare with the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import psycopg

from personalize.bench.fault_folds import Rows

Database = psycopg.Connection[tuple[Any, ...]]

# Of each table: how many leading columns are its key, the names of the rest, and the rows.
TABLES: Final[dict[str, tuple[int, tuple[str, ...], LiteralString]]] = {
    "interaction_log": (
        1,
        ("learner", "item", "at_ms", "local_day"),
        """
SELECT dedupe_key, user_id, content_id, round(extract(epoch FROM occurred_at) * 1000)::bigint, local_day
FROM interaction_log JOIN learners USING (learner_key) JOIN content USING (item_key)
""",
    ),
    "engagement": (
        1,
        (
            "events",
            "log_type",
            "log_completion",
            "log_time",
            "log_scroll",
            "log_clicks",
            "log_rating",
            "log_sentiment",
            "last_at",
        ),
        """
SELECT user_id, events, log_type, log_completion, log_time, log_scroll, log_clicks, log_rating, log_sentiment,
       round(extract(epoch FROM last_at) * 1000)::bigint
FROM engagement JOIN learners USING (learner_key)
""",
    ),
    "behaviour": (
        1,
        (
            "events",
            "type_counts",
            "hour_counts",
            "weekday_counts",
            "completions",
            "completion_rates",
            "completion_rate_sum",
            "time_spent_seconds",
            "paced_spent_seconds",
            "paced_expected_seconds",
            "first_at",
            "last_at",
        ),
        """
SELECT user_id, events, type_counts, hour_counts, weekday_counts, completions, completion_rates, completion_rate_sum,
       time_spent_seconds, paced_spent_seconds, paced_expected_seconds,
       round(extract(epoch FROM first_at) * 1000)::bigint, round(extract(epoch FROM last_at) * 1000)::bigint
FROM behaviour JOIN learners USING (learner_key)
""",
    ),
    "learner_session": (
        2,
        ("ended_at", "events", "clicks", "completions", "time_spent_seconds"),
        """
SELECT user_id, round(extract(epoch FROM started_at) * 1000)::bigint,
       round(extract(epoch FROM ended_at) * 1000)::bigint, events, clicks, completions, time_spent_seconds
FROM learner_session JOIN learners USING (learner_key)
""",
    ),
    "recent_interaction": (
        1,
        ("items", "content_types", "types", "at_ms", "dedupe_keys"),
        """
SELECT user_id,
       ARRAY(SELECT content_id FROM unnest(item_keys) WITH ORDINALITY AS listed (item_key, place)
             JOIN content USING (item_key) ORDER BY place),
       ARRAY(SELECT name FROM unnest(content_types) WITH ORDINALITY AS listed (content_type_key, place)
             JOIN content_types USING (content_type_key) ORDER BY place),
       types::int[], at_ms, dedupe_keys
FROM recent_interaction JOIN learners USING (learner_key)
""",
    ),
    "preference": (
        2,
        ("log_positive", "log_negative", "events", "completions", "last_at"),
        """
SELECT user_id, content_id, log_positive, log_negative, events, completions,
       round(extract(epoch FROM last_at) * 1000)::bigint
FROM preference JOIN learners USING (learner_key) JOIN content USING (item_key)
""",
    ),
    "trending": (
        1,
        ("log_1h", "log_24h", "log_7d", "events", "last_at"),
        """
SELECT content_id, log_1h, log_24h, log_7d, events, round(extract(epoch FROM last_at) * 1000)::bigint
FROM trending JOIN content USING (item_key)
""",
    ),
    "hourly_activity": (
        3,
        ("events", "clicks", "completions", "time_spent_seconds", "score_sum"),
        """
SELECT round(extract(epoch FROM hour) * 1000)::bigint, name, interaction_type, events, clicks, completions,
       time_spent_seconds, score_sum
FROM hourly_activity JOIN content_types USING (content_type_key)
""",
    ),
    "active_dates": (
        1,
        ("days",),
        """
SELECT user_id, ARRAY(SELECT ARRAY[lower(run), upper(run) - 1] FROM unnest(days) AS run ORDER BY run)
FROM active_dates JOIN learners USING (learner_key)
""",
    ),
    "achievement_progress": (
        3,
        ("progress",),
        """
SELECT user_id, achievement_id, '', coalesce(progress[slot], 0)
FROM achievement_progress JOIN learners USING (learner_key) CROSS JOIN achievement_rule
WHERE definition ->> 'agg' <> 'mastery' AND coalesce(definition ->> 'repeat', 'never') = 'never'
UNION ALL
SELECT user_id, achievement_id,
       to_char(date '1970-01-01' + period, CASE definition ->> 'repeat'
               WHEN 'daily' THEN 'YYYY-MM-DD' WHEN 'weekly' THEN 'IYYY-"W"IW' WHEN 'monthly' THEN 'YYYY-MM' END),
       progress
FROM achievement_period JOIN learners USING (learner_key) JOIN achievement_rule USING (slot)
""",
    ),
    "achievement_unlock": (
        4,
        ("unlocked_at",),
        """
SELECT user_id, achievement_id, tier, period, round(extract(epoch FROM unlocked_at) * 1000)::bigint
FROM achievement_unlock JOIN learners USING (learner_key) JOIN achievement_rule USING (achievement_id)
WHERE definition ->> 'agg' <> 'mastery'
""",
    ),
}


def held_tables(database: Database) -> tuple[dict[str, Rows], dict[str, int]]:
    """The rows of every table by key, and how many rows each has beyond one a key."""
    tables: dict[str, Rows] = {}
    repeated: dict[str, int] = {}
    for name, (keys, columns, query) in TABLES.items():
        rows = database.execute(query).fetchall()
        tables[name] = {tuple(row[:keys]): dict(zip(columns, _plain(row[keys:]), strict=True)) for row in rows}
        repeated[name] = len(rows) - len(tables[name])
    return tables, repeated


def _plain(values: Sequence[Any]) -> list[Any]:
    return [
        [tuple(element) if isinstance(element, list) else element for element in value]
        if isinstance(value, list)
        else value
        for value in values
    ]
