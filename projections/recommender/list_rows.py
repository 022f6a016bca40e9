"""How does a list lie in ``recommendations`` and in Redis?  Rows of about 150 candidates, and the first 20 as JSON."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

import numpy as np

from models.columns import Float32, Float64, Int16, Int64
from models.recommendation.exploration import SLOT
from models.recommendation.sources import FAMILIES
from projections.recommender import reasons
from projections.recommender.reasons import PINNED_CODE, reason
from projections.recommender.reranking import NO_TERMS, Candidate, Context, Described, Rules, reordered
from projections.stores.postgres import Connection, flatten
from schemas.lists import Recommendation, RecommendationType

HYBRID = "hybrid"
WRITER = "recommender"
RELEVANCE_SCALE = 4.0
"""Scores of a list lie between about -5 and 10: divided by this, they fill the range of the logistic function."""
COLD_CONFIDENCE = 0.02
"""Of a place in a list that knows nothing of its reader."""
DERIVED = ("collaborative", "sequential")
"""Kinds that are read out of the stored hybrid list."""

UPSERT: LiteralString = """
INSERT INTO recommendations (learner_key, type, item_keys, scores, terms, because, confidence, generated_at, as_of,
                             applied_seq, writer, sources, confidences, explored_propensity, reflected_rules)
SELECT new.learner_key, 'hybrid', (%(item_keys)s::bigint[])[first : last], (%(scores)s::real[])[first : last],
       (%(terms)s::real[])[(first - 1) * 4 + 1 : last * 4],
       array_fill(new.because, ARRAY[last - first + 1]), new.confidence, %(generated_at)s, new.as_of, new.applied_seq,
       'recommender', (%(sources)s::smallint[])[first : last], (%(confidences)s::real[])[first : last],
       nullif(new.propensity, 0), new.rules::jsonb
FROM unnest(%(learners)s::bigint[], %(firsts)s::int[], %(lasts)s::int[], %(confidence)s::real[],
            %(applied_seqs)s::bigint[], %(because)s::bigint[], %(as_of)s::timestamptz[], %(propensities)s::real[],
            %(rules)s::text[])
     AS new (learner_key, first, last, confidence, applied_seq, because, as_of, propensity, rules)
JOIN learners ON learners.learner_key = new.learner_key
ORDER BY new.learner_key
FOR KEY SHARE OF learners
ON CONFLICT (learner_key, type) DO UPDATE SET
    item_keys = excluded.item_keys, scores = excluded.scores, terms = excluded.terms, because = excluded.because,
    confidence = excluded.confidence, generated_at = excluded.generated_at, as_of = excluded.as_of,
    applied_seq = excluded.applied_seq, writer = excluded.writer, sources = excluded.sources,
    confidences = excluded.confidences, explored_propensity = excluded.explored_propensity,
    reflected_rules = excluded.reflected_rules
WHERE recommendations.applied_seq <= excluded.applied_seq
"""
"""The join keeps an erased learner away, and an older list never replaces a newer one."""
DELETE: LiteralString = "DELETE FROM recommendations WHERE learner_key = ANY (%(learners)s::bigint[])"


class List(NamedTuple):
    """The list of one learner, best first; n items."""

    learner_key: int
    applied_seq: int
    """The worker's newest transaction that the list is known to reflect."""
    as_of_ms: int
    last_item_key: int
    """Item that the learner had last; 0 for none."""
    item_key: Int64
    terms: Float32
    """(n, 4) in the order of `FAMILIES`; they sum to the score."""
    source: Int16
    """(n,) see `reasons.reason`."""
    confidence: Float64
    """(n,) in [0, 1]."""
    generated_ms: int
    propensity: float = 0.0
    """Probability of the item at the place that exploration decides about; 0: it is not explored with."""
    rules: str | None = None
    """The learner's pins and preferences that the list reflects, as `overrides.ORDERING_RULES` has them; None: none."""


def list_id(kind: str, learner_key: int, generated_ms: int) -> str:
    """The same for a list wherever it is read, and another for its next version."""
    return hashlib.blake2b(f"{kind}/{learner_key}/{generated_ms}".encode(), digest_size=8).hexdigest()


def relevance(score: float) -> float:
    """The logistic function of a score: monotone, in [0, 1], .5 for a score of 0."""
    return 1.0 / (1.0 + math.exp(-min(max(score / RELEVANCE_SCALE, -60.0), 60.0)))


