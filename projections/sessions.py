"""Which visits did each learner make?  Table ``learner_session``: one row a visit, cut at gaps of 30 minutes.

Only visits that a batch can change are read: those within the gap of the learner's events in it.
"""

from __future__ import annotations

from typing import LiteralString

import numpy as np

from models.columns import Int64, Interactions
from models.grouping import Groups, group, max_by, min_by
from models.sessions import SESSION_GAP_MS, Sessions, Update, update
from projections.projection import Effects, Projection
from projections.stores import packed
from projections.stores.packed import Answer, packed_answer
from projections.stores.postgres import Connection

# A learner's visits do not overlap, so of those that began before the window only the last can reach into it.
LOAD: LiteralString = """
SELECT array_send(array_agg(near.row)), array_send(array_agg(near.started_at)), array_send(array_agg(near.ended_at)),
       array_send(array_agg(near.events)), array_send(array_agg(near.clicks)), array_send(array_agg(near.completions)),
       array_send(array_agg(near.time_spent_seconds))
FROM (
    SELECT w.row, s.*
    FROM unnest(%(learners)s, %(row)s, %(earliest)s, %(latest)s) AS w (learner_key, row, earliest, latest)
    CROSS JOIN LATERAL (
        (SELECT started_at, ended_at, events, clicks, completions, time_spent_seconds FROM learner_session
         WHERE learner_key = w.learner_key AND started_at < w.earliest ORDER BY started_at DESC LIMIT 1)
        UNION ALL
        SELECT started_at, ended_at, events, clicks, completions, time_spent_seconds FROM learner_session
        WHERE learner_key = w.learner_key AND started_at >= w.earliest AND started_at <= w.latest
    ) AS s
    WHERE s.ended_at >= w.earliest
) AS near
"""
DELETE: LiteralString = """
DELETE FROM learner_session AS s USING unnest(%(learners)s, %(started_at)s) AS gone (learner_key, started_at)
WHERE s.learner_key = gone.learner_key AND s.started_at = gone.started_at
"""
WRITE: LiteralString = """
INSERT INTO learner_session (learner_key, started_at, ended_at, events, clicks, completions, time_spent_seconds,
                             applied_seq)
SELECT u.*, %(applied_seq)s
FROM unnest(%(learners)s, %(started_at)s, %(ended_at)s, %(events)s, %(clicks)s, %(completions)s,
            %(time_spent_seconds)s) AS u
ON CONFLICT (learner_key, started_at) DO UPDATE SET
    ended_at = excluded.ended_at, events = excluded.events, clicks = excluded.clicks,
    completions = excluded.completions, time_spent_seconds = excluded.time_spent_seconds,
    applied_seq = excluded.applied_seq
"""
FORGET: LiteralString = "DELETE FROM learner_session WHERE learner_key = %(learner_key)s"

_MS = "datetime64[ms]"
_DTYPES = (np.int64, _MS, _MS, np.int64, np.int64, np.int64, np.float64)


def ask(connection: Connection, batch: Interactions) -> tuple[Groups, Answer]:
    """The batch by learner, and the question for the stored sessions within the gap of each learner's events."""
    groups = group(batch.learner)
    window = {
        "learners": groups.keys,
        "row": np.arange(groups.size),
        "earliest": (min_by(groups, batch.at_ms) - SESSION_GAP_MS).astype(_MS),
        "latest": (max_by(groups, batch.at_ms) + SESSION_GAP_MS).astype(_MS),
    }
    return groups, packed.ask(connection, LOAD, window)


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Folds a batch into the table, inside the caller's transaction."""
    groups, answer = effects.asked.pop("sessions", None) or ask(connection, batch)
    stored = Sessions(*packed_answer(answer, _DTYPES))
    if not groups.size:
        return
    _write(connection, groups.keys, stored, update(stored, groups, batch), effects.applied_seq)


def _write(connection: Connection, learners: Int64, stored: Sessions, after: Update, applied_seq: int) -> None:
    if after.absorbed.any():
        gone = {
            "learners": learners[stored.row[after.absorbed]],
            "started_at": stored.started_ms[after.absorbed].astype(_MS),
        }
        connection.execute(DELETE, gone)
    changed = after.sessions.take(after.touched)
    connection.execute(
        WRITE,
        {
            "learners": learners[changed.row],
            "started_at": changed.started_ms.astype(_MS),
            "ended_at": changed.ended_ms.astype(_MS),
            "events": changed.events,
            "clicks": changed.clicks,
            "completions": changed.completions,
            "time_spent_seconds": changed.time_spent_seconds,
            "applied_seq": applied_seq,
        },
    )


PROJECTION = Projection(
    name="sessions",
    question="Which visits did each learner make, how long and how busy?",
    tables=("learner_session",),
    ask=ask,
    apply=apply,
    forget=(FORGET,),
)
