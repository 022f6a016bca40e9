"""How does a learner stand on a path, and which paths are there?  Reports and interactions joined, then read out."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from models import preferences
from models.learner.progress import PATH_PERCENTS
from projections.reads import path_skills
from projections.reads.freshness import Seen, freshness, learner_offsets, seen, to_ms
from projections.stores.postgres_pool import ReadPool, Rows
from schemas.fields import Level
from schemas.learning_paths import (
    LearningPath,
    ModuleMove,
    ModuleProgress,
    ModuleState,
    PathSummary,
    TimeNeeded,
)

if TYPE_CHECKING:
    from models.learner.pace import TimeEstimate
    from models.path_readout import Module, ReadOut

NEXT_MODULES = 3
"""Shown as what to do next."""
PACE_DAYS = 28
"""Days that the learner's own study time is taken from."""
PREFERRED_ITEMS = 500

OWNER: LiteralString = """
SELECT l.user_id FROM learning_path p JOIN learners l USING (learner_key) WHERE p.path_id = %(path_id)s
"""
PATH: LiteralString = """
SELECT p.title, p.topic, p.level, p.issued_at, p.estimated_seconds, p.applied_seq, l.timezone, d.preferred_pace
FROM learning_path p JOIN learners l USING (learner_key) LEFT JOIN learner_private d USING (learner_key)
WHERE p.path_id = %(path_id)s
"""
MODULES: LiteralString = """
SELECT m.module_id, m.title, m.content_type, m.duration_seconds, m.prerequisites, c.difficulty,
       greatest(m.completion, i.completion), least(m.completed_at, i.completed_at),
       m.time_spent_seconds + coalesce(i.time_spent_seconds, 0), greatest(m.best_score, i.best_score), m.applied_seq,
       m.recommended, c.skills, c.topics, c.content_id, coalesce(d.difficulty, 0)
FROM path_module m
LEFT JOIN content c ON c.content_id = m.module_id
LEFT JOIN item_progress i ON i.learner_key = m.learner_key AND i.item_key = c.item_key
LEFT JOIN item_difficulty d ON d.item_key = c.item_key
WHERE m.path_id = %(path_id)s ORDER BY m.ordinal
"""
ENGAGEMENT: LiteralString = """
SELECT score FROM engagement_at(%(as_of)s)
WHERE learner_key = (SELECT learner_key FROM learning_path WHERE path_id = %(path_id)s)
"""
ACTIVE_MINUTES: LiteralString = """
SELECT (sum(extract(epoch FROM ended_at - started_at)) / 60)::float8
FROM learner_session
WHERE learner_key = (SELECT learner_key FROM learning_path WHERE path_id = %(path_id)s)
  AND started_at > %(as_of)s - make_interval(days => %(days)s) AND started_at <= %(as_of)s
GROUP BY started_at::date HAVING sum(extract(epoch FROM ended_at - started_at)) >= 60
"""
PREFERRED: LiteralString = """
SELECT p.log_positive, p.log_negative, c.content_type
FROM (
    SELECT item_key, log_positive, log_negative FROM preference
    WHERE learner_key = (SELECT learner_key FROM learning_path WHERE path_id = %(path_id)s)
    ORDER BY last_at DESC LIMIT %(items)s
) AS p JOIN content c USING (item_key)
"""
KNOWN: LiteralString = "SELECT learner_key FROM learners WHERE user_id = %(user_id)s"
PATHS: LiteralString = """
SELECT p.path_id, p.title, p.topic, p.level, p.issued_at, count(*)::int,
       (count(*) FILTER (WHERE least(m.completed_at, i.completed_at) IS NOT NULL))::int,
       avg(greatest(m.completion, i.completion))::float8
FROM (
    SELECT path_id, learner_key, title, topic, level, issued_at FROM learning_path
    WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
      AND (%(issued_at)s::timestamptz IS NULL
           OR issued_at < %(issued_at)s OR (issued_at = %(issued_at)s AND path_id > %(path_id)s))
    ORDER BY issued_at DESC, path_id LIMIT %(limit)s
) AS p
JOIN path_module m USING (path_id)
LEFT JOIN content c ON c.content_id = m.module_id
LEFT JOIN item_progress i ON i.learner_key = p.learner_key AND i.item_key = c.item_key
GROUP BY p.path_id, p.title, p.topic, p.level, p.issued_at ORDER BY p.issued_at DESC, p.path_id
"""