def write(connection: Connection, lists: Sequence[List]) -> None:
    """Stores lists, inside the caller's transaction."""
    if not lists:
        return
    ordered = sorted(lists, key=lambda one: one.learner_key)
    item_keys, firsts, lasts = flatten([one.item_key for one in ordered], np.int64)
    connection.execute(
        UPSERT,
        {
            "learners": np.array([one.learner_key for one in ordered], np.int64),
            "firsts": firsts,
            "lasts": lasts,
            "item_keys": item_keys,
            "scores": np.concatenate([one.terms.sum(axis=1) for one in ordered]).astype(np.float32),
            "terms": np.concatenate([one.terms.ravel() for one in ordered]).astype(np.float32),
            "because": np.array([one.last_item_key for one in ordered], np.int64),
            "sources": np.concatenate([one.source for one in ordered]).astype(np.int16),
            "confidences": np.concatenate([one.confidence for one in ordered]).astype(np.float32),
            "confidence": np.array([_first(one.confidence) for one in ordered], np.float32),
            "applied_seqs": np.array([one.applied_seq for one in ordered], np.int64),
            "rules": [one.rules for one in ordered],
            "propensities": np.array([one.propensity for one in ordered], np.float32),
            "as_of": np.array([one.as_of_ms for one in ordered], np.int64).astype("datetime64[ms]"),
            "generated_at": moment(ordered[0].generated_ms),
        },
    )


def recommendations(
    kind: str,
    learner_key: int,
    generated_ms: int,
    contents: Sequence[Described],
    terms: Sequence[Sequence[float]],
    sources: Sequence[int],
    confidences: Sequence[float],
    last_title: str | None,
    places: Sequence[int],
) -> list[Recommendation]:
    """A list, or its beginning, as the API answers it; ``places`` are those in the stored list, from 1."""
    name = list_id(kind, learner_key, generated_ms)
    generated_at = moment(generated_ms)
    kinds = RecommendationType(kind)
    entries = []
    for rank, (content, parts, source, sure, place) in enumerate(
        zip(contents, terms, sources, confidences, places, strict=True), start=1
    ):
        rounded = [round(part, 4) for part in parts]
        entries.append(
            Recommendation(
                type=kinds,
                content_id=content.content_id,
                content_type=content.content_type,
                title=content.title or content.content_id,
                relevance_score=round(relevance(sum(rounded)), 6),
                confidence_score=round(min(1.0, max(0.0, sure)), 4),
                reason=reason(source, last_title),
                recommendation_id=f"{name}-{place}",
                terms=dict(zip(FAMILIES, rounded, strict=True)),
                rank=rank,
                generated_at=generated_at,
            )
        )
    return entries


def moment(at_ms: int) -> dt.datetime:
    """A point in time, in UTC."""
    return dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC).replace(microsecond=at_ms % 1000 * 1000)


def _first(values: Float64) -> float:
    return float(values[0]) if len(values) else 0.0


def slot_of(kind: str, rows: Sequence[Sequence[Any]], wanted: Context | None) -> tuple[int, bool, float]:
    """(rank, explored, propensity) of the place that exploration decided about; (0, False, 1): there is none.

    Only the list as it is stored was decided about; a narrower question reorders it.
    """
    propensity = rows[0][16]
    if kind != HYBRID or wanted is not None or propensity is None or Rules.of(rows[0][17], rows[0][19]).changed:
        return 0, False, 1.0
    shown = [row for row in rows if row[5] is not None]
    for rank, row in enumerate(shown, start=1):
        if row[15] == SLOT + 1:
            return rank, row[12] == reasons.EXPLORED_CODE, propensity
    return 0, False, 1.0


def of_stored(kind: str, rows: Sequence[Sequence[Any]], wanted: Context | None = None) -> list[Recommendation]:
    """A list of a kind from the rows of ``list_answers.SELECT_LIST`` of a stored hybrid list.

    Args:
        kind: hybrid; or a derived one, which holds the same candidates in the order of its own terms.
        rows: a row an item; those without a content_id are left out.  A pinned item that the list did not hold has
            neither terms nor a source.
        wanted: what the reader is doing now; what fits it comes first.
    """
    shown = [row for row in rows if row[5] is not None]
    candidates = [
        Candidate(
            Described(*row[5:8]),
            tuple(row[8]) or NO_TERMS,
            PINNED_CODE if row[12] is None else row[12],
            COLD_CONFIDENCE if row[13] is None else row[13],
            frozenset(row[14] or ()),
            row[15],
            row[18],
        )
        for row in shown
    ]
    ordered = reordered(kind, candidates, wanted, Rules.of(rows[0][17], rows[0][19]))
    generated_ms = round(rows[0][2].timestamp() * 1000)
    last_title = next((row[9] for row in shown if row[9]), None)
    return recommendations(
        kind,
        rows[0][0],
        generated_ms,
        [one.content for one in ordered],
        [one.terms for one in ordered],
        [one.source for one in ordered],
        [one.confidence for one in ordered],
        last_title,
        [one.place for one in ordered],
    )
