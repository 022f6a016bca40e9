"""What became of a command?  The worker's verdict, once it has carried the command out."""

from __future__ import annotations

from typing import LiteralString, NamedTuple

import msgspec

from projections.stores.postgres_pool import ReadPool
from schemas.problems import Problem

ONE: LiteralString = """
SELECT r.status, r.problem::text, l.user_id FROM command_result r LEFT JOIN learners l USING (learner_key)
WHERE r.command_id = %(command_id)s
"""

_problem = msgspec.json.Decoder(Problem).decode


class Verdict(NamedTuple):
    """How a command ended."""

    status: int
    """The HTTP status that it earned."""
    problem: Problem | None
    user_id: str | None = None
    """Whose command it was; None for a learner who was erased."""


async def read(pool: ReadPool, command_id: str) -> Verdict | None:
    """The verdict; None while there is none."""
    row = await pool.row(ONE, {"command_id": command_id})
    return Verdict(row[0], _problem(row[1]) if row[1] else None, row[2]) if row else None