class PathAnswer(NamedTuple):
    """A path and what it reflects."""

    path: LearningPath
    seen: Seen


class PathPlace(NamedTuple):
    """Where a path stands among its learner's, newest first."""

    issued_at: dt.datetime
    path_id: str


class PathsAnswer(NamedTuple):
    """Some of a learner's paths, newest first, and what they reflect."""

    paths: list[PathSummary]
    seen: Seen


async def owner(pool: ReadPool, path_id: str) -> str | None:
    """The platform's id of the learner who owns a path; None for an unknown path."""
    row = await pool.row(OWNER, {"path_id": path_id})
    return row[0] if row else None


async def read_some(
    pool: ReadPool, user_id: str, part: int, limit: int, behind: PathPlace | None = None
) -> PathsAnswer | None:
    """The newest paths of a learner, or those behind a place; None for an unknown learner."""
    who = {"user_id": user_id}
    issued_at, path_id = behind or (None, None)
    which = {**who, "issued_at": issued_at, "path_id": path_id, "limit": limit}
    offsets, known, rows = await pool.snapshot([learner_offsets(part), (KNOWN, who), (PATHS, which)])
    if not known:
        return None
    names = PathSummary.__struct_fields__
    paths = [PathSummary(**{**dict(zip(names, row, strict=True)), "level": Level(row[3])}) for row in rows]
    return PathsAnswer(paths, seen(offsets))


async def read(pool: ReadPool, path_id: str, user_id: str, part: int, now_ms: int) -> PathAnswer | None:
    """A path as of now; None for an unknown one.

    Args:
        pool: where to ask.
        path_id: the path.
        user_id: the learner who owns it.
        part: the partition of the learner's records.
        now_ms: the time of reading [Unix ms].
    """
    what = {"path_id": path_id}
    at = {**what, "as_of": dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)}
    offsets, path, modules, engaged, minutes, preferred, ability, skilled = await pool.snapshot(
        [
            learner_offsets(part),
            (PATH, what),
            (MODULES, what),
            (ENGAGEMENT, at),
            (ACTIVE_MINUTES, {**at, "days": PACE_DAYS}),
            (PREFERRED, {**what, "items": PREFERRED_ITEMS}),
            (path_skills.ABILITY, what),
            (path_skills.SKILLS, what),
        ]
    )
    if not path:
        return None
    known = path_skills.known(ability, skilled)
    found = _Found(path_id, user_id, path[0], modules, engaged, minutes, preferred, known, now_ms, seen(offsets))
    # A path of 200 modules takes milliseconds, the planner's first use in a process longer: not on the event loop.
    return PathAnswer(await asyncio.to_thread(_answer, found), found.seen)


class _Found(NamedTuple):
    path_id: str
    user_id: str
    path: tuple[Any, ...]
    modules: Rows
    engaged: Rows
    minutes: Rows
    preferred: Rows
    known: path_skills.Known
    now_ms: int
    seen: Seen


