"""How does each learner like to work?  Sums and numbers of observations, only of those who agreed to it.

Shown while the learner agrees; what was observed before a withdrawal is kept out of sight, and nothing is added to it.
"""

from __future__ import annotations

from typing import LiteralString

import numpy as np

from models.columns import CONSENT_PERSONALITY, Interactions
from models.learner.personality import habits_of
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

# A matrix travels flat: row i is the slice of five behind the i rows before it.
ADD: LiteralString = """
INSERT INTO personality AS old (learner_key, totals, counts)
SELECT learner, (%(totals)s::float8[])[row * 5 - 4 : row * 5], (%(counts)s::bigint[])[row * 5 - 4 : row * 5]
FROM unnest(%(learners)s::bigint[], %(rows)s::int[]) AS new (learner, row)
ON CONFLICT (learner_key) DO UPDATE SET
    totals = ARRAY(SELECT a + b FROM unnest(old.totals, excluded.totals) AS both_of (a, b)),
    counts = ARRAY(SELECT a + b FROM unnest(old.counts, excluded.counts) AS both_of (a, b))
"""


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:  # noqa: ARG001 - rows carry no version
    """Adds what a batch shows of the learners who agreed; nothing at all is done where nobody did."""
    if not (batch.consent & CONSENT_PERSONALITY).any():
        return
    habits = habits_of(batch)
    connection.execute(
        ADD,
        {
            "learners": habits.learner,
            "rows": np.arange(1, len(habits.learner) + 1, dtype=np.int32),
            "totals": habits.total.ravel(),
            "counts": habits.count.astype(np.int64).ravel(),
        },
    )


PROJECTION = Projection(
    name="personality",
    question="How does each learner who agreed to be asked like to work?",
    tables=("personality",),
    apply=apply,
    forget=("DELETE FROM personality WHERE learner_key = %(learner_key)s",),
)
