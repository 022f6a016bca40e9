"""Is a recommender at work?  It beats every two seconds; the worker writes its lists while it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

import msgspec

from projections.stores.postgres import Connection

BEAT: LiteralString = """
INSERT INTO recommender_status (owner, beat_at, step, behind, models)
VALUES (%(owner)s, now(), %(step)s, %(behind)s, %(models)s::jsonb)
ON CONFLICT (only_row) DO UPDATE SET
    owner = excluded.owner, beat_at = excluded.beat_at, step = excluded.step, behind = excluded.behind,
    models = excluded.models
"""
AT_WORK: LiteralString = """
SELECT EXISTS (SELECT FROM recommender_status WHERE beat_at > now() - make_interval(secs => %(seconds)s))
"""
SILENT_SECONDS = 15.0
"""A recommender that has not beaten for so long is not at work."""


def beat(connection: Connection, owner: str, step: int, behind: int, models: Mapping[str, int] | None = None) -> None:
    """Gives a sign of life, and says which daily models speak."""
    said = msgspec.json.encode(dict(models or {})).decode()
    connection.execute(BEAT, {"owner": owner, "step": step, "behind": behind, "models": said})


def is_at_work(connection: Connection, silent_seconds: float = SILENT_SECONDS) -> bool:
    """Whether a recommender has given a sign of life lately."""
    row = connection.execute(AT_WORK, {"seconds": silent_seconds}).fetchone()
    return bool(row and row[0])
