"""How do thirty statements cost two waits?  A transaction whose statements are sent together and answered together.

Within `WriterConnection.burst` a statement is queued, not awaited: libpq's pipeline mode sends what has gathered when
somebody fetches an answer, or at the end.  Each statement is prepared once a connection, under its text and the types
of its parameters.  What an ordinary execute spends on one statement (a send, a wake-up of the server, a look for
answers, the choice of a plan) is spent once a burst: 30 statements with three arrays each cost 0.5 ms of Python
instead of 2.2 ms, and half of Postgres' time.

An error shows when an answer is fetched, or at the end.  It closes the connection, as what the server still knows of
the burst is not worth asking.

The end may be left under way: with ``burst(committed)`` the commit is sent and the call returns, while the server still
writes.  Its answer comes with the first answer of the next burst, or with `settle`.
"""

from __future__ import annotations

import re
import select
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from typing import Any, Final, LiteralString, NamedTuple, Self, cast

import numpy as np
import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat, Transformer

from projections.stores.postgres import Connection, array_oid, connect_as, encode_array, encode_strings

MOST_PREPARED: Final = 400
"""Statements kept on the server; reached only when parameters change their types all the time."""

COPY_ROWS: Final = 1_000
"""From so many rows on, COPY is cheaper than an INSERT from arrays (1.3 µs of Postgres a row of the log, not 3.7; 1.4 a
seen id, not 2.0); below, the two waits that it costs."""
LOOK_UP_MS: Final = 2
"""How often `settle` looks whether it is still wanted."""

_PLACEHOLDER = re.compile(r"%(?:%|\((\w+)\)s)")


class _Sync(NamedTuple):
    """Stands in the queue of answers where the server was told that a burst, or a part of it, is over."""

    then: Callable[[], None]
    """Called when all before it is answered."""


class Answer:
    """What a queued statement brings; asking for rows waits for them."""

    def __init__(self, connection: WriterConnection, number: int, binary: bool) -> None:
        self._connection = connection
        self._number = number
        self._binary = binary
        self._result: pq.abc.PGresult | None = None
        self._next = 0

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, if there is one."""
        result = self._arrived()
        if self._next >= result.ntuples:
            return None
        self._next += 1
        return self._rows(result, self._next - 1, self._next)[0]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that were not fetched yet."""
        result = self._arrived()
        first, self._next = self._next, result.ntuples
        return self._rows(result, first, self._next)

    @property
    def rowcount(self) -> int:
        """How many rows the statement touched or brought."""
        return self._arrived().command_tuples or 0

    def close(self) -> None:
        """Lets go of the rows."""

    def _arrived(self) -> pq.abc.PGresult:
        while self._result is None:
            self._connection.wait_for(self._number)
        return self._result

    def _rows(self, result: pq.abc.PGresult, first: int, last: int) -> list[tuple[Any, ...]]:
        loads = Transformer(self._connection)
        loads.set_pgresult(result, format=pq.Format.BINARY if self._binary else pq.Format.TEXT)
        return loads.load_rows(first, last, cast(Any, tuple))


class WriterConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose `execute` queues while a `burst` lasts, and is the ordinary one otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepared_names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._queue: deque[Answer | _Sync] | None = None
        """Answers not yet arrived; no queue where libpq is not in pipeline mode."""
        self._bursting = False
        self._sent = 0
        """Statements queued so far, ever."""
        self._asked_for = 0
        """Up to which of them the server was told to answer at once."""
        self._poll = select.poll()

    @contextmanager
    def burst(self, committed: Callable[[], None] | None = None) -> Iterator[Self]:
        """One transaction: committed at the end, rolled back when the block raises.

        Args:
            committed: where given, the end sends the commit without waiting for its answer, and this is called when
                that has come: in the next burst, in `settle`, or before whatever else the connection is asked.

        Raises:
            psycopg.Error: what a statement or the commit failed with, or that of the burst before whose end was left
                under way; the connection is closed then.
        """
        if len(self._prepared_names) > MOST_PREPARED:
            super().execute("DEALLOCATE ALL")
            self._prepared_names.clear()
        self._begin()
        try:
            self.execute("BEGIN")
            yield self
            self.execute("COMMIT")
            if committed is None:
                self._end()
            else:
                self._leave(committed)
        except psycopg.Error:
            self.close()
            raise
        except BaseException:
            self._give_up()
            raise
        finally:
            self._bursting = False

    def settle(self, until: Callable[[], bool] = lambda: False) -> None:
        """Waits for the commit that was left under way, if there is one, or until the condition holds.

        Raises:
            psycopg.Error: what its transaction failed with; the connection is closed then.
        """
        try:
            while self._queue:
                if not self._take(until):
                    return
            if self._queue is not None:
                self._queue = None
                self.pgconn.exit_pipeline_mode()
        except psycopg.Error:
            self.close()
            raise

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """An ordinary cursor, after what was left under way; not for use within a burst."""
        if not self._bursting:
            self.settle()
        return super().cursor(*args, **kwargs)

    def close(self) -> None:
        """Closes the connection, whatever is under way."""
        self._queue = None
        super().close()

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False) -> Any:
        """Runs a statement, or queues it within a burst.

        Args:
            query: its text; within a burst with named placeholders only.
            params: by name.
            prepare: as psycopg has it; within a burst every statement is.
            binary: whether the rows shall travel in Postgres' binary format.
        """
        if not self._bursting:
            return super().execute(query, params, prepare=prepare, binary=binary)
        text, names = _numbered(query)
        values = [params[name] for name in names]
        types, formats, wire = self._dump(values)
        name = self._prepared_names.get((text, types))
        if name is None:
            name = b"burst%d" % self._sent
            self._prepared_names[text, types] = name
            self._queued(binary=False)
            self.pgconn.send_prepare(name, text.encode(), types)
        answer = self._queued(binary)
        self.pgconn.send_query_prepared(name, wire, formats, int(binary))
        return answer

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Answers what is queued, and lets ordinary use of the connection happen within a burst."""
        if not self._bursting:
            yield
            return
        self._end()
        self._bursting = False
        yield
        self._begin()

    def wait_for(self, number: int) -> None:
        """Reads the next answer, after telling the server to send what is ready up to this statement."""
        if number >= self._asked_for:
            self.mark()
        self._take()

    def mark(self) -> None:
        """Has what is queued so far answered as soon as it is done, and not with what will be queued behind it."""
        self.pgconn.send_flush_request()
        self._asked_for = self._sent

    def push(self) -> None:
        """Has the server begin with what is queued, without waiting for it."""
        self.mark()
        self.pgconn.flush()

    def _begin(self) -> None:
        if self._queue is None:
            self.pgconn.enter_pipeline_mode()
            self._queue = deque()
            self._poll = select.poll()
            self._poll.register(self.pgconn.socket, select.POLLIN)
        self._bursting = True

    def _end(self) -> None:
        """Waits for all answers and leaves the pipeline mode; the first error is raised."""
        self._sync(lambda: None)
        while self._queue:
            self._take()
        self._queue = None
        self.pgconn.exit_pipeline_mode()

    def _leave(self, committed: Callable[[], None]) -> None:
        """Sends everything, and leaves the answers for later."""
        self._sync(committed)
        while self.pgconn.flush():
            self._wait(unsent=True)

    def _sync(self, then: Callable[[], None]) -> None:
        assert self._queue is not None
        self.pgconn.pipeline_sync()
        self._asked_for = self._sent
        self._queue.append(_Sync(then))

    def _give_up(self) -> None:
        """Rolls back; a connection that does not answer, or that answers with an error, is closed."""
        try:
            if self._queue is not None:
                self._end()
            self._bursting = False
            self.rollback()
        except psycopg.Error:
            with suppress(psycopg.Error):
                self.close()

    def _queued(self, binary: bool) -> Answer:
        assert self._queue is not None
        answer = Answer(self, self._sent, binary)
        self._sent += 1
        self._queue.append(answer)
        return answer

    def _take(self, until: Callable[[], bool] | None = None) -> bool:
        """Reads one result, for the answer at the head of the queue; False if the condition held before it came."""
        queue = self._queue
        assert queue is not None
        if not self._readable(until):
            return False
        result = self.pgconn.get_result()
        head = queue[0]
        if result is None:  # the statement is over
            queue.popleft()
        elif isinstance(head, _Sync):
            queue.popleft()
            head.then()
        elif result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            head._result = result
        else:
            raise _error(result)
        return True

    def _readable(self, until: Callable[[], bool] | None) -> bool:
        """Waits for a result, and sends what is not sent yet; False if the condition held first."""
        unsent = self.pgconn.flush()
        while self.pgconn.is_busy():
            came = self._wait(bool(unsent), None if until is None else LOOK_UP_MS)
            if unsent:
                unsent = self.pgconn.flush()
            if not came and until is not None and until():
                return False
        return True

    def _wait(self, unsent: bool, timeout_ms: int | None = None) -> bool:
        """Until there is something to read, which it reads, or room for what is unsent; whether either came."""
        self._poll.modify(self.pgconn.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
        events = self._poll.poll(timeout_ms)
        if events and events[0][1] & ~select.POLLOUT:
            self.pgconn.consume_input()
        return bool(events)

    def _dump(self, values: Sequence[Any]) -> tuple[tuple[int, ...], list[int], list[Buffer | None]]:
        """(types, formats, bytes) of the parameters; arrays and lists of text by ours, the rest by psycopg's."""
        types, formats, wire = [0] * len(values), [1] * len(values), cast("list[Buffer | None]", [None] * len(values))
        others = []
        for place, value in enumerate(values):
            if type(value) is np.ndarray:
                types[place] = array_oid(value)
                wire[place] = encode_array(value)
            elif type(value) is list and (strings := encode_strings(value)) is not None:
                types[place], wire[place] = strings
            else:
                others.append(place)
        if others:
            dumps = Transformer(self)
            found = dumps.dump_sequence([values[place] for place in others], [PyFormat.AUTO] * len(others))
            for place, one, oid, kind in zip(others, found, dumps.types or (), dumps.formats or (), strict=True):
                wire[place], types[place], formats[place] = one, oid, kind
        return tuple(types), formats, wire


