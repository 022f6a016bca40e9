"""What became of a command?  The worker carries it out in the projection transaction and writes its verdict there.

A command is carried out once: its id is the primary key of the verdict, so a repeated one keeps the first answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import LiteralString

import msgspec
import numpy as np

from projections import achievements, learning_paths, overrides, profiles, recognition, streaks
from projections.identities import Identities, Learner
from projections.projection import Effects
from projections.stores.postgres import Connection
from schemas.commands import (
    Command,
    ConsentSet,
    EraseRequested,
    FeedbackGiven,
    OverrideSet,
    PathCreated,
    PathProgressed,
    ProfileSet,
)
from schemas.problems import Problem
from schemas.recognition import (
    AchievementClaimed,
    AchievementsPageSet,
    KudosGiven,
    StreakFreezeTaken,
    StreakRepaired,
)

RESERVE = """
INSERT INTO command_result (command_id, learner_key, status)
SELECT command_id, learner_key, 0 FROM unnest(%(ids)s::text[], %(learners)s) AS new (command_id, learner_key)
ON CONFLICT DO NOTHING RETURNING command_id
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


def reserve(
    connection: Connection, orders: Sequence[Command], learners: Sequence[Learner]
) -> Callable[[], list[tuple[Command, Learner]]]:
    """Claims the ids of these commands; call it for those that are to be carried out, in their order.

    A command whose id has a verdict, or that repeats an earlier one of these, is left out.  Within a burst that call
    waits for the answer.
    """
    if not orders:
        return list
    first: dict[str, tuple[Command, Learner]] = {}
    for command, learner in zip(orders, learners, strict=True):
        first.setdefault(command.command_id, (command, learner))
    ids = sorted(first)
    keys = np.array([first[command_id][1].key for command_id in ids], np.int64)
    answer = connection.execute(RESERVE, {"ids": ids, "learners": keys})

    def reserved() -> list[tuple[Command, Learner]]:
        new = {command_id for (command_id,) in answer.fetchall()}
        return [pair for command_id, pair in first.items() if command_id in new]

    return reserved


def carry_out(
    connection: Connection, command: Command, learner: Learner, identities: Identities, effects: Effects
) -> None:
    """Carries out one reserved command and writes its verdict.  Erasures get their verdict only.

    The caller forgets its cached identities when the transaction is rolled back.
    """

    def decide(status: int, problem: Problem | None) -> None:
        said = msgspec.json.encode(problem).decode() if problem else None
        connection.execute(DECIDE, {"command_id": command.command_id, "status": status, "problem": said})

    if isinstance(command, ProfileSet):
        created = profiles.put(connection, learner.key, command, effects.applied_seq)
        identities.declare(command.user_id, profiles.zone_of(command), command.day_start_hour)
        effects.when_answered(lambda: decide(201 if created() else 200, None))
        return
    if isinstance(command, ConsentSet):
        identities.forget_learner(command.user_id)
    decide(*_carried_out(connection, command, learner, effects))


def _carried_out(connection: Connection, command: Command, learner: Learner, effects: Effects) -> Verdict:
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
    if isinstance(command, AchievementsPageSet):
        return recognition.set_page(connection, learner.key, command)
    if isinstance(command, KudosGiven):
        return recognition.give_kudos(connection, command, effects)
    if isinstance(command, StreakFreezeTaken):
        return streaks.take_freeze(connection, learner.key, command)
    if isinstance(command, StreakRepaired):
        return streaks.repair(connection, learner.key, command)
    assert isinstance(command, EraseRequested)  # carried out by the recorder, at the end
    return 200, None
