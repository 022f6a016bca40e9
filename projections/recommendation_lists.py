"""What should each learner do next?  Ready lists of three kinds, rewritten for the learners that were touched.

Not a fold: a list is derived from preferences, popularity, completions and the catalogue as they stand, so it needs no
part in the exactly-once transaction.  It says which position it reflects; a learner whose newest change is behind it is
found by `stale_learners`.  A list holds no completed, withdrawn or prerequisite-blocked content, and it is not empty
while there is any other.  Learners who did not consent to personalisation get what is popular.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import LiteralString, NamedTuple

import msgspec
import numpy as np

from models import content_based, list_ranking, preferences, trending
from models.columns import CONSENT_PERSONALISE, Float32, Float64, Int64, Mask
from models.content_based import Taste
from models.grouping import positions
from models.list_ranking import BLEND, TERMS, Ranked
from projections.content_snapshot import Catalogue, refresh
from projections.list_answers import SELECT_LIST, Entry, of_stored, recommendations
from projections.reads import ready_list
from projections.stores.packed import packed_columns
from projections.stores.postgres import Connection
from projections.stores.redis import Mirror, recommendations_key

LIST_LENGTH = 100
"""Items of a list; a read that filters still finds enough."""
LEARNERS_AT_ONCE = 64
"""Bounds how long the readers of a chunk go to Postgres, and its matrices: 64 x 10,000 items are 2.5 MB each."""
FORGOTTEN_VERSION = (1 << 63) - 1
"""Newer than any list: the key of an erased learner is never used again."""

AS_OF = "SELECT coalesce(max(watermark_ms), 0) FROM stream_offset"
SELECT_LEARNERS = """
SELECT learner_key, consent,
       greatest(engagement.applied_seq, recent_interaction.applied_seq, learner_private.version, rules_seq),
       concat_ws(' ', array_to_string(interests, ' '), array_to_string(learning_objectives, ' '),
                 array_to_string(career_goals, ' '))
FROM learners
LEFT JOIN engagement USING (learner_key)
LEFT JOIN recent_interaction USING (learner_key)
LEFT JOIN learner_private USING (learner_key)
WHERE learner_key = ANY (%(learners)s::bigint[])
ORDER BY learner_key
"""
"""What a list must reflect is read before what it is made of: it may reflect more than it says, never less."""
SELECT_RULED = "SELECT learner_key FROM learners WHERE learner_key = ANY (%(learners)s::bigint[]) AND rules_seq > 0"
SELECT_PREFERENCES = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(item_key)), array_send(array_agg(log_positive)),
       array_send(array_agg(log_negative)), array_send(array_agg(events)), array_send(array_agg(completions))
FROM (SELECT learner_key, item_key, log_positive, log_negative, events, completions
      FROM preference WHERE learner_key = ANY (%(learners)s::bigint[]) ORDER BY learner_key, item_key) AS sorted
"""
SELECT_POPULARITY = "SELECT array_send(array_agg(item_key)), array_send(array_agg(log_24h)) FROM trending"
UPSERT = """
INSERT INTO recommendations (learner_key, type, item_keys, scores, terms, because, confidence, generated_at, as_of,
                             applied_seq)
SELECT new.learner_key, %(type)s, (%(item_keys)s::bigint[])[first : last], (%(scores)s::real[])[first : last],
       (%(terms)s::real[])[(first - 1) * %(term_count)s::int + 1 : last * %(term_count)s::int],
       (%(because)s::bigint[])[first : last], new.confidence, %(generated_at)s, %(as_of)s, new.applied_seq
FROM unnest(%(learners)s::bigint[], %(firsts)s::int[], %(lasts)s::int[], %(confidence)s::real[],
            %(applied_seq)s::bigint[]) AS new (learner_key, first, last, confidence, applied_seq)
JOIN learners ON learners.learner_key = new.learner_key
ORDER BY new.learner_key
FOR KEY SHARE OF learners
ON CONFLICT (learner_key, type) DO UPDATE SET
    item_keys = excluded.item_keys, scores = excluded.scores, terms = excluded.terms, because = excluded.because,
    confidence = excluded.confidence, generated_at = excluded.generated_at, as_of = excluded.as_of,
    applied_seq = excluded.applied_seq, writer = excluded.writer, sources = excluded.sources,
    confidences = excluded.confidences
WHERE recommendations.applied_seq <= excluded.applied_seq
"""
"""The join keeps a learner away who was erased meanwhile, and an older list never replaces a newer one."""
SELECT_STALE = """
SELECT learner_key FROM learners
LEFT JOIN engagement USING (learner_key)
LEFT JOIN recent_interaction USING (learner_key)
LEFT JOIN learner_private USING (learner_key)
LEFT JOIN (SELECT learner_key, min(applied_seq) AS applied_seq, count(*) AS kinds
           FROM recommendations WHERE type = ANY (%(kinds)s::text[]) GROUP BY learner_key) AS lists USING (learner_key)
WHERE coalesce(engagement.learner_key, learner_private.learner_key) IS NOT NULL
  AND (lists.kinds IS DISTINCT FROM cardinality(%(kinds)s::text[])
       OR lists.applied_seq < greatest(engagement.applied_seq, recent_interaction.applied_seq, learner_private.version,
                                    rules_seq))
ORDER BY greatest(engagement.applied_seq, learner_private.version) DESC
"""
FORGET: tuple[LiteralString, ...] = ("DELETE FROM recommendations WHERE learner_key = %(learner_key)s",)

