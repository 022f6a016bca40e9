"""How engaged is each learner?  Table ``engagement``: one row a learner, a fading sum for each term of the score.

The row holds no score: it fades with time, so it is read out *as of* a time, by ``engagement_at`` in SQL or by
`models.engagement.score_at`, which are the same formula.
"""

from __future__ import annotations

from typing import LiteralString

import numpy as np

from models.columns import Int64, Interactions
from models.engagement import TERMS, Engagement, empty, update
from models.grouping import Groups, group, positions
from projections.projection import Effects, Projection
from projections.stores import packed
from projections.stores.packed import Answer, packed_answer
from projections.stores.postgres import Connection

LOAD: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(events)), array_send(array_agg(log_type)),
       array_send(array_agg(log_completion)), array_send(array_agg(log_time)), array_send(array_agg(log_scroll)),
       array_send(array_agg(log_clicks)), array_send(array_agg(log_rating)), array_send(array_agg(log_sentiment)),
       array_send(array_agg(last_at))
FROM engagement WHERE learner_key = ANY(%(learners)s)
"""
WRITE: LiteralString = """
INSERT INTO engagement AS kept (learner_key, events, log_type, log_completion, log_time, log_scroll, log_clicks,
                                log_rating, log_sentiment, last_at, applied_seq)
SELECT u.*, %(applied_seq)s
FROM unnest(%(learners)s, %(events)s, %(type)s, %(completion)s, %(time)s, %(scroll)s, %(clicks)s, %(rating)s,
            %(sentiment)s, %(last_at)s) AS u
ON CONFLICT (learner_key) DO UPDATE SET
    events = excluded.events, log_type = excluded.log_type, log_completion = excluded.log_completion,
    log_time = excluded.log_time, log_scroll = excluded.log_scroll, log_clicks = excluded.log_clicks,
    log_rating = excluded.log_rating, log_sentiment = excluded.log_sentiment, last_at = excluded.last_at,
    applied_seq = excluded.applied_seq
"""
FORGET: LiteralString = "DELETE FROM engagement WHERE learner_key = %(learner_key)s"

_DTYPES = (np.int64, np.int64, *([np.float64] * len(TERMS)), "datetime64[ms]")


def ask(connection: Connection, batch: Interactions) -> tuple[Groups, Answer]:
    """The batch by learner, and the question for the stored state of those learners."""
    groups = group(batch.learner)
    return groups, packed.ask(connection, LOAD, {"learners": groups.keys})


def load(connection: Connection, learners: Int64) -> Engagement:
    """The stored state of the learners (g,), ascending; empty for those without a row."""
    return state_of(learners, packed.ask(connection, LOAD, {"learners": learners}))


def state_of(learners: Int64, answer: Answer) -> Engagement:
    """The state in the answer to `LOAD` for these learners."""
    state = empty(len(learners))
    keys, events, *log_sums, last_at_ms = packed_answer(answer, _DTYPES)
    rows = positions(learners, keys)
    state.events[rows] = events
    state.log_sums[:, rows] = log_sums
    state.last_at_ms[rows] = last_at_ms
    return state


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Folds a batch into the table, inside the caller's transaction."""
    groups, answer = effects.asked.pop("engagement", None) or ask(connection, batch)
    state = update(state_of(groups.keys, answer), groups, batch)
    if not groups.size:
        return
    connection.execute(
        WRITE,
        {
            "learners": groups.keys,
            "events": state.events,
            **dict(zip(TERMS, state.log_sums, strict=True)),
            "last_at": state.last_at_ms.astype("datetime64[ms]"),
            "applied_seq": effects.applied_seq,
        },
    )


PROJECTION = Projection(
    name="engagement",
    question="How engaged is each learner, and through what?",
    tables=("engagement",),
    ask=ask,
    apply=apply,
    forget=(FORGET,),
)
