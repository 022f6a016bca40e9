"""What did each learner do on each day, and how many learners were there?  Tables ``learner_day``, ``daily_learners``,
``learner_day_set``, ``learner_span_set`` and ``cell_witness``.

Sums of events are added to; what depends on visits is counted anew for the days that a batch can have changed, from
``learner_session``, which already joins late events.  ``learner_day_set`` makes distinct counts over any days one
``bit_or``; ``learner_span_set``, the same over 16 days, makes it a short one.  All of it is written by one process at
a time, under ``ROLL_UP_LOCK``.
"""

from __future__ import annotations

from typing import Any, LiteralString

import numpy as np

from models import learner_days
from models.columns import Int64, Interactions, Mask
from models.decay import DAY_MS
from models.grouping import group_pairs
from models.learner_days import BitSets, LearnerDays, Witnesses
from projections.locks import ROLL_UP_LOCK
from projections.stores.postgres import Connection, columns

ACTIVE, COMPLETED = 0, 1
"""Kinds of sets."""

KNOWN: LiteralString = """
SELECT b.row, d.completions
FROM unnest(%(learner)s, %(day)s, %(row)s) AS b (learner_key, day, row)
JOIN learner_day d ON d.learner_key = b.learner_key AND d.day = '1970-01-01'::date + b.day
"""
FIRST_DAYS: LiteralString = """
SELECT u.row, (SELECT min(d.day) FROM learner_day d WHERE d.learner_key = u.learner_key) - '1970-01-01'::date
FROM unnest(%(learner)s, %(row)s) AS u (learner_key, row)
WHERE EXISTS (SELECT FROM learner_day d WHERE d.learner_key = u.learner_key)
"""
ADD: LiteralString = """
INSERT INTO learner_day AS old (learner_key, day, events, clicks, completions, completion_rates, completion_rate_sum,
                                time_spent_seconds, score_sum)
SELECT b.learner_key, '1970-01-01'::date + b.day, b.events, b.clicks, b.completions, b.completion_rates,
       b.completion_rate_sum, b.time_spent_seconds, b.score_sum
FROM unnest(%(learner)s, %(day)s, %(events)s, %(clicks)s, %(completions)s, %(completion_rates)s,
            %(completion_rate_sum)s, %(time_spent_seconds)s, %(score_sum)s)
     AS b (learner_key, day, events, clicks, completions, completion_rates, completion_rate_sum, time_spent_seconds,
           score_sum)
ON CONFLICT (learner_key, day) DO UPDATE SET
    events = old.events + excluded.events,
    clicks = old.clicks + excluded.clicks,
    completions = old.completions + excluded.completions,
    completion_rates = old.completion_rates + excluded.completion_rates,
    completion_rate_sum = old.completion_rate_sum + excluded.completion_rate_sum,
    time_spent_seconds = old.time_spent_seconds + excluded.time_spent_seconds,
    score_sum = old.score_sum + excluded.score_sum
"""
ADD_DAYS: LiteralString = """
INSERT INTO daily_learners AS old (day, active, newcomers, completed, events, clicks, completions, completion_rates,
                                   completion_rate_sum, time_spent_seconds, score_sum)
SELECT '1970-01-01'::date + b.day, b.active, b.newcomers, b.completed, b.events, b.clicks, b.completions,
       b.completion_rates, b.completion_rate_sum, b.time_spent_seconds, b.score_sum
FROM unnest(%(day)s, %(active)s, %(newcomers)s, %(completed)s, %(events)s, %(clicks)s, %(completions)s,
            %(completion_rates)s, %(completion_rate_sum)s, %(time_spent_seconds)s, %(score_sum)s)
     AS b (day, active, newcomers, completed, events, clicks, completions, completion_rates, completion_rate_sum,
           time_spent_seconds, score_sum)
ON CONFLICT (day) DO UPDATE SET
    active = old.active + excluded.active,
    newcomers = old.newcomers + excluded.newcomers,
    completed = old.completed + excluded.completed,
    events = old.events + excluded.events,
    clicks = old.clicks + excluded.clicks,
    completions = old.completions + excluded.completions,
    completion_rates = old.completion_rates + excluded.completion_rates,
    completion_rate_sum = old.completion_rate_sum + excluded.completion_rate_sum,
    time_spent_seconds = old.time_spent_seconds + excluded.time_spent_seconds,
    score_sum = old.score_sum + excluded.score_sum
"""
# A visit that holds an event of the day may have begun on an earlier day, end on a later one, and have swallowed visits
# that were counted on any day in between: these are counted anew.
COUNT_SESSIONS: LiteralString = """
WITH pair AS (
    SELECT learner_key, '1970-01-01'::date + day AS day FROM unnest(%(learner)s, %(day)s) AS p (learner_key, day)
), reached AS (
    SELECT p.learner_key, p.day FROM pair p
    UNION
    SELECT p.learner_key, reach::date
    FROM pair p CROSS JOIN LATERAL (
        (SELECT s.started_at, s.ended_at FROM learner_session s
         WHERE s.learner_key = p.learner_key AND s.started_at < p.day::timestamp AT TIME ZONE 'UTC'
         ORDER BY s.started_at DESC LIMIT 1)
        UNION ALL
        (SELECT s.started_at, s.ended_at FROM learner_session s
         WHERE s.learner_key = p.learner_key AND s.started_at >= p.day::timestamp AT TIME ZONE 'UTC'
           AND s.started_at < (p.day + 1)::timestamp AT TIME ZONE 'UTC'
         ORDER BY s.started_at DESC LIMIT 1)
    ) AS visit CROSS JOIN LATERAL generate_series(
        (visit.started_at AT TIME ZONE 'UTC')::date::timestamp, (visit.ended_at AT TIME ZONE 'UTC')::date::timestamp,
        '1 day') AS reach
    WHERE visit.ended_at >= p.day::timestamp AT TIME ZONE 'UTC'
), counted AS (
    SELECT r.learner_key, r.day, was.sessions AS old_sessions, was.session_ms AS old_ms, now.sessions, now.session_ms
    FROM reached r
    JOIN learner_day was ON was.learner_key = r.learner_key AND was.day = r.day
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS sessions,
               coalesce(sum(round(date_part('epoch', s.ended_at - s.started_at) * 1000)), 0)::bigint AS session_ms
        FROM learner_session s
        WHERE s.learner_key = r.learner_key AND s.started_at >= r.day::timestamp AT TIME ZONE 'UTC'
          AND s.started_at < (r.day + 1)::timestamp AT TIME ZONE 'UTC'
    ) AS now
    WHERE (was.sessions, was.session_ms) IS DISTINCT FROM (now.sessions, now.session_ms)
), written AS (
    UPDATE learner_day d SET sessions = c.sessions, session_ms = c.session_ms
    FROM counted c WHERE d.learner_key = c.learner_key AND d.day = c.day
)
UPDATE daily_learners t SET sessions = t.sessions + c.sessions, session_ms = t.session_ms + c.session_ms
FROM (SELECT day, sum(sessions - old_sessions)::bigint AS sessions, sum(session_ms - old_ms)::bigint AS session_ms
      FROM counted GROUP BY day) AS c
WHERE t.day = c.day
"""
ADD_MEMBERS: LiteralString = """
INSERT INTO learner_day_set AS old (kind, day, chunk, members)
SELECT %(kind)s, '1970-01-01'::date + b.day, b.chunk, ('x' || encode(b.members, 'hex'))::bit(8192)
FROM unnest(%(day)s, %(chunk)s, %(members)s::bytea[]) AS b (day, chunk, members)
ON CONFLICT (kind, day, chunk) DO UPDATE SET members = old.members | excluded.members
"""
ADD_TO_SPANS: LiteralString = """
INSERT INTO learner_span_set AS old (kind, first_day, chunk, members)
SELECT %(kind)s, '1970-01-01'::date + b.day, b.chunk, ('x' || encode(b.members, 'hex'))::bit(8192)
FROM unnest(%(day)s, %(chunk)s, %(members)s::bytea[]) AS b (day, chunk, members)
ON CONFLICT (kind, first_day, chunk) DO UPDATE SET members = old.members | excluded.members
"""
ADD_WITNESSES: LiteralString = """
INSERT INTO cell_witness AS old (day, dimension, cell, learner_keys)
SELECT '1970-01-01'::date + day, dimension, cell, array_agg(learner_key ORDER BY learner_key)
FROM unnest(%(day)s, %(dimension)s, %(key)s, %(learner)s) AS w (day, dimension, cell, learner_key)
GROUP BY day, dimension, cell
ON CONFLICT (day, dimension, cell) DO UPDATE SET learner_keys = (
    SELECT array_agg(u.k ORDER BY u.k) FROM (
        SELECT DISTINCT k FROM unnest(old.learner_keys || excluded.learner_keys) AS k ORDER BY k LIMIT 5) AS u)
WHERE NOT old.learner_keys @> excluded.learner_keys
"""
MARK_DIRTY: LiteralString = """
INSERT INTO dirty_day SELECT '1970-01-01'::date + day FROM unnest(%(day)s) AS b (day) ON CONFLICT DO NOTHING
"""
LOCK: LiteralString = f"SELECT pg_advisory_xact_lock({ROLL_UP_LOCK})"
FORGET: tuple[LiteralString, ...] = (
    # What is being rolled up just now is finished first, or it would write the learner's rows after they were deleted.
    LOCK,
    """
UPDATE daily_learners t SET
    active = t.active - 1,
    newcomers = t.newcomers - (t.day = (SELECT min(f.day) FROM learner_day f WHERE f.learner_key = d.learner_key))::int,
    completed = t.completed - (d.completions > 0)::int,
    events = t.events - d.events, clicks = t.clicks - d.clicks, completions = t.completions - d.completions,
    completion_rates = t.completion_rates - d.completion_rates,
    completion_rate_sum = t.completion_rate_sum - d.completion_rate_sum,
    time_spent_seconds = t.time_spent_seconds - d.time_spent_seconds, score_sum = t.score_sum - d.score_sum,
    sessions = t.sessions - d.sessions, session_ms = t.session_ms - d.session_ms
FROM learner_day d WHERE d.learner_key = %(learner_key)s AND d.day = t.day
""",
    """
UPDATE learner_day_set SET members = set_bit(members, (%(learner_key)s %% 8192)::int, 0)
WHERE chunk = %(learner_key)s / 8192 AND get_bit(members, (%(learner_key)s %% 8192)::int) = 1
""",
    """
UPDATE learner_span_set SET members = set_bit(members, (%(learner_key)s %% 8192)::int, 0)
WHERE chunk = %(learner_key)s / 8192 AND get_bit(members, (%(learner_key)s %% 8192)::int) = 1
""",
    """
UPDATE cell_witness SET learner_keys = array_remove(learner_keys, %(learner_key)s)
WHERE learner_keys @> ARRAY[%(learner_key)s::bigint]
""",
    "DELETE FROM learner_day WHERE learner_key = %(learner_key)s",
)
"""Whoever is forgotten no longer counts.  A cell of which a learner was one of five witnesses may be hidden then."""


