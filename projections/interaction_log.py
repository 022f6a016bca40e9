"""What happened?  The log of record: one thin row an accepted interaction, with every fold input and no text.

Rows are appended straight from the columns, many by binary COPY.  ``replay`` reads them back in applied order, which
is how a projection is rebuilt.  Partitions are by event month; what falls outside the made months lies in the default.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, LiteralString

import numpy as np

from models.columns import Int64, Interactions
from projections.stores.binary_copy import RowFormat
from projections.stores.burst import COPY_ROWS, copy_in
from projections.stores.postgres import Connection

_POSTGRES_EPOCH_MS = 946_684_800_000

# (table column, Interactions column, wire type)
_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("occurred_at", "at_ms", ">i8"),
    ("applied_seq", "", ">i8"),
    ("ordinal", "", ">i4"),
    ("learner_key", "learner", ">i8"),
    ("item_key", "item", ">i8"),
    ("dedupe_key", "dedupe_key", ">i8"),
    ("local_day", "local_day", ">i4"),
    ("consent", "consent", ">i4"),
    ("time_spent_seconds", "time_spent_seconds", ">f4"),
    ("expected_seconds", "expected_seconds", ">f4"),
    ("completion_rate", "completion_rate", ">f4"),
    ("rating", "rating", ">f4"),
    ("clicks", "clicks", ">f4"),
    ("scroll_depth", "scroll_depth", ">f4"),
    ("score", "score", ">f4"),
    ("sentiment", "sentiment", ">f4"),
    ("content_type_key", "content_type", ">i2"),
    ("interaction_type", "type", ">i2"),
    ("local_hour", "local_hour", ">i2"),
    ("success", "success", ">i2"),
)
COPY_IN: LiteralString = """
COPY interaction_log (occurred_at, applied_seq, ordinal, learner_key, item_key, dedupe_key, local_day, consent,
    time_spent_seconds, expected_seconds, completion_rate, rating, clicks, scroll_depth, score, sentiment,
    content_type_key, interaction_type, local_hour, success) FROM STDIN (FORMAT BINARY)
"""
INSERT = """
INSERT INTO interaction_log (occurred_at, applied_seq, ordinal, learner_key, item_key, dedupe_key, local_day, consent,
    time_spent_seconds, expected_seconds, completion_rate, rating, clicks, scroll_depth, score, sentiment,
    content_type_key, interaction_type, local_hour, success)
SELECT occurred_at, %(applied_seq)s, ordinal, learner_key, item_key, dedupe_key, local_day, consent,
       time_spent_seconds, expected_seconds, completion_rate, rating, clicks, scroll_depth, score, sentiment,
       content_type_key, interaction_type, local_hour, success
FROM unnest(%(occurred_at)s, %(ordinal)s, %(learner_key)s, %(item_key)s, %(dedupe_key)s, %(local_day)s, %(consent)s,
            %(time_spent_seconds)s, %(expected_seconds)s, %(completion_rate)s, %(rating)s, %(clicks)s,
            %(scroll_depth)s, %(score)s, %(sentiment)s, %(content_type_key)s, %(interaction_type)s, %(local_hour)s,
            %(success)s)
    AS u (occurred_at, ordinal, learner_key, item_key, dedupe_key, local_day, consent, time_spent_seconds,
          expected_seconds, completion_rate, rating, clicks, scroll_depth, score, sentiment, content_type_key,
          interaction_type, local_hour, success)
"""
COPY_OUT: LiteralString = """
COPY (SELECT occurred_at, applied_seq, ordinal, learner_key, item_key, dedupe_key, local_day, consent,
    time_spent_seconds, expected_seconds, completion_rate, rating, clicks, scroll_depth, score, sentiment,
    content_type_key, interaction_type, local_hour, success
    FROM interaction_log WHERE applied_seq > %(after)s AND applied_seq <= %(upto)s
    ORDER BY applied_seq, ordinal) TO STDOUT (FORMAT BINARY)
