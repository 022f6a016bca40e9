"""When and how does each learner use the platform?  Table ``behaviour``: one row a learner, exact counts and sums."""

from __future__ import annotations

from typing import LiteralString

import numpy as np

from models.behaviour import Behaviour, empty, update
from models.columns import Int64, Interactions
from models.grouping import Groups, group, positions
from projections.projection import Effects, Projection
from projections.stores import packed
from projections.stores.packed import Answer, packed_answer
from projections.stores.postgres import Connection

LOAD: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(events)), array_send(array_agg(type_counts)),
       array_send(array_agg(hour_counts)), array_send(array_agg(weekday_counts)), array_send(array_agg(completions)),
       array_send(array_agg(completion_rates)), array_send(array_agg(completion_rate_sum)),
       array_send(array_agg(time_spent_seconds)), array_send(array_agg(paced_spent_seconds)),
       array_send(array_agg(paced_expected_seconds)), array_send(array_agg(first_at)), array_send(array_agg(last_at))
FROM behaviour WHERE learner_key = ANY(%(learners)s)
"""
# A matrix travels flat; row i is the slice that starts behind the i rows before it.
WRITE: LiteralString = """
INSERT INTO behaviour (learner_key, events, type_counts, hour_counts, weekday_counts, completions, completion_rates,
                       completion_rate_sum, time_spent_seconds, paced_spent_seconds, paced_expected_seconds,
                       first_at, last_at, applied_seq)
SELECT u.learner_key, u.events,
       (%(type_counts)s::bigint[])[u.row * 12 - 11 : u.row * 12],
       (%(hour_counts)s::bigint[])[u.row * 24 - 23 : u.row * 24],
       (%(weekday_counts)s::bigint[])[u.row * 7 - 6 : u.row * 7],
       u.completions, u.completion_rates, u.completion_rate_sum, u.time_spent_seconds, u.paced_spent_seconds,
       u.paced_expected_seconds, u.first_at, u.last_at, %(applied_seq)s
FROM unnest(%(learners)s, %(row)s, %(events)s, %(completions)s, %(completion_rates)s, %(completion_rate_sum)s,
            %(time_spent_seconds)s, %(paced_spent_seconds)s, %(paced_expected_seconds)s, %(first_at)s, %(last_at)s)
     AS u (learner_key, row, events, completions, completion_rates, completion_rate_sum, time_spent_seconds,
           paced_spent_seconds, paced_expected_seconds, first_at, last_at)
ON CONFLICT (learner_key) DO UPDATE SET
    events = excluded.events, type_counts = excluded.type_counts, hour_counts = excluded.hour_counts,
    weekday_counts = excluded.weekday_counts, completions = excluded.completions,
    completion_rates = excluded.completion_rates, completion_rate_sum = excluded.completion_rate_sum,
    time_spent_seconds = excluded.time_spent_seconds, paced_spent_seconds = excluded.paced_spent_seconds,
    paced_expected_seconds = excluded.paced_expected_seconds, first_at = excluded.first_at,
    last_at = excluded.last_at, applied_seq = excluded.applied_seq
"""
FORGET: LiteralString = "DELETE FROM behaviour WHERE learner_key = %(learner_key)s"

_DTYPES = (*([np.int64] * 7), *([np.float64] * 4), "datetime64[ms]", "datetime64[ms]")


def ask(connection: Connection, batch: Interactions) -> tuple[Groups, Answer]:
    """The batch by learner, and the question for the stored state of those learners."""
    groups = group(batch.learner)
    return groups, packed.ask(connection, LOAD, {"learners": groups.keys})


def load(connection: Connection, learners: Int64) -> Behaviour:
    """The stored state of the learners (g,), ascending; empty for those without a row."""
    return state_of(learners, packed.ask(connection, LOAD, {"learners": learners}))


def state_of(learners: Int64, answer: Answer) -> Behaviour:
    """The state in the answer to `LOAD` for these learners."""
    state = empty(len(learners))
    keys, *stored = packed_answer(answer, _DTYPES)
    if len(keys):
        rows = positions(learners, keys)
        for column, values in zip(state, stored, strict=True):
            column[rows] = values
    return state


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Folds a batch into the table, inside the caller's transaction."""
    groups, answer = effects.asked.pop("behaviour", None) or ask(connection, batch)
    state = update(state_of(groups.keys, answer), groups, batch)
    if not groups.size:
        return
    connection.execute(
        WRITE,
        {
            "learners": groups.keys,
            "row": np.arange(1, groups.size + 1, dtype=np.int32),
            "events": state.events,
            "type_counts": state.type_counts.ravel(),
            "hour_counts": state.hour_counts.ravel(),
            "weekday_counts": state.weekday_counts.ravel(),
            "completions": state.completions,
            "completion_rates": state.completion_rates,
            "completion_rate_sum": state.completion_rate_sum,
            "time_spent_seconds": state.time_spent_seconds,
            "paced_spent_seconds": state.paced_spent_seconds,
            "paced_expected_seconds": state.paced_expected_seconds,
            "first_at": state.first_at_ms.astype("datetime64[ms]"),
            "last_at": state.last_at_ms.astype("datetime64[ms]"),
            "applied_seq": effects.applied_seq,
        },
    )


PROJECTION = Projection(
    name="behaviour",
    question="When and how does each learner use the platform?",
    tables=("behaviour",),
    ask=ask,
    apply=apply,
    forget=(FORGET,),
)
