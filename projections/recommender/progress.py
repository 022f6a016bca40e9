"""How far is the worker, and which of its transactions does a list reflect?  Offsets, ranges and the status row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import LiteralString

from projections.offsets import WORKER
from projections.poll import TopicPartition
from projections.recommender.evaluation import Sums
from projections.stores.postgres import Connection
from schemas.topics import INTERACTIONS, LEARNER_COMMANDS

GROUP = "recommender"
"""Its rows in ``stream_offset``."""
TOPICS = (INTERACTIONS, LEARNER_COMMANDS)
KEPT_STEPS = 200_000
"""Rows of `recommender_range` are kept for so many steps."""

WORKER_OFFSETS: LiteralString = """
SELECT topic, part, next_offset FROM stream_offset WHERE projection = %(worker)s AND topic = ANY (%(topics)s::text[])
"""
NEWEST_WITHIN: LiteralString = """
SELECT part, (
    SELECT applied_seq FROM applied_range r
    WHERE r.projection = %(worker)s AND r.topic = %(topic)s AND r.part = here.part AND r.first_offset < here.next_offset
      AND r.end_offset <= here.next_offset
    ORDER BY r.first_offset DESC LIMIT 1)
FROM unnest(%(parts)s::int[], %(offsets)s::bigint[]) AS here (part, next_offset)
"""
INSERT_RANGES: LiteralString = """
INSERT INTO recommender_range (step, topic, part, first_offset, end_offset, learn_share)
SELECT * FROM unnest(%(steps)s::bigint[], %(topics)s::text[], %(parts)s::int[], %(firsts)s::bigint[],
                     %(ends)s::bigint[], %(shares)s::real[])
"""
DELETE_RANGES: LiteralString = "DELETE FROM recommender_range WHERE step < %(step)s"
RANGES: LiteralString = """
SELECT step, topic, part, first_offset, end_offset, learn_share FROM recommender_range ORDER BY step, topic, part
"""
BEGIN_ANEW: LiteralString = "UPDATE stream_offset SET next_offset = 0 WHERE projection = 'recommender'"
FORGET_RANGES: LiteralString = "DELETE FROM recommender_range"
ADD_EVALUATION: LiteralString = """
INSERT INTO recommender_evaluation (hour, source, session, events, hits, ndcg_sum)
SELECT to_timestamp(hour_ms / 1000.0), source, session, sum(events), sum(hits), sum(ndcg)
FROM unnest(%(hours)s::bigint[], %(sources)s::text[], %(sessions)s::text[], %(events)s::bigint[],
            %(hits)s::bigint[], %(ndcgs)s::float8[]) AS new (hour_ms, source, session, events, hits, ndcg)
GROUP BY 1, 2, 3
ON CONFLICT (hour, source, session) DO UPDATE SET
    events = recommender_evaluation.events + excluded.events, hits = recommender_evaluation.hits + excluded.hits,
    ndcg_sum = recommender_evaluation.ndcg_sum + excluded.ndcg_sum
"""
PUT_COVERAGE: LiteralString = """
INSERT INTO recommender_coverage (hour, lists, shown_items, known_items)
VALUES (date_trunc('hour', now()), %(lists)s, %(shown)s, %(known)s)
ON CONFLICT (hour) DO UPDATE SET
    lists = recommender_coverage.lists + excluded.lists, shown_items = excluded.shown_items,
    known_items = excluded.known_items
"""
ALONE_LOCK = 7_301_884_410
TRY_ALONE: LiteralString = "SELECT pg_try_advisory_lock(%(lock)s)"

Range = tuple[int, str, int, int, int, float]
"""(step, topic, partition, first offset, end offset, share learnt from)"""


def worker_offsets(connection: Connection) -> dict[TopicPartition, int]:
    """How far the worker has committed."""
    return ask_worker_offsets(connection)()


def ask_worker_offsets(connection: Connection) -> Callable[[], dict[TopicPartition, int]]:
    """Asks how far the worker has committed; what it returns reads the answer."""
    which = {"worker": WORKER, "topics": [topic.name for topic in TOPICS]}
    answer = connection.execute(WORKER_OFFSETS, which)
    return lambda: {TopicPartition(topic, part): offset for topic, part, offset in answer.fetchall()}


def reflected(
    connection: Connection, worker: Mapping[TopicPartition, int], own: Mapping[TopicPartition, int]
) -> dict[int, int]:
    """For partitions where the worker is ahead: its newest transaction that is reflected.

    Args:
        connection: for the worker's ranges.
        worker: how far the worker is.
        own: how far the recommender is.
    """
    newest: dict[int, int] = {}
    for topic in TOPICS:
        behind = {
            partition.part: own[partition]
            for partition, offset in worker.items()
            if partition.topic == topic.name and own.get(partition, offset) < offset
        }
        if not behind:
            continue
        which = {"worker": WORKER, "topic": topic.name, "parts": [*behind], "offsets": [*behind.values()]}
        for part, applied_seq in connection.execute(NEWEST_WITHIN, which).fetchall():
            newest[part] = min(newest.get(part, applied_seq or 0), applied_seq or 0)
    return newest


def put_ranges(connection: Connection, ranges: Sequence[Range]) -> None:
    """Notes what was folded, inside the snapshot's transaction; drops what is old."""
    if not ranges:
        return
    names = ("steps", "topics", "parts", "firsts", "ends", "shares")
    connection.execute(
        INSERT_RANGES, {name: list(column) for name, column in zip(names, zip(*ranges, strict=True), strict=True)}
    )
    connection.execute(DELETE_RANGES, {"step": ranges[-1][0] - KEPT_STEPS})


def ranges(connection: Connection) -> list[Range]:
    """What was folded, in the order in which it was."""
    return [
        (step, topic, part, first, end, share)
        for step, topic, part, first, end, share in connection.execute(RANGES).fetchall()
    ]


def begin_anew(connection: Connection) -> None:
    """Lets the log be folded from its beginning, inside the caller's transaction."""
    connection.execute(BEGIN_ANEW)
    connection.execute(FORGET_RANGES)


def add_evaluation(connection: Connection, sums: Sequence[Sums]) -> None:
    """Adds to the hours, inside the snapshot's transaction."""
    if not sums:
        return
    names = ("hours", "sources", "sessions", "events", "hits", "ndcgs")
    connection.execute(
        ADD_EVALUATION, {name: list(column) for name, column in zip(names, zip(*sums, strict=True), strict=True)}
    )


def try_alone(connection: Connection) -> bool:
    """Whether this session is now the only recommender; it stays so until it closes."""
    row = connection.execute(TRY_ALONE, {"lock": ALONE_LOCK}).fetchone()
    return bool(row and row[0])
