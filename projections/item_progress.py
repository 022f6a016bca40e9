"""How far has each learner come with each piece of content, and which milestones of paths does that reach?

Learner-owned rows, added to without being read.  Only a completion can reach a milestone of a path: then, and only
then, the learner's paths are looked at.  The fold is `models.item_progress`.
"""

from __future__ import annotations

from models import item_progress
from models.columns import Interactions
from models.item_progress import NEVER_MS
from projections import path_milestones
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

ADD = """
INSERT INTO item_progress AS old (learner_key, item_key, completion, completed_at, time_spent_seconds, best_score,
                                  last_at)
SELECT learner, item, completion, CASE WHEN completed THEN completed_at END, seconds, nullif(score, -1), last_at
FROM unnest(%(learner)s::bigint[], %(item)s::bigint[], %(completion)s::float8[], %(completed)s::bool[],
            %(completed_at)s::timestamptz[], %(seconds)s::float8[], %(score)s::float8[], %(last_at)s::timestamptz[])
    AS new (learner, item, completion, completed, completed_at, seconds, score, last_at)
ON CONFLICT (learner_key, item_key) DO UPDATE SET
    completion = greatest(old.completion, excluded.completion),
    completed_at = least(old.completed_at, excluded.completed_at),
    time_spent_seconds = old.time_spent_seconds + excluded.time_spent_seconds,
    best_score = greatest(old.best_score, excluded.best_score),
    last_at = greatest(old.last_at, excluded.last_at)
"""


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Adds what a batch says; nothing at all is done for a batch without progress and scores."""
    added = item_progress.of(batch)
    if not len(added.learner):
        return
    completed = added.completed_ms < NEVER_MS
    at_ms = added.last_at_ms.copy()
    at_ms[completed] = added.completed_ms[completed]
    connection.execute(
        ADD,
        {
            "learner": added.learner,
            "item": added.item,
            "completion": added.completion,
            "completed": completed,
            "completed_at": at_ms.astype("datetime64[ms]"),
            "seconds": added.time_spent_seconds,
            "score": added.best_score,
            "last_at": added.last_at_ms.astype("datetime64[ms]"),
        },
    )
    if completed.any() and not effects.replaying:
        path_milestones.announce_of_items(connection, added.learner[completed], added.item[completed], effects)


PROJECTION = Projection(
    name="item_progress",
    question="How far has each learner come with each piece of content?",
    tables=("item_progress",),
    apply=apply,
    forget=("DELETE FROM item_progress WHERE learner_key = %(learner_key)s",),
)