KINDS = tuple(BLEND)
MIRRORED = "hybrid"
"""The kind that is served when none is asked for goes to Redis at once.  An older list of another kind is taken out of
Redis, and its next reader brings in the new one from Postgres: rendering is half of the work, mostly for no reader."""


class _Learners(NamedTuple):
    """What is read of L learners, ascending by key."""

    key: Int64
    personalised: Mask
    applied_seq: Int64
    interests: list[str]


class _History(NamedTuple):
    """Their r pairs of a learner and an item of the catalogue, ascending by learner."""

    owner: Int64
    item: Int64
    positive: Float64
    negative: Float64
    events: Int64
    completed: Mask


def stale_learners(connection: Connection, kinds: Sequence[str] = KINDS) -> list[int]:
    """Learners with a list of these kinds missing or older than their newest change, the newest change first."""
    return [row[0] for row in connection.execute(SELECT_STALE, {"kinds": list(kinds)}).fetchall()]


def write_lists(
    connection: Connection,
    learner_keys: Sequence[int],
    catalogue: Catalogue,
    mirror: Mirror,
    kinds: Sequence[str] = KINDS,
) -> None:
    """Rewrites the lists of some learners in Postgres and Redis.

    Between the two a learner's readers go to Postgres: what Redis shall hold is made before, and sent at once.

    Args:
        connection: in autocommit; the lists of a chunk of learners are committed together.
        learner_keys: whose; unknown ones are passed over.
        catalogue: the content to choose from.
        mirror: the Redis writer; flushed here as often as there are chunks.
        kinds: which lists; the others have another writer.
    """
    if not len(catalogue):
        return
    as_of_ms = _scalar(connection, AS_OF)
    generated_ms = int(time.time() * 1000)
    popularity = _popularity(connection, catalogue)
    ties = np.empty(len(catalogue), np.int64)
    ties[np.lexsort((catalogue.item_key, catalogue.order, -popularity))] = np.arange(len(catalogue))
    keys = np.unique(np.asarray(learner_keys, np.int64))
    for start in range(0, len(keys), LEARNERS_AT_ONCE):
        learners = _learners(connection, keys[start : start + LEARNERS_AT_ONCE])
        if not len(learners.key):
            continue
        history = _history(connection, learners, catalogue, as_of_ms)
        lists = _score(learners, history, catalogue, popularity, ties)
        confidence = list_ranking.confidence(np.bincount(history.owner, history.events, len(learners.key)))
        ready = []
        if MIRRORED in kinds:
            ready = _ready(*lists[MIRRORED], learners, confidence, catalogue, generated_ms, as_of_ms)
            _withhold(mirror, learners)
        with connection.transaction():
            for kind in kinds:
                ranked, because = lists[kind]
                _store(connection, kind, ranked, because, learners, confidence, catalogue, generated_ms, as_of_ms)
        if MIRRORED not in kinds:
            _forget_older(mirror, kinds, learners)
            mirror.flush()
            continue
        ruled = frozenset(row[0] for row in connection.execute(SELECT_RULED, {"learners": learners.key}).fetchall())
        _mirror(mirror, learners, ready, ruled)
        mirror.flush()


