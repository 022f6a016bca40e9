"""Which records could not be folded, and why?  A row with the original bytes, and a record on ``dead-letters``.

The row is the truth (it commits with the offset that passes the record); the topic is a relay of it.  Error headers
follow Kafka Connect's names, so that existing tools can read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import LiteralString

from projections.outbox import encode_headers
from projections.poll import DeadLetter, TopicPartition
from projections.projection import OutboxRecord
from projections.stores.postgres import Connection
from schemas.topics import DEAD_LETTERS

INSERT = """
INSERT INTO dead_letter (topic, part, log_offset, reason, pointer, detail, producer, record_key, record_value, headers,
                         record_at)
SELECT %(topic)s, %(part)s, * FROM unnest(%(offsets)s::bigint[], %(reasons)s::text[], %(pointers)s::text[],
    %(details)s::text[], %(producers)s::text[], %(keys)s::bytea[], %(values)s::bytea[], %(headers)s::text[]::jsonb[],
    %(record_at)s::timestamptz[])
ON CONFLICT DO NOTHING
"""
FORGET: tuple[LiteralString, ...] = (
    """
    DELETE FROM dead_letter
    WHERE record_key = (SELECT convert_to(user_id, 'UTF8') FROM learners WHERE learner_key = %(learner_key)s)
    """,
)


def error_headers(partition: TopicPartition, letter: DeadLetter) -> tuple[tuple[str, bytes], ...]:
    """The headers that say what was wrong, behind the record's own."""
    prefix = "__connect.errors."
    return (
        *letter.headers,
        (f"{prefix}topic", partition.topic.encode()),
        (f"{prefix}partition", str(partition.part).encode()),
        (f"{prefix}offset", str(letter.offset).encode()),
        (f"{prefix}stage", b"VALUE_CONVERTER"),
        (f"{prefix}class.name", b"schemas.decode"),
        (f"{prefix}exception.class.name", letter.reason.encode()),
        (f"{prefix}exception.message", f"{letter.pointer} {letter.detail}".strip().encode()),
    )


def put(connection: Connection, partition: TopicPartition, letters: Sequence[DeadLetter]) -> list[OutboxRecord]:
    """Writes the rows and returns the records that the relay is to produce."""
    if not letters:
        return []
    connection.execute(
        INSERT,
        {
            "topic": partition.topic,
            "part": partition.part,
            "offsets": [letter.offset for letter in letters],
            "reasons": [letter.reason for letter in letters],
            "pointers": [letter.pointer for letter in letters],
            "details": [letter.detail for letter in letters],
            "producers": [letter.producer for letter in letters],
            "keys": [letter.key for letter in letters],
            "values": [letter.value for letter in letters],
            "headers": [encode_headers(letter.headers) for letter in letters],
            "record_at": [datetime.fromtimestamp(letter.record_ms / 1000, UTC) for letter in letters],
        },
    )
    return [
        OutboxRecord(
            topic=DEAD_LETTERS.name,
            key=letter.key,
            value=letter.value,
            headers=error_headers(partition, letter),
        )
        for letter in letters
    ]
