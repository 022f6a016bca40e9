"""On which local dates was each learner active?

One row a learner, the set as a multirange of day numbers.  Adding to a set is idempotent, so nothing is loaded, and a
learner who was already known to be active that day is only looked at, not written: after the first event of a day the
projection costs one index probe a learner and batch.  The same set as NumPy columns is `models.active_dates`.
"""

from __future__ import annotations

import numpy as np

from models import active_dates
from models.columns import Interactions
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

ADD = """
WITH batch AS (
    SELECT learner_key, range_agg(int4range(first_day, last_day, '[]')) AS days
    FROM unnest(%(learner)s::bigint[], %(first_day)s::int[], %(last_day)s::int[])
         AS runs (learner_key, first_day, last_day)
    GROUP BY learner_key
)
INSERT INTO active_dates AS old (learner_key, days, applied_seq)
SELECT batch.learner_key, batch.days, %(applied_seq)s
FROM batch LEFT JOIN active_dates AS known ON known.learner_key = batch.learner_key
WHERE known.days IS NULL OR NOT known.days @> batch.days
ORDER BY batch.learner_key
ON CONFLICT (learner_key) DO UPDATE SET
    days = old.days + excluded.days,
    applied_seq = excluded.applied_seq
"""


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Adds the days of a batch."""
    dates = active_dates.of(batch)
    if not len(dates.learner):
        return
    connection.execute(
        ADD,
        {
            "learner": dates.learner,
            "first_day": dates.first_day.astype(np.int32),
            "last_day": dates.last_day.astype(np.int32),
            "applied_seq": effects.applied_seq,
        },
    )


PROJECTION = Projection(
    name="active_dates",
    question="On which local dates was each learner active?",
    tables=("active_dates",),
    apply=apply,
    forget=("DELETE FROM active_dates WHERE learner_key = %(learner_key)s",),
    compare="SELECT learner_key, days::text FROM active_dates",
)
