"""What does each learner like and dislike, by topic and by content?

One row a learner and item, added to without being read: learner-owned, but far too many to load for each batch.
The fold is `models.preferences`; topics come from ``content`` when read (`models.preferences.topic_vector`).
"""

from __future__ import annotations

import numpy as np

from models import preferences
from models.columns import Interactions
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

ADD = """
INSERT INTO preference AS old (learner_key, item_key, log_positive, log_negative, last_at, events, completions)
SELECT * FROM unnest(%(learner)s::bigint[], %(item)s::bigint[], %(log_positive)s::float8[], %(log_negative)s::float8[],
                     %(last_at)s::timestamptz[], %(events)s::int[], %(completions)s::int[])
ON CONFLICT (learner_key, item_key) DO UPDATE SET
    log_positive = log_add(old.log_positive, excluded.log_positive),
    log_negative = log_add(old.log_negative, excluded.log_negative),
    last_at = greatest(old.last_at, excluded.last_at),
    events = old.events + excluded.events,
    completions = old.completions + excluded.completions
"""


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:  # noqa: ARG001 - rows carry no version
    """Adds what a batch says."""
    added = preferences.of(batch)
    if not len(added.learner):
        return
    connection.execute(
        ADD,
        {
            "learner": added.learner,
            "item": added.item,
            "log_positive": added.log_positive,
            "log_negative": added.log_negative,
            "last_at": added.last_at_ms.astype("datetime64[ms]"),
            "events": added.events.astype(np.int32),
            "completions": added.completions.astype(np.int32),
        },
    )


PROJECTION = Projection(
    name="preferences",
    question="What does each learner like and dislike?",
    tables=("preference",),
    apply=apply,
    forget=("DELETE FROM preference WHERE learner_key = %(learner_key)s",),
)
