"""How is a learner forgotten?  Every table that may name one, in one transaction, the identity row last.

The verdict of the erasure itself is kept under the key 0, so that whoever asked can read it.
"""

from __future__ import annotations

from typing import LiteralString

from projections import (
    achievement_facts,
    commands,
    dead_letters,
    experiments,
    impressions,
    insight,
    interaction_log,
    learning_paths,
    outbox,
    overrides,
    profiles,
    recognition,
    recommendation_lists,
    streaks,
)
from projections.analytics import learner_days
from projections.registry import ALL
from projections.stores.postgres import Connection

KEEP_VERDICT: LiteralString = "UPDATE command_result SET learner_key = 0 WHERE command_id = %(command_id)s"
_CORE: tuple[LiteralString, ...] = (
    *learner_days.FORGET,
    *experiments.FORGET,
    *insight.FORGET,
    *interaction_log.FORGET,
    *impressions.FORGET,
    *outbox.FORGET,
    *dead_letters.FORGET,
    *recommendation_lists.FORGET,
    *learning_paths.FORGET,
    *overrides.FORGET,
    *commands.FORGET,
    *achievement_facts.FORGET,
    *recognition.FORGET,
    *streaks.FORGET,
    *profiles.FORGET,
    commands.FORGET_LEARNER,
)


def forget(connection: Connection, learner_key: int, command_id: str | None = None) -> None:
    """Erases everything that is kept about a learner, inside the caller's transaction.

    Shared sums (trending, hourly activity) keep the learner's contributions: they name nobody.
    """
    parameters = {"learner_key": learner_key, "command_id": command_id}
    if command_id is not None:
        connection.execute(KEEP_VERDICT, parameters)
    for projection in ALL:
        for statement in projection.forget:
            connection.execute(statement, parameters)
    for statement in _CORE:
        connection.execute(statement, parameters)
