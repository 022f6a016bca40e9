"""Who was refused, and what did administrators do?  An append-only chain: a changed row breaks all hashes after it.

``hash(n) = SHA-256(hash(n - 1) + entry(n))`` with 32 zero bytes before the first.  Postgres chains what is appended
(``append_access_audit``, one writer at a time); checking is done here, independently of it.  Rows cut off at the end
leave a whole chain: compare the last hash with one that was written down elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import LiteralString, NamedTuple

from projections.stores.postgres import Connection

BEFORE_FIRST = bytes(32)
PAGE = 10_000

APPEND: LiteralString = "SELECT append_access_audit(%(entries)s::text[])"
NEXT_PAGE: LiteralString = """
SELECT seq, entry, hash FROM access_audit WHERE seq > %(after)s ORDER BY seq LIMIT %(limit)s
"""
COUNT: LiteralString = "SELECT count(*) FROM access_audit"

Row = tuple[int, str, bytes]
Rows = Iterator[Row]


class Verified(NamedTuple):
    """What a check of the chain found."""

    rows: int
    """Rows that are whole, from the first on."""
    head: str
    """The hash of the last whole row, in hexadecimal."""
    broken_seq: int | None
    """The number at which the chain is broken; None when it is whole."""
    reason: str
    """What is wrong there: "" when nothing is."""


def chained(before: bytes, entry: str) -> bytes:
    """The hash of an entry that stands behind the row with the hash ``before``."""
    return hashlib.sha256(before + entry.encode()).digest()


def verify(rows: Iterable[Row], on_row: Callable[[int], None] = lambda _rows: None) -> Verified:
    """Checks rows in order from the first; stops at the first that does not fit."""
    count, before = 0, BEFORE_FIRST
    for seq, entry, stored in rows:
        if seq != count + 1:
            return Verified(count, before.hex(), count + 1, "missing")
        if chained(before, entry) != bytes(stored):
            return Verified(count, before.hex(), seq, "changed")
        count, before = seq, bytes(stored)
        on_row(count)
    return Verified(count, before.hex(), None, "")


def read_all(connection: Connection) -> Rows:
    """Every row in order, a page at a time."""
    after = -(1 << 62)
    while rows := connection.execute(NEXT_PAGE, {"after": after, "limit": PAGE}).fetchall():
        for seq, entry, stored in rows:
            yield seq, entry, bytes(stored)
        after = rows[-1][0]


def count(connection: Connection) -> int:
    """How many rows there are."""
    row = connection.execute(COUNT).fetchone()
    return int(row[0]) if row else 0
