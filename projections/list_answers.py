"""How does a stored list become an answer?  Its items with their titles, and a reason made from the largest term."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

from models.list_ranking import BLEND, TERMS
from models.reasons import reason
from projections.overrides import FORBIDDEN
from projections.recommender import list_rows
from projections.recommender.reranking import Context
from schemas.lists import Recommendation, RecommendationType

SELECT_LIST: LiteralString = (
    """
SELECT list.learner_key, list.applied_seq, list.generated_at, list.as_of, list.confidence,
       content.content_id, content.content_type, content.title,
       list.terms[(entry.place - 1) * 4 + 1 : entry.place * 4], near.title, entry.because = entry.item_key,
       list.writer, list.sources[entry.place], list.confidences[entry.place], content.topics, entry.place,
       list.explored_propensity
FROM recommendations AS list
LEFT JOIN unnest(list.item_keys, list.because) WITH ORDINALITY AS entry (item_key, because, place) ON true
LEFT JOIN content ON content.item_key = entry.item_key AND NOT content.withdrawn
    AND NOT ("""  # noqa: S608 - of constants only
    + FORBIDDEN
    + """)
LEFT JOIN content AS near ON near.item_key = entry.because
WHERE list.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s) AND list.type = %(type)s
ORDER BY entry.place
"""
)
"""A stored list, a row an item; one row without a content_id for an empty list.  `of_stored` reads it."""
_TYPE = {kind: RecommendationType(kind) for kind in BLEND}


class Entry(NamedTuple):
    """One item of a list, as far as it is the learner's own."""

    place: int
    """In the stored list, from 1."""
    content_id: str
    content_type: str
    title: str | None
    terms: Sequence[float]
    """In the order of `TERMS`."""
    because: str | None
    """Title of the item of the learner's history that counted most."""
    begun: bool
    """That item is this one."""


def recommendations(
    kind: str, learner_key: int, generated_at: dt.datetime, confidence: float, entries: Sequence[Entry]
) -> list[Recommendation]:
    """A list, or its beginning, as the API answers it."""
    list_id = _list_id(kind, learner_key, generated_at)
    return [
        Recommendation(
            type=_TYPE[kind],
            content_id=entry.content_id,
            content_type=entry.content_type,
            title=entry.title or entry.content_id,
            relevance_score=min(1.0, max(0.0, round(sum(entry.terms), 4))),
            confidence_score=confidence,
            reason=reason(entry.terms, entry.because, begun=entry.begun),
            recommendation_id=f"{list_id}-{entry.place}",
            terms=dict(zip(TERMS, entry.terms, strict=True)),
            rank=rank,
            generated_at=generated_at,
        )
        for rank, entry in enumerate(entries, start=1)
    ]


def stored_kind(kind: str) -> str:
    """The kind of the stored list that a list of this kind is read from."""
    return list_rows.HYBRID if kind in list_rows.DERIVED else kind


def of_stored(kind: str, rows: Sequence[Sequence[Any]], wanted: Context | None = None) -> list[Recommendation]:
    """The list in the rows of SELECT_LIST, without content that was withdrawn or forbidden since it was written."""
    if not rows:
        return []
    if rows[0][11] == list_rows.WRITER:
        return list_rows.of_stored(kind, rows, wanted)
    if kind in list_rows.DERIVED:
        return []
    learner_key, _, generated_at, _, confidence = rows[0][:5]
    entries = [
        Entry(row[15], content_id, content_type, title, [round(term, 4) for term in terms], because, begun)
        for row in rows
        for content_id, content_type, title, terms, because, begun in (row[5:11],)
        if content_id is not None
    ]
    return recommendations(kind, learner_key, generated_at, round(confidence, 4), entries)


def _list_id(kind: str, learner_key: int, generated_at: dt.datetime) -> str:
    """The same for a list wherever it is read, and another for its next version."""
    name = f"{kind}/{learner_key}/{round(generated_at.timestamp() * 1000)}"
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
