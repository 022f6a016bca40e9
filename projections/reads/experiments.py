"""What do experiments say?  The newest kept report of each that is running, or was stopped lately."""

from __future__ import annotations

from typing import LiteralString

import msgspec

from projections.stores.postgres_pool import ReadPool
from schemas.experiments import Report, Reported

NEWEST: LiteralString = """
SELECT DISTINCT ON (r.experiment) r.report::text, r.computed_at, e.state
FROM experiment_report r JOIN experiment e ON e.key = r.experiment
WHERE e.state = 'running' OR r.computed_at > now() - interval '30 days'
ORDER BY r.experiment, r.hour DESC
"""


async def read(pool: ReadPool) -> list[Reported]:
    """Their reports: running ones first, then by key."""
    rows = await pool.rows(NEWEST)
    found = [
        Reported(
            **{**msgspec.structs.asdict(msgspec.json.decode(text, type=Report)), "state": state},
            computed_at=computed_at,
        )
        for text, computed_at, state in rows
    ]
    return sorted(found, key=lambda one: (one.state != "running", one.key))