"""
NEXT_RANGE = """
SELECT max(applied_seq) FROM (
    SELECT applied_seq, applied, sum(applied) OVER (ORDER BY applied_seq) AS rows_so_far FROM (
        SELECT applied_seq, sum(applied) AS applied FROM applied_range
        WHERE applied_seq > %(after)s AND applied_seq <= %(upto)s AND applied > 0
        GROUP BY applied_seq ORDER BY applied_seq LIMIT 5000
    ) AS transactions
) AS ahead WHERE rows_so_far - applied < %(rows)s
"""
END = 2**63 - 1
"""Behind every ``applied_seq``."""
# The cast lets the index serve: it knows keys of its own width only.
FORGET: tuple[LiteralString, ...] = ("DELETE FROM interaction_log WHERE learner_key = %(learner_key)s::bigint",)


_ROWS = RowFormat([(column, wire) for column, _, wire in _FIELDS])


def encode(batch: Interactions, applied_seq: int) -> bytes:
    """The batch in Postgres' binary COPY format."""
    columns: dict[str, Any] = {column: getattr(batch, source) for column, source, _ in _FIELDS if source}
    columns["occurred_at"] = (batch.at_ms - _POSTGRES_EPOCH_MS) * 1000
    own = {"applied_seq": applied_seq, "ordinal": np.arange(len(batch))}
    return _ROWS.encode(len(batch), {**columns, **own})


def decode(data: bytes) -> Interactions:
    """The inverse of ``encode``."""
    columns = _ROWS.decode(data)
    values: dict[str, Any] = {source: columns[column] for column, source, _ in _FIELDS if source}
    values["at_ms"] = values["at_ms"] // 1000 + _POSTGRES_EPOCH_MS
    return Interactions(**values)


def append(connection: Connection, batch: Interactions, applied_seq: int) -> None:
    """Appends the batch, inside the projection transaction."""
    if len(batch) >= COPY_ROWS:
        copy_in(connection, COPY_IN, encode(batch, applied_seq))
    elif len(batch):
        columns = {column: getattr(batch, source) for column, source, _ in _FIELDS if source}
        columns["occurred_at"] = batch.at_ms.astype("datetime64[ms]")
        columns["ordinal"] = np.arange(len(batch), dtype=np.int32)
        connection.execute(INSERT, {**columns, "applied_seq": applied_seq})


def replay(connection: Connection, after: int, rows: int, upto: int = END) -> Iterator[tuple[int, Interactions]]:
    """(last applied_seq, batch) from behind ``after`` to ``upto`` inclusive, about ``rows`` interactions at a time."""
    while True:
        found = connection.execute(NEXT_RANGE, {"after": after, "upto": upto, "rows": rows}).fetchone()
        last = found[0] if found else None
        if last is None:
            return
        with connection.cursor() as cursor, cursor.copy(COPY_OUT, {"after": after, "upto": last}) as copy:
            data = b"".join(bytes(block) for block in copy)
        yield last, decode(data)
        after = last


def month_of(at_ms: int) -> tuple[int, int]:
    """(year, month) in UTC."""
    moment = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return moment.year, moment.month


def months_in(at_ms: Int64) -> set[tuple[int, int]]:
    """The distinct UTC months of the event times."""
    months = np.unique(at_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64))
    return {(1970 + int(m) // 12, int(m) % 12 + 1) for m in months}


def prepare_month(connection: Connection, year: int, month: int) -> None:
    """Makes the partition of a month unless it exists or its rows already lie in the default one (autocommit)."""
    first = dt.date(year, month, 1)
    following = dt.date(year + month // 12, month % 12 + 1, 1)
    name = f"interaction_log_{year:04d}_{month:02d}"
    present = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()
    in_default = connection.execute(
        "SELECT EXISTS (SELECT FROM interaction_log_default WHERE occurred_at >= %s AND occurred_at < %s)",
        (first, following),
    ).fetchone()
    if present == (True,) or in_default == (True,):
        return
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF interaction_log FOR VALUES FROM ('{first}') TO ('{following}')"
    )
