"""A burst is one transaction whose statements travel together: same answers, same errors, all or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.stores.burst import WriterConnection, connect_writer, copy_in

WRITE = "INSERT INTO thing (key, value) SELECT * FROM unnest(%(keys)s, %(values)s) RETURNING key, value"
READ = "SELECT key, value FROM thing ORDER BY key"


@pytest.fixture
def writer(module_database_url: str) -> Iterator[WriterConnection]:
    """A connection to a database with one empty table."""
    with connect_writer(module_database_url, "test-burst") as connection:
        connection.execute("DROP TABLE IF EXISTS thing")
        connection.execute("CREATE TABLE thing (key bigint PRIMARY KEY, value double precision)")
        yield connection


@pytest.fixture(scope="module")
def shared_writer(module_database_url: str) -> Iterator[WriterConnection]:
    """One connection for all examples of a property."""
    with connect_writer(module_database_url, "test-burst") as connection:
        yield connection


def rows(count: int) -> dict[str, object]:
    """Parameters of WRITE."""
    return {"keys": np.arange(count), "values": np.arange(count) / 2}


def test_answers_come_in_the_order_of_the_statements(writer: WriterConnection) -> None:
    """Reads see the writes before them, whichever answer is fetched first; values of all kinds go through."""
    with writer.burst():
        before = writer.execute(READ)
        written = writer.execute(WRITE, rows(3))
        after = writer.execute(READ, binary=True)
        said = writer.execute(
            "SELECT %(text)s::text, %(number)s::int, %(none)s::text, %(list)s::text[], '100%%'",
            {"text": "ä", "number": -7, "none": None, "list": ["a", None]},
        )
        assert after.fetchall() == [(0, 0.0), (1, 0.5), (2, 1.0)]
        assert written.fetchone() == (0, 0.0)
        assert written.fetchall() == [(1, 0.5), (2, 1.0)]
        assert written.rowcount == 3
        assert before.fetchone() is None
        assert said.fetchall() == [("ä", -7, None, ["a", None], "100%")]
    assert writer.execute(READ).fetchall() == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_a_mark_has_an_answer_come_before_what_is_queued_behind_it(writer: WriterConnection) -> None:
    """What is marked need not wait for the slow statement that comes next; without the mark it does."""
    waited = {}
    for marked in (True, False):
        with writer.burst():
            first = writer.execute("SELECT 1")
            if marked:
                writer.mark()
            writer.execute("SELECT pg_sleep(1)")
            began = time.monotonic()
            assert first.fetchone() is not None
            waited[marked] = time.monotonic() - began
    assert waited[True] < 0.8
    assert waited[False] > 0.9


def test_a_statement_is_prepared_once(writer: WriterConnection) -> None:
    """The second burst finds the statements of the first on the server."""
    for first in (0, 10):
        with writer.burst():
            writer.execute(WRITE, {"keys": np.arange(first, first + 2), "values": np.zeros(2)})
    found = writer.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO thing%'")
    assert found.fetchall() == [(1,)]


def test_an_error_of_a_statement_undoes_all_and_closes(writer: WriterConnection, module_database_url: str) -> None:
    """The error shows at the end at the latest, as the same class as ever; a new connection goes on."""

    def write_twice() -> None:
        with writer.burst():
            writer.execute(WRITE, rows(2))
            writer.execute(WRITE, rows(1))
            writer.execute(READ)

    with pytest.raises(psycopg.errors.UniqueViolation):
        write_twice()
    assert writer.closed
    with connect_writer(module_database_url, "test-burst") as another:
        assert another.execute(READ).fetchall() == []


def test_an_error_of_the_block_undoes_all_and_the_connection_stays(writer: WriterConnection) -> None:
    """Whatever the caller raises rolls back, with answers still under way."""

    def give_up() -> None:
        with writer.burst():
            writer.execute(WRITE, rows(2))
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            give_up()
    with writer.burst():
        writer.execute(WRITE, rows(1))
    assert writer.execute(READ).fetchall() == [(0, 0.0)]


def test_a_killed_session_is_an_operational_error(writer: WriterConnection, module_database_url: str) -> None:
    """The failure that a worker tries again after."""

    def be_killed() -> None:
        with writer.burst():
            writer.execute(WRITE, rows(1))
            with psycopg.connect(module_database_url) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (writer.info.backend_pid,))
            for _ in range(100):
                writer.execute(READ).fetchall()

    with pytest.raises(psycopg.OperationalError):
        be_killed()
    assert writer.closed


def test_more_than_the_buffers_hold_in_both_directions(writer: WriterConnection) -> None:
    """Megabytes sent while megabytes wait to be read: neither side waits for the other for ever."""
    many = 400_000
    with writer.burst():
        written = [
            writer.execute(WRITE, {"keys": np.arange(many) + turn * many, "values": np.zeros(many)})
            for turn in range(2)
        ]
        assert [len(answer.fetchall()) for answer in written] == [many, many]


def test_a_copy_stands_in_its_place(writer: WriterConnection) -> None:
    """COPY cannot be queued: what is before it is answered first, what follows sees it."""
    with writer.burst():
        writer.execute(WRITE, rows(1))
        copy_in(writer, "COPY thing FROM STDIN", b"5\t2.5\n6\t3\n")
        seen = writer.execute(READ)
        assert seen.fetchall() == [(0, 0.0), (5, 2.5), (6, 3.0)]
    copy_in(writer, "COPY thing FROM STDIN", b"7\t0\n")
    assert writer.execute("SELECT count(*) FROM thing").fetchall() == [(4,)]


def leave(connection: WriterConnection, first: int, told: list[int]) -> None:
    """A burst that writes one row and whose commit is left under way; ``told`` gets its key when it is committed."""
    with connection.burst(lambda: told.append(first)):
        connection.execute(WRITE, {"keys": np.array([first]), "values": np.zeros(1)})


@contextmanager
def held_back(url: str) -> Iterator[psycopg.Connection]:
    """While this lasts, nobody's writes to the table come to an end."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE thing IN EXCLUSIVE MODE")
        yield other


