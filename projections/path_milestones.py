"""Which milestones of learning paths were reached just now?  Each is announced once, in the transaction that found it.

A milestone is a row that can be inserted once; only the insert that took place is announced.  Progress is the higher
of what was reported and what interactions show, so which milestones there are depends neither on order nor on repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from math import ceil
from typing import NamedTuple

import msgspec

from models.columns import Int64
from models.learner.progress import MilestoneKind as Kind
from models.learner.progress import PathProgress, path_milestones
from projections.projection import Effects, OutboxRecord
from projections.stores.postgres import Connection
from schemas import topics
from schemas.notifications import CONTENT_TYPE, MilestoneKind, ReachedMilestone, milestone_reached

PATHS_OF_ITEMS = """
SELECT DISTINCT m.path_id
FROM unnest(%(learners)s::bigint[], %(items)s::bigint[]) AS done (learner_key, item_key)
JOIN content c USING (item_key)
JOIN path_module m ON m.learner_key = done.learner_key AND m.module_id = c.content_id
"""
PROGRESS = """
SELECT p.path_id, p.learner_key, l.user_id, m.module_id, greatest(m.completion, i.completion),
       least(m.completed_at, i.completed_at)
FROM learning_path p
JOIN learners l USING (learner_key)
JOIN path_module m USING (path_id)
LEFT JOIN content c ON c.content_id = m.module_id
LEFT JOIN item_progress i ON i.learner_key = p.learner_key AND i.item_key = c.item_key
WHERE p.path_id = ANY (%(paths)s::text[])
ORDER BY p.path_id, m.ordinal
"""
INSERT = """
INSERT INTO path_milestone (path_id, learner_key, percent, module_id, applied_seq)
SELECT path_id, learner_key, percent, module_id, %(applied_seq)s
FROM unnest(%(paths)s::text[], %(learners)s::bigint[], %(percents)s::int[], %(modules)s::text[])
    AS reached (path_id, learner_key, percent, module_id)
ON CONFLICT DO NOTHING
RETURNING path_id, percent, module_id
"""


class _Reached(NamedTuple):
    path_id: str
    percent: int
    """0 for a module."""
    module_id: str
    """Empty for a share of the path."""
    learner_key: int
    user_id: str
    reached_at: datetime


def announce_of_items(connection: Connection, learners: Int64, items: Int64, effects: Effects) -> None:
    """Announces what completing these items (r,) by these learners (r,) reaches."""
    found = connection.execute(PATHS_OF_ITEMS, {"learners": learners, "items": items}).fetchall()
    if found:
        announce(connection, sorted(path_id for (path_id,) in found), effects)


def announce(connection: Connection, paths: Sequence[str], effects: Effects) -> None:
    """Announces every milestone of these paths that is reached and was not announced before."""
    rows = connection.execute(PROGRESS, {"paths": list(paths)}).fetchall()
    reached = [one for _, modules in groupby(rows, lambda row: row[0]) for one in _reached(list(modules))]
    if not reached:
        return
    inserted = connection.execute(
        INSERT,
        {
            "paths": [one.path_id for one in reached],
            "learners": [one.learner_key for one in reached],
            "percents": [one.percent for one in reached],
            "modules": [one.module_id for one in reached],
            "applied_seq": effects.applied_seq,
        },
    ).fetchall()
    new = set(inserted)
    effects.outbox += [_announcement(one) for one in reached if (one.path_id, one.percent, one.module_id) in new]


def _reached(rows: Sequence[tuple[str, int, str, str, float, datetime | None]]) -> list[_Reached]:
    """The milestones of one path, modules first, in a fixed order."""
    path_id, learner_key, user_id = rows[0][:3]
    modules = [row[3] for row in rows]
    times = {row[3]: row[5] for row in rows if row[5] is not None}
    progress = PathProgress({row[3]: row[4] for row in rows if row[3] in times})
    in_time = sorted(times.values())
    found = []
    for milestone in sorted(path_milestones(path_id, progress, modules)):
        if milestone.kind is Kind.MODULE:
            module_id = milestone.subject.removeprefix(f"{path_id}/")
            found.append(_Reached(path_id, 0, module_id, learner_key, user_id, times[module_id]))
        else:
            at = in_time[ceil(milestone.value * len(modules) / 100) - 1]
            found.append(_Reached(path_id, milestone.value, "", learner_key, user_id, at))
    return found


def _announcement(one: _Reached) -> OutboxRecord:
    said = ReachedMilestone(
        user_id=one.user_id,
        kind=MilestoneKind.PATH_PROGRESS if one.percent else MilestoneKind.MODULE_COMPLETED,
        reached_at=one.reached_at,
        path_id=one.path_id,
        module_id=one.module_id or None,
        percent=one.percent or None,
    )
    return OutboxRecord(
        topic=topics.MILESTONES.name,
        key=one.user_id.encode(),
        value=msgspec.json.encode(milestone_reached(said)),
        headers=(("content-type", CONTENT_TYPE.encode()),),
        learner_key=one.learner_key,
    )