def apply(connection: Connection, batch: Interactions) -> None:
    """Folds a batch into the tables, inside the caller's transaction, which holds ``ROLL_UP_LOCK``."""
    everything, batch = batch, learner_days.consenting(batch)
    if len(batch):
        _add(connection, batch)
    # An event that analytics may not use can still join two visits that it has counted.
    pairs = group_pairs(everything.learner, everything.at_ms // DAY_MS)
    connection.execute(COUNT_SESSIONS, {"learner": pairs.first, "day": pairs.second.astype(np.int32)})


def _add(connection: Connection, batch: Interactions) -> None:
    added = learner_days.of(batch)
    fresh, first_completion = _before(connection, added)
    newcomers = _newcomers(connection, added)
    connection.execute(ADD, _parameters(added))
    _add_days(connection, added, fresh, first_completion, newcomers)
    for kind, which in ((ACTIVE, fresh), (COMPLETED, first_completion)):
        sets = learner_days.bit_sets(added, which)
        if len(sets.members):
            connection.execute(ADD_MEMBERS, {"kind": kind, **_members(sets)})
            connection.execute(ADD_TO_SPANS, {"kind": kind, **_members(learner_days.spans_of(sets))})
    _add_witnesses(connection, learner_days.witnesses(batch))
    connection.execute(MARK_DIRTY, {"day": np.unique(added.day).astype(np.int32)})


def _before(connection: Connection, added: LearnerDays) -> tuple[Mask, Mask]:
    """(r,) rows that are new, and rows that had no completion before and have one now."""
    pairs = {
        "learner": added.learner,
        "day": added.day.astype(np.int32),
        "row": np.arange(len(added.learner)),
    }
    row, completions = columns(connection, KNOWN, pairs, (np.int64, np.int64))
    fresh = np.ones(len(added.learner), np.bool_)
    fresh[row] = False
    before = np.zeros(len(added.learner), np.int64)
    before[row] = completions
    return fresh, (before == 0) & (added.completions > 0)


def _newcomers(connection: Connection, added: LearnerDays) -> tuple[Int64, Int64]:
    """Days and by how much their newcomers change: a late event moves its learner to an earlier first day."""
    learner, first = learner_days.first_days(added)
    row, known = columns(
        connection, FIRST_DAYS, {"learner": learner, "row": np.arange(len(learner))}, (np.int64, np.int64)
    )
    before = np.full(len(learner), np.iinfo(np.int64).max)
    before[row] = known
    moved = first < before
    left = before[moved & (before < np.iinfo(np.int64).max)]
    days = np.concatenate((first[moved], left))
    return days, np.repeat((1, -1), (int(moved.sum()), len(left)))


def _add_days(
    connection: Connection, added: LearnerDays, fresh: Mask, first_completion: Mask, newcomers: tuple[Int64, Int64]
) -> None:
    totals = learner_days.by_day(added)
    days = np.union1d(totals.day, newcomers[0])
    place = np.searchsorted(days, totals.day)

    def spread(column: Any) -> Any:
        values = np.zeros(len(days), column.dtype)
        values[place] = column
        return values

    def count(day: Int64, weight: Int64 | None = None) -> Any:
        found = np.bincount(np.searchsorted(days, day), weights=weight, minlength=len(days))
        return np.rint(found).astype(np.int32)

    connection.execute(
        ADD_DAYS,
        {
            "day": days.astype(np.int32),
            "active": count(added.day[fresh]),
            "newcomers": count(*newcomers),
            "completed": count(added.day[first_completion]),
            **{
                name: spread(getattr(totals, name))
                for name in (
                    "events",
                    "clicks",
                    "completions",
                    "completion_rates",
                    "completion_rate_sum",
                    "time_spent_seconds",
                    "score_sum",
                )
            },
        },
    )


def _members(sets: BitSets) -> dict[str, Any]:
    return {"day": sets.day.astype(np.int32), "chunk": sets.chunk.astype(np.int32), "members": sets.members}


def _parameters(added: LearnerDays) -> dict[str, Any]:
    narrow = {"day", "events", "completions", "completion_rates"}
    return {name: column.astype(np.int32) if name in narrow else column for name, column in added._asdict().items()}


def _add_witnesses(connection: Connection, found: Witnesses) -> None:
    connection.execute(
        ADD_WITNESSES,
        {
            "day": found.day.astype(np.int32),
            "dimension": found.dimension.astype(np.int16),
            "key": found.key.astype(np.int32),
            "learner": found.learner,
        },
    )
