"""When is the platform used, with which content and how?

One row an hour, content type and interaction type, shared by all workers: a batch is summed first, then added in SQL.
The rows name no one, so that there is nothing to forget.
"""

from __future__ import annotations

import numpy as np

from models import activity
from models.columns import Interactions
from models.decay import HOUR_MS
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

ADD = """
INSERT INTO hourly_activity AS old (hour, content_type_key, interaction_type, events, clicks, completions,
                                    time_spent_seconds, score_sum)
SELECT * FROM unnest(%(hour)s::timestamptz[], %(content_type)s::smallint[], %(interaction_type)s::smallint[],
                     %(events)s::bigint[], %(clicks)s::bigint[], %(completions)s::bigint[],
                     %(time_spent_seconds)s::float8[], %(score_sum)s::float8[])
ON CONFLICT (hour, content_type_key, interaction_type) DO UPDATE SET
    events = old.events + excluded.events,
    clicks = old.clicks + excluded.clicks,
    completions = old.completions + excluded.completions,
    time_spent_seconds = old.time_spent_seconds + excluded.time_spent_seconds,
    score_sum = old.score_sum + excluded.score_sum
"""


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:  # noqa: ARG001 - rows carry no version
    """Adds a batch to its hours."""
    added = activity.of(batch)
    if not len(added.hour):
        return
    connection.execute(
        ADD,
        {
            "hour": (added.hour * HOUR_MS).astype("datetime64[ms]"),
            "content_type": added.content_type.astype(np.int16),
            "interaction_type": added.interaction_type.astype(np.int16),
            "events": added.events,
            "clicks": added.clicks,
            "completions": added.completions,
            "time_spent_seconds": added.time_spent_seconds,
            "score_sum": added.score_sum,
        },
    )


PROJECTION = Projection(
    name="hourly_activity",
    question="When is the platform used, with which content and how?",
    tables=("hourly_activity",),
    apply=apply,
    forget=(),
    shared=True,
)
