"""Which events are new?  Producers retry; an eventId seen within the window (7 days of record time) is dropped.

Seen ids are kept by whole weeks: this week and as many before it as cover the window are searched, older ones are
dropped as a table.  So the window is never shorter than asked, and at most a week longer.

The table holds 64 bits an event.  Of 10^8 events in the window, the chance that any two different ones share a key is
0.03 % (birthday bound n²/2^65).  Keys are inserted sorted, which keeps the index pages of one statement together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import LiteralString

import numpy as np

from models.columns import Int32, Int64, Mask
from projections.stores.binary_copy import RowFormat
from projections.stores.burst import COPY_ROWS, copy_in
from projections.stores.postgres import Connection

WEEK_MS = 7 * 86_400_000

SELECT_SEEN = """
SELECT dedupe_key FROM event_seen WHERE dedupe_key = ANY (%(keys)s) AND record_week = ANY (%(weeks)s)
"""
INSERT = """
INSERT INTO event_seen (record_week, dedupe_key) SELECT * FROM unnest(%(weeks)s, %(keys)s)
"""
COPY_IN: LiteralString = "COPY event_seen (record_week, dedupe_key) FROM STDIN (FORMAT BINARY)"
EXISTING_WEEKS = """
SELECT (regexp_match(child.relname, '^event_seen_w(\\d+)$'))[1]::int
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = 'event_seen'::regclass AND child.relname ~ '^event_seen_w\\d+$'
"""


_ROWS = RowFormat([("record_week", ">i4"), ("dedupe_key", ">i8")])


def dedupe_keys(user_ids: Sequence[str], event_ids: Sequence[str]) -> Int64:
    """First 64 bits of SHA-256(userId, NUL, eventId) for each event, as signed integers."""
    sha256 = hashlib.sha256
    digests = [
        sha256(f"{user}\0{event}".encode()).digest()[:8] for user, event in zip(user_ids, event_ids, strict=True)
    ]
    return np.frombuffer(b"".join(digests), dtype=">i8").astype(np.int64)


def weeks_of(record_ms: Int64) -> Int32:
    """Weeks since 1970-01-01 of record times, the partitions of the table."""
    return (record_ms // WEEK_MS).astype(np.int32)


def first_occurrences(keys: Int64) -> Mask:
    """True where a key stands for the first time in the batch."""
    _, first = np.unique(keys, return_index=True)
    mask = np.zeros(len(keys), bool)
    mask[first] = True
    return mask


def weeks_back(days: int) -> int:
    """How many earlier weeks cover a window of so many days."""
    return -(-days // 7)


class Question:
    """Which of these events are new?  Asked when it is made; the rows are those of the keys."""

    def __init__(self, connection: Connection, keys: Int64, record_ms: Int64, back: int = 1) -> None:
        self._connection = connection
        self._keys = keys
        self._weeks = weeks_of(record_ms)
        self._first = first_occurrences(keys)
        self._answer = None
        if len(keys):
            # A week ahead as well: partitions of one topic are not read in the order of their record times.
            shifts = range(-back, 2)
            around = np.unique(np.concatenate([np.unique(self._weeks) + shift for shift in shifts])).astype(np.int32)
            self._answer = connection.execute(SELECT_SEEN, {"keys": keys[self._first], "weeks": around})

    def fresh(self) -> Mask:
        """True for the rows new in this batch and in the window; within a burst this waits for the answer."""
        seen = self._answer.fetchall() if self._answer is not None else []
        if not seen:
            return self._first
        return self._first & ~np.isin(self._keys, np.array([row[0] for row in seen], np.int64))

    def note(self, new: Mask) -> None:
        """Notes these rows as seen, in the transaction that has their effects: both stand or fall."""
        order = np.argsort(self._keys[new])
        weeks, keys = self._weeks[new][order], self._keys[new][order]
        if len(keys) >= COPY_ROWS:
            copy_in(self._connection, COPY_IN, _ROWS.encode(len(keys), {"record_week": weeks, "dedupe_key": keys}))
        elif len(keys):
            self._connection.execute(INSERT, {"weeks": weeks, "keys": keys})


def prepare_weeks(connection: Connection, weeks: Collection[int], back: int = 1) -> None:
    """Makes the partitions of these weeks, drops those that left the window (autocommit connection).

    There is no default partition: a look-up would have to search it for every week that has none of its own.
    """
    existing = {row[0] for row in connection.execute(EXISTING_WEEKS).fetchall()}
    for week in sorted(set(weeks) - existing):
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS event_seen_w{int(week)} PARTITION OF event_seen FOR VALUES IN ({int(week)})"
        )
    newest = max(existing.union(weeks))
    for week in existing - set(weeks):
        if week < newest - back:
            connection.execute(f"DROP TABLE IF EXISTS event_seen_w{int(week)}")
