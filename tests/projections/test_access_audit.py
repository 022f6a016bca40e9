"""The audit chain: whole as written, and the first row that was touched is found."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections import access_audit
from projections.access_audit import BEFORE_FIRST, Row, chained, verify
from projections.stores.postgres import Connection, connect

ENTRIES = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=20)


def chain(entries: list[str]) -> list[Row]:
    """The rows of these entries."""
    rows, before = [], BEFORE_FIRST
    for seq, entry in enumerate(entries, start=1):
        before = chained(before, entry)
        rows.append((seq, entry, before))
    return rows


@given(ENTRIES, st.data())
def test_the_first_touched_row_is_found(entries: list[str], data: st.DataObject) -> None:
    """A changed, removed, inserted or renumbered row is named by its number."""
    rows = chain(entries)
    assert verify(rows) == (len(rows), rows[-1][2].hex(), None, "")
    at = data.draw(st.integers(0, len(rows) - 1))
    seq, entry, stored = rows[at]
    changed = [*rows[:at], (seq, entry + "x", stored), *rows[at + 1 :]]
    assert verify(changed)[2:] == (seq, "changed")
    forged = [*rows[:at], (seq, entry, bytes([stored[0] ^ 1]) + stored[1:]), *rows[at + 1 :]]
    assert verify(forged)[2:] == (seq, "changed")
    if at < len(rows) - 1:
        assert verify(rows[:at] + rows[at + 1 :])[2:] == (seq, "missing")
    inserted = [*rows[:at], (seq, "new", chained(BEFORE_FIRST, "new")), *rows[at:]]
    assert verify(inserted).broken_seq is not None


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a database of its own."""
    with connect(database_url, autocommit=True) as made:
        yield made


def append(connection: Connection, *entries: str) -> None:
    """Appends as the API does."""
    connection.execute(access_audit.APPEND, {"entries": list(entries)})


def test_postgres_chains_as_it_is_verified(connection: Connection) -> None:
    """What the function appends is what the check expects, over several batches; nothing can be changed."""
    append(connection, '{"a":"ä"}', "two")
    append(connection)
    append(connection, "three", "\u2028\U0001f600")
    assert list(access_audit.read_all(connection)) == chain(['{"a":"ä"}', "two", "three", "\u2028\U0001f600"])
    for statement in (
        "UPDATE access_audit SET entry = 'x' WHERE seq = 2",
        "DELETE FROM access_audit WHERE seq = 2",
        "TRUNCATE access_audit",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute(statement)  # type: ignore[call-overload]
    connection.execute("ALTER TABLE access_audit DISABLE TRIGGER append_only")
    connection.execute("DELETE FROM access_audit WHERE seq = 2")
    assert verify(access_audit.read_all(connection))[2:] == (2, "missing")
