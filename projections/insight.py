"""Who behaves alike, and who is at risk?  Tables ``segment`` and ``learner_insight``, written by the daily job.

Everything comes from the read models: ``learner_day``, ``engagement`` and ``preference``.  Only learners who agree to
analytics are looked at; who is erased or withdraws has no row after the next run, erased ones at once.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, LiteralString, NamedTuple

import numpy as np

from models import at_risk, segments
from models.at_risk import WEEKS, Activity
from models.at_risk_weights import SHIPPED
from models.columns import CONSENT_ANALYTICS, Int64
from projections.stores.postgres import Connection

# A row a learner; sums of the four weeks before the day after `last`, the oldest week first.
ACTIVITY: LiteralString = """
SELECT d.learner_key,
       sum(d.events) FILTER (WHERE d.ago BETWEEN 21 AND 27), sum(d.events) FILTER (WHERE d.ago BETWEEN 14 AND 20),
       sum(d.events) FILTER (WHERE d.ago BETWEEN 7 AND 13), sum(d.events) FILTER (WHERE d.ago BETWEEN 0 AND 6),
       sum(d.clicks) FILTER (WHERE d.ago BETWEEN 21 AND 27), sum(d.clicks) FILTER (WHERE d.ago BETWEEN 14 AND 20),
       sum(d.clicks) FILTER (WHERE d.ago BETWEEN 7 AND 13), sum(d.clicks) FILTER (WHERE d.ago BETWEEN 0 AND 6),
       count(*) FILTER (WHERE d.ago BETWEEN 21 AND 27), count(*) FILTER (WHERE d.ago BETWEEN 14 AND 20),
       count(*) FILTER (WHERE d.ago BETWEEN 7 AND 13), count(*) FILTER (WHERE d.ago BETWEEN 0 AND 6),
       least(min(d.ago), 28), sum(d.clicks) FILTER (WHERE d.ago >= 28), count(*) FILTER (WHERE d.ago >= 28),
       sum(d.sessions) FILTER (WHERE d.ago < 28), sum(d.session_ms) FILTER (WHERE d.ago < 28) / 1000.0,
       sum(d.completions) FILTER (WHERE d.ago < 28),
       (SELECT count(*) FROM preference p WHERE p.learner_key = d.learner_key
          AND p.last_at > (%(last)s::date - 27)::timestamp AT TIME ZONE 'UTC'),
       (SELECT e.score FROM engagement_at((%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC') e
        WHERE e.learner_key = d.learner_key)
FROM (SELECT r.*, %(last)s::date - r.day AS ago FROM learner_day r WHERE r.day <= %(last)s) AS d
JOIN learners l ON l.learner_key = d.learner_key AND l.consent & %(consent)s <> 0
GROUP BY d.learner_key
ORDER BY d.learner_key
"""
KNOWN_SEGMENTS: LiteralString = "SELECT segment_id, centroid FROM segment ORDER BY segment_id"
# A number is never given twice: a group that is gone does not come back as another.
FRESH_NUMBERS: LiteralString = "SELECT nextval('segment_number') FROM generate_series(1, %(count)s)"
CLEAR: tuple[LiteralString, ...] = ("DELETE FROM segment", "DELETE FROM learner_insight")
PUT_SEGMENT: LiteralString = """
INSERT INTO segment (segment_id, name, centroid, learners, silhouette, computed_at)
VALUES (%(segment_id)s, %(name)s, %(centroid)s::float8[], %(learners)s, %(silhouette)s, %(at)s)
"""
PUT_LEARNERS: LiteralString = """
INSERT INTO learner_insight (learner_key, segment_id, risk, silent, reasons, computed_at)
SELECT n.learner_key, nullif(n.segment_id, 0), n.risk, n.silent, string_to_array(n.reasons, '|'), %(at)s
FROM unnest(%(learners)s::bigint[], %(segments)s::int[], %(risks)s::real[], %(silent)s::boolean[], %(reasons)s::text[])
     AS n (learner_key, segment_id, risk, silent, reasons)
WHERE EXISTS (SELECT FROM learners l WHERE l.learner_key = n.learner_key)
"""
FORGET: tuple[LiteralString, ...] = ("DELETE FROM learner_insight WHERE learner_key = %(learner_key)s",)
AT_RISK: LiteralString = """
SELECT l.user_id, i.risk, i.silent, i.reasons, s.name
FROM learner_insight i JOIN learners l USING (learner_key) LEFT JOIN segment s USING (segment_id)
WHERE l.consent & %(consent)s <> 0 AND (i.risk >= %(high)s OR i.silent)
ORDER BY i.risk DESC, l.learner_key LIMIT %(limit)s
"""


class Insight(NamedTuple):
    """What the job found, to be written in one transaction."""

    learners: Int64
    segments: Int64
    """(n,) ids; 0: none."""
    risk: Any
    silent: Any
    reasons: list[str]
    groups: list[dict[str, Any]]


def look(connection: Connection, last: dt.date, seed: int = 0) -> Insight:
    """Groups and risks as of the end of a UTC day."""
    connection.execute("SET jit = off")
    rows = connection.execute(ACTIVITY, {"last": last, "consent": CONSENT_ANALYTICS}).fetchall()
    table = np.array([[value or 0.0 for value in row] for row in rows], np.float64).reshape(len(rows), 21)
    known = Activity(
        events=table[:, 1 : 1 + WEEKS],
        clicks=table[:, 5 : 5 + WEEKS],
        active_days=table[:, 9 : 9 + WEEKS],
        silent_days=table[:, 13],
        items=table[:, 19],
        engagement=table[:, 20],
        earlier_clicks=table[:, 14],
        earlier_active_days=table[:, 15],
    )
    ids, groups = _segments(connection, known, table[:, 16:19], seed)
    return Insight(
        learners=table[:, 0].astype(np.int64),
        segments=ids,
        risk=at_risk.probability(SHIPPED, at_risk.features(known)),
        silent=at_risk.silent(known),
        reasons=["|".join(said) for said in at_risk.reasons(SHIPPED, known)] if len(rows) else [],
        groups=groups,
    )


def _segments(connection: Connection, known: Activity, visits: Any, seed: int) -> tuple[Int64, list[dict[str, Any]]]:
    """(n,) the id of each learner's group, 0 for none, and the rows of the groups."""
    present = known.events.sum(axis=1) > 0
    ids = np.zeros(len(present), np.int64)
    sessions, session_seconds, completions = visits.T
    table = segments.features(
        known.events.sum(axis=1),
        known.active_days.sum(axis=1),
        sessions,
        session_seconds,
        completions,
        known.silent_days,
    )[present]
    found = segments.cluster(table, seed)
    if found is None:
        return ids, []
    before = connection.execute(KNOWN_SEGMENTS).fetchall()
    centroids = np.array([row[1] for row in before], np.float64).reshape(len(before), len(segments.FEATURES))
    scale = table.std(axis=0)
    numbers = segments.stable_ids(found.centroids, centroids, np.array([row[0] for row in before], np.int64), scale)
    fresh = numbers == 0
    taken = connection.execute(FRESH_NUMBERS, {"count": int(fresh.sum())}).fetchall()
    numbers[fresh] = [row[0] for row in taken]
    ids[present] = numbers[found.group]
    named = segments.names(found.centroids, table.mean(axis=0), scale)
    sizes = np.bincount(found.group)
    return ids, [
        {
            "segment_id": int(numbers[place]),
            "name": named[place],
            "centroid": found.centroids[place].tolist(),
            "learners": int(sizes[place]),
            "silhouette": found.silhouette,
        }
        for place in range(len(numbers))
    ]


def write(connection: Connection, found: Insight, at: dt.datetime) -> int:
    """Puts what was found in place of what was known, inside the caller's transaction; returns the rows."""
    for statement in CLEAR:
        connection.execute(statement)
    for group in found.groups:
        connection.execute(PUT_SEGMENT, {**group, "at": at})
    parameters = {
        "learners": found.learners,
        "segments": found.segments.astype(np.int32),
        "risks": found.risk.astype(np.float32),
        "silent": found.silent,
        "reasons": found.reasons,
        "at": at,
    }
    return connection.execute(PUT_LEARNERS, parameters).rowcount + len(found.groups)


def learners_at_risk(connection: Connection, limit: int) -> list[tuple[Any, ...]]:
    """(user id, probability, silent, reasons, segment) of those at risk, the likeliest first."""
    asked = {"consent": CONSENT_ANALYTICS, "high": at_risk.HIGH, "limit": limit}
    return connection.execute(AT_RISK, asked).fetchall()
