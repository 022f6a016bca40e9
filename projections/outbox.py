"""What must still be produced to Kafka?  Records written in the projection transaction and relayed after it.

At least once, in order of their ids; the ids inside the records are stable, so a consumer can drop repeats.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import LiteralString

import orjson

from projections.projection import OutboxRecord
from projections.stores.postgres import Connection

INTO: LiteralString = "INSERT INTO outbox (topic, part, record_key, record_value, headers, learner_key)"
INSERT: LiteralString = f"""
{INTO}
SELECT * FROM unnest(%(topics)s::text[], %(parts)s::int[], %(keys)s::bytea[], %(values)s::bytea[],
                     %(headers)s::text[]::jsonb[], %(learners)s::bigint[])
"""  # noqa: S608 - of constants only
TAKE = """
SELECT outbox_id, topic, part, record_key, record_value, headers FROM outbox
ORDER BY outbox_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
DELETE = "DELETE FROM outbox WHERE outbox_id = ANY (%(ids)s::bigint[])"
DEPTH = "SELECT count(*) FROM outbox"
FORGET: tuple[LiteralString, ...] = (
    """
    DELETE FROM outbox
    WHERE learner_key = %(learner_key)s
       OR record_key = (SELECT convert_to(user_id, 'UTF8') FROM learners WHERE learner_key = %(learner_key)s)
    """,
)


@lru_cache(maxsize=256)
def encode_headers(headers: tuple[tuple[str, bytes], ...]) -> str:
    """Header pairs as JSON text; values in base64, since Kafka's are bytes.  Most records share them."""
    return orjson.dumps([[name, base64.b64encode(value or b"").decode()] for name, value in headers]).decode()


def decode_headers(stored: Sequence[Sequence[str]]) -> list[tuple[str, bytes]]:
    """The inverse of ``encode_headers``."""
    return [(name, base64.b64decode(value)) for name, value in stored]


def put(connection: Connection, records: Sequence[OutboxRecord]) -> None:
    """Notes the records for the relay, inside the caller's transaction."""
    if not records:
        return
    connection.execute(
        INSERT,
        {
            "topics": [record.topic for record in records],
            "parts": [record.partition for record in records],
            "keys": [record.key for record in records],
            "values": [record.value for record in records],
            "headers": [encode_headers(record.headers) for record in records],
            "learners": [record.learner_key for record in records],
        },
    )


def take(connection: Connection, limit: int) -> list[tuple[int, OutboxRecord]]:
    """Up to ``limit`` of the oldest records that no other relay holds; locked until the transaction ends."""
    rows = connection.execute(TAKE, {"limit": limit}).fetchall()
    return [
        (
            outbox_id,
            OutboxRecord(topic=topic, partition=part, key=key, value=value, headers=tuple(decode_headers(headers))),
        )
        for outbox_id, topic, part, key, value, headers in rows
    ]


def delete(connection: Connection, ids: Sequence[int]) -> None:
    """Strikes records that were produced."""
    connection.execute(DELETE, {"ids": list(ids)})
