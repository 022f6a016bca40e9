"""What does each learner like and dislike, by topic and by content?

One row a learner and item, added to without being read: learner-owned, but far too many to load for each batch.
The fold is `models.preferences`; topics come from ``content`` when read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models import preferences
from models.columns import Float64, Interactions
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection

ADD = """
INSERT INTO preference AS old (learner_key, item_key, log_positive, log_negative, last_at, events, completions)
SELECT * FROM unnest(%(learner)s::bigint[], %(item)s::bigint[], %(log_positive)s::float8[], %(log_negative)s::float8[],
                     %(last_at)s::timestamptz[], %(events)s::int[], %(completions)s::int[])
ON CONFLICT (learner_key, item_key) DO UPDATE SET
    log_positive = log_add(old.log_positive, excluded.log_positive),
    log_negative = log_add(old.log_negative, excluded.log_negative),
    last_at = greatest(old.last_at, excluded.last_at),
    events = old.events + excluded.events,
    completions = old.completions + excluded.completions
"""

SELECT_ONE = """
SELECT preference.log_positive, preference.log_negative, preference.events, preference.completions,
       content.content_id, content.title, content.topics
FROM preference JOIN content USING (item_key)
WHERE preference.learner_key = %(learner_key)s
"""
"""A learner's items with what the catalogue says of them now; the columns of `topic_vector` and `content_vector`."""


class PreferenceRow(NamedTuple):
    """One row of `SELECT_ONE`."""

    log_positive: float
    log_negative: float
    events: int
    completions: int
    content_id: str
    title: str | None
    topics: list[str]


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:  # noqa: ARG001 - rows carry no version
    """Adds what a batch says."""
    added = preferences.of(batch)
    if not len(added.learner):
        return
    connection.execute(
        ADD,
        {
            "learner": added.learner,
            "item": added.item,
            "log_positive": added.log_positive,
            "log_negative": added.log_negative,
            "last_at": added.last_at_ms.astype("datetime64[ms]"),
            "events": added.events.astype(np.int32),
            "completions": added.completions.astype(np.int32),
        },
    )


def load(connection: Connection, learner_key: int) -> list[PreferenceRow]:
    """A learner's rows, in no particular order."""
    return [PreferenceRow(*row) for row in connection.execute(SELECT_ONE, {"learner_key": learner_key}).fetchall()]


def topic_vector(rows: list[PreferenceRow], at_ms: int, limit: int = 10) -> list[tuple[str, float]]:
    """The topics with the largest weights in [-1, 1] as of a time; see `models.preferences.topic_vector`."""
    positive, negative = _weights(rows, at_ms)
    return preferences.topic_vector([row.topics for row in rows], positive, negative, limit)


def content_vector(rows: list[PreferenceRow], at_ms: int, limit: int = 10) -> list[tuple[str, float]]:
    """The content (by id) with the largest weights in [-1, 1] as of a time, in the same measure as the topics."""
    positive, negative = _weights(rows, at_ms)
    return preferences.topic_vector([[row.content_id] for row in rows], positive, negative, limit)


def _weights(rows: list[PreferenceRow], at_ms: int) -> tuple[Float64, Float64]:
    positive = preferences.weights_at(np.array([row.log_positive for row in rows], np.float64), at_ms)
    return positive, preferences.weights_at(np.array([row.log_negative for row in rows], np.float64), at_ms)


PROJECTION = Projection(
    name="preferences",
    question="What does each learner like and dislike?",
    tables=("preference",),
    apply=apply,
    forget=("DELETE FROM preference WHERE learner_key = %(learner_key)s",),
)
