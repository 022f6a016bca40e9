"""What became of a command?  The worker carries it out in the projection transaction and writes its verdict there.

A command is carried out once: its id is the primary key of the verdict, so a repeated one keeps the first answer.
"""

from __future__ import annotations

from typing import LiteralString, assert_type

import msgspec

from projections import achievements, learning_paths, overrides, profiles, streaks
from projections.identities import Identities, Learner
from projections.projection import Effects
from projections.stores.postgres import Connection
from schemas.commands import (
    AchievementClaimed,
    Command,
    ConsentSet,
    EraseRequested,
    FeedbackGiven,
    OverrideSet,
    PathCreated,
    PathProgressed,
    ProfileSet,
    StreakFreezeTaken,
    StreakRepaired,
)
from schemas.problems import Problem

RESERVE = """
INSERT INTO command_result (command_id, learner_key, status)
VALUES (%(command_id)s, %(learner_key)s, 0) ON CONFLICT DO NOTHING RETURNING command_id
"""
DECIDE = """
UPDATE command_result SET status = %(status)s, problem = %(problem)s::jsonb WHERE command_id = %(command_id)s
"""
FORGET: tuple[LiteralString, ...] = ("DELETE FROM command_result WHERE learner_key = %(learner_key)s",)
FORGET_LEARNER: LiteralString = "DELETE FROM learners WHERE learner_key = %(learner_key)s"

Verdict = tuple[int, Problem | None]

_CLAIM_VERDICTS: dict[str, Verdict] = {
    "claimed": (200, None),
    "already": (409, Problem(type="/problems/already-claimed", title="Already claimed", status=409)),
    "not-unlocked": (409, Problem(type="/problems/not-unlocked", title="Not unlocked yet", status=409)),
    "unknown": (404, Problem(type="/problems/unknown-achievement", title="Unknown achievement", status=404)),
}


def apply(connection: Connection, command: Command, learner: Learner, identities: Identities, effects: Effects) -> bool:
    """Carries out one command; False when its id has a verdict already.  Erasures are only reserved here.

    The caller forgets its cached identities when the transaction is rolled back.
    """
    reserved = connection.execute(RESERVE, {"command_id": command.command_id, "learner_key": learner.key}).fetchone()
    if reserved is None:
        return False
    status, problem = _carry_out(connection, command, learner, effects)
    identities.forget_learner(command.user_id)
    connection.execute(
        DECIDE,
        {
            "command_id": command.command_id,
            "status": status,
            "problem": msgspec.json.encode(problem).decode() if problem else None,
        },
    )
    return True


def _carry_out(connection: Connection, command: Command, learner: Learner, effects: Effects) -> Verdict:
    if isinstance(command, ProfileSet):
        created = profiles.put(connection, learner.key, command, effects.applied_seq)
        return (201 if created else 200), None
    if isinstance(command, ConsentSet):
        profiles.set_consent(connection, learner.key, command)
        return 200, None
    if isinstance(command, AchievementClaimed):
        return _CLAIM_VERDICTS[achievements.claim(connection, learner.key, command.achievement_id)]
    if isinstance(command, OverrideSet):
        return overrides.set_override(connection, learner.key, command, effects.applied_seq)
    if isinstance(command, FeedbackGiven):
        return overrides.give_feedback(connection, learner.key, command, effects.applied_seq)
    if isinstance(command, PathCreated):
        return learning_paths.create(connection, learner.key, command, effects)
    if isinstance(command, PathProgressed):
        return learning_paths.progress(connection, learner.key, command, effects)
    if isinstance(command, StreakFreezeTaken):
        return streaks.take_freeze(connection, learner.key, command)
    if isinstance(command, StreakRepaired):
        return streaks.repair(connection, learner.key, command)
    assert_type(command, EraseRequested)  # reserved here, carried out by the recorder
    return 200, None
