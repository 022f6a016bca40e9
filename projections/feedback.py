"""What becomes of the texts that learners give as feedback?  Kept apart, and read for their polarity on consent.

The text itself goes to `learner_private_text` and nowhere else; interactions carry a number, or NaN where the learner
does not agree to it, or the language is not known.  Polls without feedback do nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, LiteralString, NamedTuple

import numpy as np

from models.columns import CONSENT_SENTIMENT, Int64, Interactions, Mask
from projections import profiles
from projections.assembly import Draft
from projections.stores.postgres import Connection

if TYPE_CHECKING:
    from models.learner.sentiment import SentimentModel

LANGUAGES: LiteralString = """
SELECT learner_key, language FROM learner_private WHERE learner_key = ANY (%(learners)s::bigint[])
"""


class Feedback(NamedTuple):
    """The texts of a batch and the rows that they belong to."""

    rows: Int64
    texts: Sequence[str]


def feedback_of(drafted: Draft, fresh: Mask) -> Feedback:
    """The texts of those drafted interactions that were not seen before; rows count these alone."""
    given = drafted.texts[fresh[drafted.texts]]
    texts = [drafted.messages[row].feedback or "" for row in given.tolist()]
    return Feedback((np.cumsum(fresh) - 1)[given] if len(given) else given, texts)


def prepare(batch: Interactions, drafted: Draft) -> None:
    """Loads the models, which takes two seconds, before the first transaction that needs them."""
    if (batch.consent[drafted.texts] & CONSENT_SENTIMENT).any():
        _model()


def take(connection: Connection, drafted: Draft, batch: Interactions, fresh: Mask) -> Interactions:
    """Keeps the texts of the fresh interactions, which are ``batch``; returns it with their polarity."""
    given = feedback_of(drafted, fresh)
    if not given.texts:
        return batch
    put_texts(connection, batch, given)
    return with_sentiment(connection, batch, given)


def with_sentiment(connection: Connection, batch: Interactions, feedback: Feedback) -> Interactions:
    """The batch with the polarity of its feedback, where the learner agrees to that; a star rating outranks words."""
    agreed = [place for place, row in enumerate(feedback.rows.tolist()) if batch.consent[row] & CONSENT_SENTIMENT]
    if not agreed:
        return batch
    learners = np.unique(batch.learner[feedback.rows[agreed]])
    languages: dict[int, str | None] = dict(connection.execute(LANGUAGES, {"learners": learners}).fetchall())
    sentiment = batch.sentiment.copy()
    for place in agreed:
        row = int(feedback.rows[place])
        stars = float(batch.rating[row])
        found = _model().sentiment(
            feedback.texts[place],
            rating=None if np.isnan(stars) else stars,
            declared_language=languages.get(int(batch.learner[row])),
        )
        sentiment[row] = np.nan if found.polarity is None else found.polarity
    return replace(batch, sentiment=sentiment)


def put_texts(connection: Connection, batch: Interactions, feedback: Feedback) -> None:
    """Keeps the texts, by the event that brought each."""
    connection.execute(
        profiles.INSERT_TEXT,
        {
            "learners": batch.learner[feedback.rows],
            "keys": batch.dedupe_key[feedback.rows],
            "texts": list(feedback.texts),
            "at": batch.at_ms[feedback.rows].astype("datetime64[ms]"),
        },
    )


@cache
def _model() -> SentimentModel:
    from models.learner.sentiment import SentimentModel

    return SentimentModel()