def test_a_commit_may_be_left_under_way(writer: WriterConnection, module_database_url: str) -> None:
    """The block ends while the database still writes; the answer comes with the next burst, or is waited for."""
    told: list[int] = []
    with held_back(module_database_url):
        leave(writer, 1, told)
        writer.settle(until=lambda: True)
        assert told == []
    with writer.burst(lambda: told.append(2)):
        seen = writer.execute(READ).fetchall()
        assert (seen, told) == ([(1, 0.0)], [1])
        writer.execute(WRITE, {"keys": np.array([2]), "values": np.zeros(1)})
    assert told == [1]
    writer.settle()
    writer.settle()
    assert told == [1, 2]


def test_whatever_is_asked_comes_behind_what_is_under_way(writer: WriterConnection) -> None:
    """An ordinary statement, a cursor and a COPY outside of bursts see what was left."""
    told: list[int] = []
    leave(writer, 1, told)
    assert writer.execute(READ).fetchall() == [(1, 0.0)]
    leave(writer, 2, told)
    with writer.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM thing").fetchone() == (2,)
    leave(writer, 3, told)
    copy_in(writer, "COPY thing FROM STDIN", b"4\t0\n")
    assert told == [1, 2, 3]
    assert len(writer.execute(READ).fetchall()) == 4


@pytest.mark.parametrize("then", ["settle", "burst"])
def test_what_was_left_and_failed_shows_next(writer: WriterConnection, module_database_url: str, then: str) -> None:
    """Its error, as the same class as ever; what was begun behind it is undone with it, and nobody is told."""
    told: list[int] = []
    leave(writer, 1, told)
    leave(writer, 1, told)  # the same key
    with pytest.raises(psycopg.errors.UniqueViolation):
        writer.settle() if then == "settle" else leave_and_read(writer, told)
    assert writer.closed
    assert told == [1]
    with connect_writer(module_database_url, "test-burst") as another:
        assert another.execute(READ).fetchall() == [(1, 0.0)]


def leave_and_read(connection: WriterConnection, told: list[int]) -> None:
    """A further burst, which asks for something."""
    with connection.burst(lambda: told.append(2)):
        connection.execute(WRITE, {"keys": np.array([2]), "values": np.zeros(1)})
        connection.execute(READ).fetchall()


def test_a_burst_that_gives_up_leaves_what_was_before_it(writer: WriterConnection) -> None:
    """An exception of the block rolls back its own transaction only."""
    told: list[int] = []

    def give_up() -> None:
        with writer.burst(lambda: told.append(2)):
            writer.execute(WRITE, {"keys": np.array([2]), "values": np.zeros(1)})
            raise KeyError

    leave(writer, 1, told)
    with pytest.raises(KeyError):
        give_up()
    assert told == [1]
    assert writer.execute(READ).fetchall() == [(1, 0.0)]


@given(
    st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
    st.lists(st.none() | st.binary()),
)
def test_lists_of_text_and_bytes_arrive_as_they_are(
    shared_writer: WriterConnection, texts: list[str | None], raw: list[bytes | None]
) -> None:
    """Quotes, commas, the empty string, None and any byte survive; so do empty lists."""
    with shared_writer.burst():
        said = shared_writer.execute("SELECT %(texts)s::text[], %(raw)s::bytea[]", {"texts": texts, "raw": raw})
        assert said.fetchall() == [(texts, raw)]
