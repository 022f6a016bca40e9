"""Which learning paths does each learner have, and how far were they reported to be?  Carried out from commands.

Paths come from commands alone, so no rebuild touches them; what interactions say about their modules is the projection
`item_progress`, joined when a path is read.  A reported completion never falls and the first completion stays, so
that repeated, late and concurrent reports end in the same state; stated times add up, once for each command.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString

from models.learner.prerequisites import CycleError, PrerequisiteError, prerequisite_graph
from projections import path_milestones
from projections.projection import Effects
from projections.stores.postgres import Connection
from schemas.commands import PathCreated, PathProgressed
from schemas.event_time import EPOCH, epoch_ms
from schemas.invalid import Invalid, Reason
from schemas.paths import PathModule
from schemas.problems import Problem, field_error

INSERT_PATH = """
INSERT INTO learning_path (path_id, learner_key, title, topic, level, estimated_seconds, issued_at, applied_seq)
VALUES (%(path_id)s, %(learner_key)s, %(title)s, %(topic)s, %(level)s, %(estimated_seconds)s, %(issued_at)s,
        %(applied_seq)s)
ON CONFLICT DO NOTHING
RETURNING path_id
"""
INSERT_MODULE = """
INSERT INTO path_module (path_id, learner_key, ordinal, module_id, title, content_type, duration_seconds,
                         prerequisites, recommended, applied_seq)
VALUES (%(path_id)s, %(learner_key)s, %(ordinal)s, %(module_id)s, %(title)s, %(content_type)s, %(duration_seconds)s,
        %(prerequisites)s::text[], %(recommended)s::text[], %(applied_seq)s)
"""
PROGRESS = """
UPDATE path_module SET
    completion = greatest(completion, %(completion)s::float8),
    completed_at = CASE WHEN %(completion)s::float8 >= 1 THEN least(completed_at, %(at)s::timestamptz)
                        ELSE completed_at END,
    time_spent_seconds = time_spent_seconds + %(seconds)s::float8,
    best_score = greatest(best_score, %(score)s::float8),
    applied_seq = %(applied_seq)s
WHERE path_id = %(path_id)s AND learner_key = %(learner_key)s AND module_id = %(module_id)s
RETURNING module_id
"""
OWNS = """
SELECT EXISTS (SELECT FROM learning_path WHERE path_id = %(path_id)s AND learner_key = %(learner_key)s)
"""
FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM path_milestone WHERE learner_key = %(learner_key)s",
    "DELETE FROM path_module WHERE learner_key = %(learner_key)s",
    "DELETE FROM learning_path WHERE learner_key = %(learner_key)s",
)

Verdict = tuple[int, Problem | None]

_EXISTS = Problem(type="/problems/path-exists", title="Path exists already", status=409)
_UNKNOWN_PATH = Problem(
    type="/problems/unknown-path", title="Unknown path", status=404, detail="The learner has no such path."
)


def create(connection: Connection, learner_key: int, command: PathCreated, effects: Effects) -> Verdict:
    """Creates a path: 201; 422 with the cycle or module at fault; 409 for a pathId that exists."""
    refused = problem_of(command.modules)
    if refused is not None:
        return refused.status, refused
    stated = command.estimated_duration
    path = {
        "path_id": command.path_id,
        "learner_key": learner_key,
        "title": command.title,
        "topic": command.topic,
        "level": command.level,
        "estimated_seconds": stated if stated is not None else sum(module.duration for module in command.modules),
        "issued_at": _moment(command.issued_at),
        "applied_seq": effects.applied_seq,
    }
    if connection.execute(INSERT_PATH, path).fetchone() is None:
        return 409, _EXISTS
    for ordinal, module in enumerate(command.modules):
        connection.execute(
            INSERT_MODULE,
            {
                "path_id": command.path_id,
                "learner_key": learner_key,
                "ordinal": ordinal,
                "module_id": module.id,
                "title": module.title,
                "content_type": module.type,
                "duration_seconds": module.duration,
                "prerequisites": list(module.prerequisites),
                "recommended": list(module.recommended),
                "applied_seq": effects.applied_seq,
            },
        )
    # What the learner completed before the path was made counts.
    path_milestones.announce(connection, [command.path_id], effects)
    return 201, None


def progress(connection: Connection, learner_key: int, command: PathProgressed, effects: Effects) -> Verdict:
    """Notes how far a learner is in a module: 200; 404 for a path that is not the learner's; 422 without the module."""
    parameters = {
        "path_id": command.path_id,
        "learner_key": learner_key,
        "module_id": command.module_id,
        "completion": command.completion_rate,
        "at": _moment(command.issued_at),
        "seconds": command.time_spent or 0.0,
        "score": command.score,
        "applied_seq": effects.applied_seq,
    }
    if connection.execute(PROGRESS, parameters).fetchone() is not None:
        if command.completion_rate >= 1.0:
            path_milestones.announce(connection, [command.path_id], effects)
        return 200, None
    owns = connection.execute(OWNS, parameters).fetchone()
    if owns is None or not owns[0]:
        return 404, _UNKNOWN_PATH
    detail = "`moduleId` must be the id of a module of this path."
    return 404, Problem(
        type="/problems/unknown-module",
        title="Unknown module",
        status=404,
        detail=detail,
        errors=(field_error(Invalid(Reason.UNKNOWN_VALUE, "/moduleId", detail)),),
    )


def problem_of(modules: tuple[PathModule, ...]) -> Problem | None:
    """Why these modules cannot be a path; None when they can.  A cycle is printed."""
    try:
        prerequisite_graph(
            [module.id for module in modules],
            [(before, module.id) for module in modules for before in module.prerequisites],
            [(before, module.id) for module in modules for before in module.recommended],
        )
    except PrerequisiteError as error:
        cycle = isinstance(error, CycleError)
        return Problem(
            type="/problems/prerequisite-cycle" if cycle else "/problems/invalid",
            title="Prerequisites form a cycle" if cycle else "Invalid content",
            status=422,
            detail=str(error),
            errors=(field_error(Invalid(Reason.UNKNOWN_VALUE, "/modules", str(error))),),
        )
    return None


def _moment(time: datetime | int) -> datetime:
    """A point in time, cut off at milliseconds, as Postgres takes it."""
    return EPOCH + timedelta(milliseconds=epoch_ms(time))
