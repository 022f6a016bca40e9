"""What did each learner do last?  Table ``recent_interaction``: one row a learner, his newest 50 interactions.

A ring is 1.5 KB and a batch touches over a thousand of them, so it is not carried to the fold and back when that is not
needed: where everything in the batch is newer than the stored ring, the batch's own newest entries are put in front of
it in SQL.  Only the rings of learners with late events are read, and written whole.
"""

from __future__ import annotations

from typing import LiteralString

import numpy as np

from models.columns import Int64, Interactions, Mask
from models.grouping import Groups, group, positions
from models.recent import Recent, empty, update
from projections.projection import Effects, Projection
from projections.stores import packed
from projections.stores.packed import Answer, EndToEnd, packed_answer, packed_columns
from projections.stores.postgres import Connection

NEWEST: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(at_ms[1]))
FROM recent_interaction WHERE learner_key = ANY(%(learners)s)
"""
RINGS: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(cardinality(at_ms))),
       string_agg(substr(array_send(item_keys), 21), ''), string_agg(substr(array_send(content_types), 21), ''),
       string_agg(substr(array_send(types), 21), ''), string_agg(substr(array_send(at_ms), 21), ''),
       string_agg(substr(array_send(dedupe_keys), 21), '')
FROM (SELECT * FROM recent_interaction WHERE learner_key = ANY(%(learners)s) ORDER BY learner_key) AS ring
"""
WRITE: LiteralString = """
INSERT INTO recent_interaction (learner_key, item_keys, content_types, types, at_ms, dedupe_keys, applied_seq)
SELECT u.learner_key,
       ((%(item_keys)s::bigint[])[u.first : u.last] || before.item_keys)[1:50],
       ((%(content_types)s::smallint[])[u.first : u.last] || before.content_types)[1:50],
       ((%(types)s::smallint[])[u.first : u.last] || before.types)[1:50],
       ((%(at_ms)s::bigint[])[u.first : u.last] || before.at_ms)[1:50],
       ((%(dedupe_keys)s::bigint[])[u.first : u.last] || before.dedupe_keys)[1:50],
       %(applied_seq)s
FROM unnest(%(learners)s, %(first)s, %(last)s, %(whole)s) AS u (learner_key, first, last, whole)
LEFT JOIN recent_interaction AS before ON before.learner_key = u.learner_key AND NOT u.whole
ON CONFLICT (learner_key) DO UPDATE SET
    item_keys = excluded.item_keys, content_types = excluded.content_types, types = excluded.types,
    at_ms = excluded.at_ms, dedupe_keys = excluded.dedupe_keys, applied_seq = excluded.applied_seq
"""
FORGET: LiteralString = "DELETE FROM recent_interaction WHERE learner_key = %(learner_key)s"

_RING_DTYPES = (np.int64, np.int32, *map(EndToEnd, (np.int64, np.int16, np.int16, np.int64, np.int64)))


def ask(connection: Connection, batch: Interactions) -> tuple[Groups, Answer]:
    """The batch by learner, and the question for the newest that is stored of each."""
    groups = group(batch.learner)
    return groups, packed.ask(connection, NEWEST, {"learners": groups.keys})


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Folds a batch into the table, inside the caller's transaction."""
    groups, answer = effects.asked.pop("recent_interactions", None) or ask(connection, batch)
    late = _late(answer, groups, batch)
    if not groups.size:
        return
    ring = update(load(connection, groups.keys, late), groups, batch)
    connection.execute(
        WRITE,
        {
            "learners": groups.keys,
            "first": (ring.starts[:-1] + 1).astype(np.int32),
            "last": ring.starts[1:].astype(np.int32),
            "whole": late,
            "item_keys": ring.item,
            "content_types": ring.content_type,
            "types": ring.type,
            "at_ms": ring.at_ms,
            "dedupe_keys": ring.dedupe_key,
            "applied_seq": effects.applied_seq,
        },
    )


def _late(newest: Answer, groups: Groups, batch: Interactions) -> Mask:
    """(g,) learners with an event in the batch that is not newer than all that is stored of him."""
    keys, newest_ms = packed_answer(newest, (np.int64, np.int64))
    stored_ms = np.full(groups.size, np.iinfo(np.int64).min)
    stored_ms[positions(groups.keys, keys)] = newest_ms
    late = np.zeros(groups.size, np.bool_)
    late[groups.inverse[batch.at_ms <= stored_ms[groups.inverse]]] = True
    return late


def load(connection: Connection, learners: Int64, wanted: Mask) -> Recent:
    """The stored rings of the ``wanted`` (g,) among the learners (g,), ascending; the others come empty."""
    if not wanted.any():
        return empty(len(learners))
    keys, kept, *entries = packed_columns(connection, RINGS, {"learners": learners[wanted]}, _RING_DTYPES)
    lengths = np.zeros(len(learners), np.int64)
    lengths[positions(learners, keys)] = kept
    return Recent(np.concatenate(([0], np.cumsum(lengths))), *entries)


PROJECTION = Projection(
    name="recent_interactions",
    question="What did each learner do last?",
    tables=("recent_interaction",),
    ask=ask,
    apply=apply,
    forget=(FORGET,),
)
