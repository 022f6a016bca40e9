"""What does each learner know, how sure is that, and what should be reviewed when?

Folded by the worker from attempts alone (interactions with ``success`` or ``score``); a poll without any asks the
database nothing.  Difficulty and weights are those of the newest version that was valid before the transaction (see
`projections.learner_model_versions`), so a rebuild finds the same ones.  The fold is `models.learner.skill_states`.
"""

from __future__ import annotations

from typing import LiteralString

import numpy as np

from models.columns import Int64, Interactions
from models.grouping import group, group_pairs
from models.learner.attempts import Attempts
from models.learner.of_interactions import attempt_rows
from projections import learner_model_versions
from projections.item_skills import attempts_in
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM learner_ability WHERE learner_key = %(learner_key)s",
    "DELETE FROM learner_skill WHERE learner_key = %(learner_key)s",
    "DELETE FROM learner_item WHERE learner_key = %(learner_key)s",
    "DELETE FROM skill_history WHERE learner_key = %(learner_key)s",
    "DELETE FROM learner_model_teacher WHERE learner_key = %(learner_key)s",
)


def prepare(batch: Interactions) -> None:
    """Compiles the fold before the first transaction that needs it; a database would not wait for that."""
    if len(attempt_rows(batch)):
        compile_fold()


def compile_fold() -> None:
    """Loads the compiled fold, or compiles it where that was never done on this machine."""
    from models.learner.attempts import attempts
    from models.learner.shared import Shared
    from models.learner.skill_states import SkillStates, followed

    one = attempts([1], [0], [1], [0, 1], [0], at_ms=[1])
    followed(Shared(), SkillStates.none(), one, np.zeros(1, np.int64))


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Folds the attempts of a batch into the tables, inside the caller's transaction."""
    rows = attempt_rows(batch)
    if not len(rows):
        return
    # The fold is compiled code: workers that never see an attempt do without loading the compiler.
    from models.learner.skill_states import followed
    from projections.learner_model_store import load, put

    attempts = attempts_in(connection, batch, rows)
    shared = learner_model_versions.valid(connection, effects.applied_seq)
    states = load(connection, group(attempts.learner).keys, _skill_pairs(attempts), _item_pairs(attempts))
    after, days, masterings = followed(shared, states, attempts, batch.local_day[rows].astype(np.int64))
    put(connection, after, days, effects.applied_seq)
    effects.mastered += zip(*(column.tolist() for column in masterings), strict=True)


def _skill_pairs(attempts: Attempts) -> tuple[Int64, Int64]:
    pairs = group_pairs(np.repeat(attempts.learner, np.diff(attempts.skill_start)), attempts.skills)
    return pairs.first, pairs.second


def _item_pairs(attempts: Attempts) -> tuple[Int64, Int64]:
    pairs = group_pairs(attempts.learner, attempts.item)
    return pairs.first, pairs.second


PROJECTION = Projection(
    name="learner_model",
    question="What does each learner know, how sure is that, and what is due for review?",
    tables=("learner_ability", "learner_skill", "learner_item", "skill_history"),
    prepare=prepare,
    cuts=learner_model_versions.cuts,
    apply=apply,
    forget=FORGET,
)