def _withhold(mirror: Mirror, learners: _Learners) -> None:
    """Empties the mirrored lists that are about to change, before they do.

    A crash between the commit and the last flush would otherwise leave an older list in Redis than in Postgres, and
    nothing would find it: by its row the learner is up to date.  An empty key sends the reader to Postgres.
    """
    for learner_key, applied_seq in zip(learners.key.tolist(), learners.applied_seq.tolist(), strict=True):
        mirror.forget(recommendations_key(learner_key, MIRRORED), applied_seq)
    mirror.flush()


def forget_mirrored(mirror: Mirror, learner_keys: Sequence[int]) -> None:
    """Queues the removal of erased learners' lists from Redis."""
    for learner_key in learner_keys:
        for kind in KINDS:
            mirror.forget(recommendations_key(learner_key, kind), FORGOTTEN_VERSION)


def _forget_older(mirror: Mirror, kinds: Sequence[str], learners: _Learners) -> None:
    for learner_key, applied_seq in zip(learners.key.tolist(), learners.applied_seq.tolist(), strict=True):
        for kind in kinds:
            mirror.forget(recommendations_key(learner_key, kind), applied_seq)


def _scalar(connection: Connection, query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _popularity(connection: Connection, catalogue: Catalogue) -> Float32:
    """(I,) in [0, 1]: the share of the most popular that can be shown."""
    keys, log_24h = packed_columns(connection, SELECT_POPULARITY, None, (np.int64, np.float64))
    place = catalogue.positions(keys)
    log_sum = np.full(len(catalogue), -np.inf)
    log_sum[place[place >= 0]] = log_24h[place >= 0]
    log_sum[catalogue.withdrawn] = -np.inf
    return trending.relative(log_sum).astype(np.float32)


def _learners(connection: Connection, keys: Int64) -> _Learners:
    rows = connection.execute(SELECT_LEARNERS, {"learners": keys}).fetchall()
    personalised = np.array([bool(row[1] & CONSENT_PERSONALISE) for row in rows], bool)
    return _Learners(
        key=np.array([row[0] for row in rows], np.int64),
        personalised=personalised,
        applied_seq=np.array([row[2] for row in rows], np.int64),
        interests=[row[3] if agreed else "" for row, agreed in zip(rows, personalised.tolist(), strict=True)],
    )


def _history(connection: Connection, learners: _Learners, catalogue: Catalogue, as_of_ms: int) -> _History:
    dtypes = (np.int64, np.int64, np.float64, np.float64, np.int32, np.int32)
    found = packed_columns(connection, SELECT_PREFERENCES, {"learners": learners.key}, dtypes)
    item = catalogue.positions(found[1])
    key, _, log_positive, log_negative, events, completions = (column[item >= 0] for column in found)
    owner = positions(learners.key, key)
    agreed = learners.personalised[owner]
    return _History(
        owner=owner,
        item=item[item >= 0],
        positive=np.where(agreed, preferences.weights_at(log_positive, as_of_ms), 0.0),
        negative=np.where(agreed, preferences.weights_at(log_negative, as_of_ms), 0.0),
        events=events.astype(np.int64),
        completed=completions > 0,
    )


def _score(
    learners: _Learners, history: _History, catalogue: Catalogue, popularity: Float32, ties: Int64
) -> dict[str, tuple[Ranked, Int64]]:
    """By kind: the lists, and of their mirrored beginning the item (key) of the learner's history nearest to each."""
    taste = Taste(
        history.owner,
        history.item,
        history.positive,
        history.negative,
        content_based.vectors(catalogue.text, learners.interests),
    )
    known = np.unique(history.item)
    similar = catalogue.similarities(known)
    scores = content_based.score(catalogue.vectors, similar, known, taste)
    completed = np.zeros((len(learners.key), len(catalogue)), bool)
    completed[history.owner[history.completed], history.item[history.completed]] = True
    excluded = completed | catalogue.withdrawn
    if len(catalogue.needs):
        excluded |= list_ranking.blocked(completed, catalogue.needs_item, catalogue.needs)
    lists: dict[str, tuple[Ranked, Int64]] = {}
    for kind in KINDS:
        ranked = list_ranking.rank(kind, scores, popularity, excluded, ties, LIST_LENGTH)
        because = np.zeros(ranked.item.shape, np.int64)
        if BLEND[kind][0] > 0:
            shown = ready_list.MOST_ITEMS
            pair = content_based.strongest(taste, similar, known, ranked.item[:, :shown])
            nearest = catalogue.item_key[history.item[pair]] if len(history.item) else np.zeros(pair.shape, np.int64)
            because[:, :shown] = np.where(pair >= 0, nearest, 0)
        lists[kind] = ranked, because
    return lists


def _store(
    connection: Connection,
    kind: str,
    ranked: Ranked,
    because: Int64,
    learners: _Learners,
    confidence: Float64,
    catalogue: Catalogue,
    generated_ms: int,
    as_of_ms: int,
) -> None:
    held = ranked.item >= 0
    lasts = np.cumsum(held.sum(axis=1))
    connection.execute(
        UPSERT,
        {
            "type": kind,
            "learners": learners.key,
            "firsts": (lasts - held.sum(axis=1) + 1).astype(np.int32),
            "lasts": lasts.astype(np.int32),
            "item_keys": catalogue.item_key[ranked.item[held]],
            "scores": ranked.terms[held].sum(axis=1).astype(np.float32),
            "terms": ranked.terms[held].astype(np.float32).ravel(),
            "term_count": len(TERMS),
            "because": because[held],
            "confidence": confidence.astype(np.float32),
            "applied_seq": learners.applied_seq,
            "generated_at": _moment(generated_ms),
            "as_of": _moment(as_of_ms),
        },
    )


def _ready(
    ranked: Ranked,
    because: Int64,
    learners: _Learners,
    confidence: Float64,
    catalogue: Catalogue,
    generated_ms: int,
    as_of_ms: int,
) -> list[bytes]:
    """The beginning of each learner's list, as Redis holds it."""
    shown = min(ready_list.MOST_ITEMS, ranked.item.shape[1])
    generated_at = _moment(generated_ms)
    near = catalogue.positions(because[:, :shown].ravel()).reshape(-1, shown)
    columns = zip(
        learners.key.tolist(),
        np.round(confidence, 4).tolist(),
        ranked.item[:, :shown].tolist(),
        ranked.terms[:, :shown].tolist(),
        near.tolist(),
        (ranked.item >= 0).sum(axis=1).tolist(),
        strict=True,
    )
    ids, types, titles = catalogue.content_id, catalogue.content_type, catalogue.title
    payloads = []
    for learner_key, sure, items, terms, nearest, length in columns:
        entries = [
            Entry(place, ids[item], types[item], titles[item], parts, titles[one] if one >= 0 else None, one == item)
            for place, (item, parts, one) in enumerate(zip(items[:length], terms, nearest, strict=False), start=1)
        ]
        ready = ready_list.pack(
            [_encode(one) for one in recommendations(MIRRORED, learner_key, generated_at, sure, entries)],
            generated_at_ms=generated_ms,
            as_of_ms=as_of_ms,
        )
        payloads.append(ready_list.encode(msgspec.structs.replace(ready, complete=length <= len(entries))))
    return payloads


def _mirror(mirror: Mirror, learners: _Learners, ready: Sequence[bytes], ruled: frozenset[int]) -> None:
    """Queues the lists, and takes the older ones of other kinds out; of learners with rules, all of them.

    What the rules forbid is left out when a list is read from Postgres.
    """
    for key, applied_seq, payload in zip(learners.key.tolist(), learners.applied_seq.tolist(), ready, strict=True):
        for kind in KINDS:
            if kind != MIRRORED or key in ruled:
                mirror.forget(recommendations_key(key, kind), applied_seq)
            else:
                mirror.put(recommendations_key(key, kind), applied_seq, payload)


_encode = msgspec.json.Encoder().encode


def _moment(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)


__all__ = [
    "FORGET",
    "KINDS",
    "SELECT_LIST",
    "Catalogue",
    "forget_mirrored",
    "of_stored",
    "refresh",
    "stale_learners",
    "write_lists",
]
