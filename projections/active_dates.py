"""On which local dates was each learner active?

One row a learner, the set as a multirange of day numbers, and the same by how the local date lay to the UTC date then:
that bounds how much real time a run of days took.  Adding to a set is idempotent, so nothing is loaded, and a
learner who was already known to be active that day is only looked at, not written: after the first event of a day the
projection costs one index probe a learner and batch.  The same set as NumPy columns is `models.active_dates`.
"""

from __future__ import annotations

import numpy as np

from models import active_dates
from models.columns import Interactions
from models.decay import DAY_MS
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

SHIFTS = 3
ADD = """
WITH batch AS (
    SELECT learner_key, range_agg(run) AS days, coalesce(range_agg(run) FILTER (WHERE shift < 0), '{}') AS ahead,
           coalesce(range_agg(run) FILTER (WHERE shift = 0), '{}') AS level,
           coalesce(range_agg(run) FILTER (WHERE shift > 0), '{}') AS behind
    FROM (
        SELECT learner_key, shift, int4range(first_day, last_day, '[]') AS run
        FROM unnest(%(learner)s::bigint[], %(shift)s::int[], %(first_day)s::int[], %(last_day)s::int[])
             AS runs (learner_key, shift, first_day, last_day)
    ) AS shifted
    GROUP BY learner_key
)
INSERT INTO active_dates AS old (learner_key, days, ahead, level, behind, applied_seq)
SELECT batch.learner_key, batch.days, batch.ahead, batch.level, batch.behind, %(applied_seq)s
FROM batch LEFT JOIN active_dates AS known ON known.learner_key = batch.learner_key
WHERE known.days IS NULL
   OR NOT (known.ahead @> batch.ahead AND known.level @> batch.level AND known.behind @> batch.behind)
ORDER BY batch.learner_key
ON CONFLICT (learner_key) DO UPDATE SET
    days = old.days + excluded.days,
    ahead = old.ahead + excluded.ahead,
    level = old.level + excluded.level,
    behind = old.behind + excluded.behind,
    applied_seq = excluded.applied_seq
"""


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Adds the days of a batch."""
    if not len(batch):
        return
    # The UTC date minus the local one: -1, 0 or 1, since a zone is at most 14 hours ahead and 24 behind (12, and 12
    # more where the day begins at noon).
    shift = np.clip(batch.at_ms // DAY_MS - batch.local_day, -1, 1)
    dates = active_dates.of_days(batch.learner * SHIFTS + (shift + 1), batch.local_day)
    connection.execute(
        ADD,
        {
            "learner": dates.learner // SHIFTS,
            "shift": (dates.learner % SHIFTS - 1).astype(np.int32),
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
    compare="SELECT learner_key, days::text, ahead::text, level::text, behind::text FROM active_dates",
)