def _answer(found: _Found) -> LearningPath:
    # The planner is compiled code: processes that never read a path do without loading the compiler.
    from models import path_readout

    title, topic, level, issued_at, estimated, applied_seq, timezone, pace = found.path
    score = found.engaged[0][0] if found.engaged else 50.0
    learner = path_readout.Learner(
        pace=pace or "MODERATE",
        active_minutes=[minutes for (minutes,) in found.minutes],
        days_observed=PACE_DAYS,
        engagement=min(max(score / 50.0 - 1.0, -1.0), 1.0),
        today=dt.datetime.fromtimestamp(found.now_ms / 1000, ZoneInfo(timezone)).date(),
        recent_success=found.known.recent_success,
        attempted_ms=found.known.attempted_ms,
    )
    modules = _modules(found)
    result = path_readout.read_out(modules, learner)
    shown = [_module(row, place, result) for place, row in enumerate(found.modules)]
    ended = [place for place, module in enumerate(modules) if module.completed_ms is not None]
    newest = max([applied_seq, *(row[10] for row in found.modules)])
    return LearningPath(
        path_id=found.path_id,
        user_id=found.user_id,
        title=title,
        topic=topic,
        level=Level(level),
        created_at=issued_at,
        estimated_duration=estimated,
        completion=sum(module.completion for module in modules) / len(modules),
        milestones=tuple(percent for percent in PATH_PERCENTS if 100 * len(ended) >= percent * len(shown)),
        next_modules=tuple(shown[place].module_id for place in result.order if result.open[place])[:NEXT_MODULES],
        modules=tuple(shown[place] for place in [*result.order, *ended]),
        moved=tuple(
            ModuleMove(
                module_id=modules[move.module].id,
                before=None if move.before is None else move.before + 1,
                after=None if move.after is None else move.after + 1,
                reason=move.reason.value,
            )
            for move in result.moved
        ),
        time_left=_time(result.left),
        minutes_a_day=result.minutes_a_day,
        finish_date=result.finish[0],
        finish_earliest=result.finish[1],
        finish_latest=result.finish[2],
        freshness=freshness(found.seen, newest, found.now_ms, stale=False),
    )


def _modules(found: _Found) -> list[Module]:
    from models import path_readout

    styles = _styles(found.preferred, found.now_ms)
    standing = found.known.standings([row[12:16] for row in found.modules])
    before = found.known.standings([row[12:16] for row in found.modules], before=True)
    return [
        path_readout.Module(
            id=row[0],
            prerequisites=tuple(row[4]),
            duration_seconds=row[3],
            level=row[5] if row[5] in path_readout.BASE_DIFFICULTY else found.path[2],
            completion=row[6],
            completed_ms=None if row[7] is None else to_ms(row[7]),
            time_spent_seconds=row[8],
            score=row[9],
            style=styles.get(row[2], 0.5),
            recommended=tuple(row[11]),
            now=standing[place],
            before=before[place],
        )
        for place, row in enumerate(found.modules)
    ]


def _module(row: tuple[Any, ...], place: int, result: ReadOut) -> ModuleProgress:
    return ModuleProgress(
        module_id=row[0],
        title=row[1],
        type=row[2],
        prerequisites=tuple(row[4]),
        recommended=tuple(row[11]),
        state=_state(place in result.order, result.open[place]),
        place=result.order.index(place) + 1 if place in result.order else None,
        reason=result.reasons[place],
        completion=row[6],
        completed_at=row[7],
        time_spent_seconds=row[8],
        score=row[9],
        expected_success=result.success[place],
        difficulty=result.difficulties[place],
        duration=row[3],
        estimate=_time(result.estimates[place]),
    )


def _state(left: bool, is_open: bool) -> ModuleState:
    if not left:
        return ModuleState.COMPLETED
    return ModuleState.OPEN if is_open else ModuleState.BLOCKED


def _time(estimate: TimeEstimate) -> TimeNeeded:
    return TimeNeeded(seconds=estimate.seconds, low_seconds=estimate.low_seconds, high_seconds=estimate.high_seconds)


def _styles(rows: Rows, at_ms: int) -> dict[str, float]:
    """How much the learner is drawn to each kind of content, [0, 1], .5 being indifference."""
    if not rows:
        return {}
    log_positive, log_negative, kinds = zip(*rows, strict=True)
    positive = preferences.weights_at(np.array(log_positive, np.float64), at_ms)
    negative = preferences.weights_at(np.array(log_negative, np.float64), at_ms)
    weights = preferences.topic_vector([[kind] for kind in kinds], positive, negative, len(set(kinds)))
    return {kind: 0.5 + 0.5 * min(max(weight, -1.0), 1.0) for kind, weight in weights}
