"""How does a stored list become an answer?  Its items with their titles, and a reason made from the largest term."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from models.list_ranking import BLEND, TERMS
from models.reasons import reason
from projections.overrides import FORBIDDEN, ORDERING_RULES
from projections.recommender import list_rows
from projections.recommender.reranking import Context, Described, Rules, context_gain, preference_gain
from schemas.lists import Recommendation, RecommendationType

SELECT_LIST: LiteralString = (
    """
SELECT list.learner_key, list.applied_seq, list.generated_at, list.as_of, list.confidence,
       content.content_id, content.content_type, content.title,
       list.terms[(entry.place - 1) * 4 + 1 : entry.place * 4], near.title,
       coalesce(entry.because = entry.item_key, false),
       list.writer, list.sources[entry.place], list.confidences[entry.place], content.topics, entry.place,
       list.explored_propensity, rules.given, entry.item_key, list.reflected_rules, owner.rules_seq > list.applied_seq
FROM learners AS owner
JOIN recommendations AS list USING (learner_key)
LEFT JOIN LATERAL ("""
    + ORDERING_RULES
    + """) AS rules (given, pinned) ON true
LEFT JOIN unnest(
    list.item_keys || ARRAY(SELECT unnest(rules.pinned) EXCEPT SELECT unnest(list.item_keys)), list.because)
    WITH ORDINALITY AS entry (item_key, because, place) ON true
LEFT JOIN content ON content.item_key = entry.item_key AND NOT content.withdrawn
    AND NOT ("""
    + FORBIDDEN
    + """)
LEFT JOIN content AS near ON near.item_key = entry.because
WHERE owner.user_id = %(user_id)s AND list.type = %(type)s
ORDER BY entry.place
"""
)
"""A stored list, a row an item; one row without a content_id for an empty list.  `of_stored` reads it."""
WORKER_SHARE = 0.25
"""Scores of the worker's lists lie between 0 and 1, those of the recommender between about -5 and 10."""
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
    extra: Mapping[str, float] = {}
    """Further terms: the learner's own preference, and the reader's context."""


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
            relevance_score=min(1.0, max(0.0, round(_score(entry), 4))),
            confidence_score=confidence,
            reason=reason(entry.terms, entry.because, begun=entry.begun),
            recommendation_id=f"{list_id}-{entry.place}",
            terms={**dict(zip(TERMS, entry.terms, strict=True)), **entry.extra},
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
    rules = Rules.of(rows[0][17], rows[0][19])
    entries = [_entry(row, rules, wanted) for row in rows if row[5] is not None]
    if wanted is not None:
        entries = [one for one in entries if one.content_id != wanted.content_id]
    if wanted is not None or rules.preferred:
        entries.sort(key=lambda one: -_score(one))
    if rules.pinned:
        pins = {row[15]: rules.pinned.index(row[18]) for row in rows if row[18] in rules.pinned}
        entries.sort(key=lambda one: pins.get(one.place, len(pins)))
    return recommendations(kind, learner_key, generated_at, round(confidence, 4), entries)


def _entry(row: Sequence[Any], rules: Rules, wanted: Context | None) -> Entry:
    content_id, content_type, title, terms, because, begun = row[5:11]
    topics = frozenset(topic.lower() for topic in row[14] or ())
    extra = {}
    if rules.preferred:
        extra["preference"] = round(WORKER_SHARE * preference_gain(rules.preferred, topics), 4)
    if wanted is not None:
        extra["context"] = round(WORKER_SHARE * context_gain(wanted, Described(*row[5:8]), topics), 4)
    own = [round(term, 4) for term in terms] or [0.0] * len(TERMS)  # a pin that the list did not hold
    return Entry(row[15], content_id, content_type, title, own, because, begun, extra)


def _score(entry: Entry) -> float:
    return sum(entry.terms) + sum(entry.extra.values())


def _list_id(kind: str, learner_key: int, generated_at: dt.datetime) -> str:
    """The same for a list wherever it is read, and another for its next version."""
    name = f"{kind}/{learner_key}/{round(generated_at.timestamp() * 1000)}"
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