def copy_in(connection: Connection, statement: LiteralString, data: bytes) -> None:
    """Runs a COPY ... FROM STDIN; within a burst everything before it is answered first, as libpq demands."""
    pause = connection.paused() if isinstance(connection, WriterConnection) else nullcontext()
    with pause, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(data)


def connect_writer(database_url: str, name: str) -> WriterConnection:
    """A connection for bursts, in autocommit outside of them, with the session limits of every connection."""
    return connect_as(WriterConnection, database_url, autocommit=True, name=name)


@cache
def _numbered(query: str) -> tuple[str, tuple[str, ...]]:
    """The text with ``$1, $2, ...`` for its named placeholders, and their names in that order."""
    places: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        return "%" if name is None else f"${places.setdefault(name, len(places) + 1)}"

    return _PLACEHOLDER.sub(number, query), tuple(places)


def _error(result: pq.abc.PGresult) -> psycopg.Error:
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    message = result.get_error_message()
    try:
        kind: type[psycopg.Error] = psycopg.errors.lookup(state.decode() if state else "")
    except KeyError:
        kind = psycopg.OperationalError if state is None else psycopg.DatabaseError
    return kind(message)


__all__ = ["COPY_ROWS", "Answer", "WriterConnection", "connect_writer", "copy_in"]
