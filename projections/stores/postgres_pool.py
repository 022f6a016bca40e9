"""How does the read side ask Postgres?  By a bounded pool whose every question is answered or refused within a second.

The parts of one answer come from one snapshot.  When Postgres does not answer in time the
question is abandoned, not awaited: a stopped server would otherwise hold each request for as long as it takes to
cancel on it.  ``Unavailable`` is the only failure that a caller has to know.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from projections.stores.postgres import register_arrays

Parameters = Mapping[str, Any]
Query = tuple[LiteralString, Parameters | None]
Rows = list[tuple[Any, ...]]

ANSWER_SECONDS = 0.65
"""Unless told otherwise, a reader waits this long for an answer, connection included."""
REST_SECONDS = 0.25
"""After a time-out questions are refused at once for this long, so that a dead server does not collect waiters."""
MOST_WAITING = 500
"""Questions that may wait for a connection."""
# Reads never write, whatever a statement says, and end on the server soon after nobody waits for them.
SESSION_OPTIONS = (
    "-c default_transaction_read_only=on -c statement_timeout=2000 -c idle_in_transaction_session_timeout=5000"
    " -c timezone=UTC -c jit=off"
)


class Unavailable(Exception):  # noqa: N818 - a state of affairs, not an error of ours
    """Postgres did not answer in time."""


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    register_arrays(connection)
    connection.prepare_threshold = 2
    # A transaction of several statements sees one moment.
    await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)


class ReadPool:
    """Asks Postgres questions.

    Args:
        database_url: where Postgres is.
        size: connections at most.
        answer_seconds: a reader waits this long for an answer; then it is told that Postgres is away.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        database_url: str,
        size: int = 4,
        answer_seconds: float = ANSWER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            database_url,
            min_size=1,
            max_size=size,
            max_waiting=MOST_WAITING,
            timeout=answer_seconds,
            # A server that was away is looked for often: somebody is waiting.
            reconnect_timeout=5.0,
            open=False,
            configure=_configure,
            kwargs={
                "autocommit": True,
                "options": SESSION_OPTIONS,
                "connect_timeout": 2,
                "application_name": "personalize-api",
                # A network that swallows packets ends the connection, or it would hold its place in the pool.
                "tcp_user_timeout": 2000,
            },
        )
        self._size = size
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._refuse_until = -1.0
        self._tasks: set[asyncio.Task[list[Rows]]] = set()

    async def open(self) -> None:
        """Starts connecting in the background; a server that is away now may come later."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Ends the connections; questions under way are abandoned."""
        for task in self._tasks:
            task.cancel()
        await self._pool.close(timeout=1.0)

    async def rows(
        self, query: LiteralString, parameters: Parameters | None = None, *, seconds: float | None = None
    ) -> Rows:
        """The rows of one statement, for which Postgres has the usual time or so many seconds.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        return (await self._within(self._ask([(query, parameters)]), seconds))[0]

    async def _within(self, question: Coroutine[Any, Any, list[Rows]], seconds: float | None = None) -> list[Rows]:
        if self._clock() < self._refuse_until:
            question.close()
            raise Unavailable
        task = asyncio.create_task(question)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        done, _ = await asyncio.wait({task}, timeout=max(self._answer_seconds, seconds or 0.0))
        if not done:
            task.cancel()
            self._refuse_until = self._clock() + REST_SECONDS
            raise Unavailable
        return task.result()

    async def snapshot(self, queries: Sequence[Query]) -> list[Rows]:
        """The rows of several statements, all seen at one moment, in one round trip; raises like ``rows``."""
        return await self._within(self._ask(queries))

    async def row(self, query: LiteralString, parameters: Parameters | None = None) -> tuple[Any, ...] | None:
        """The first row of one statement, if there is one; raises like ``rows``."""
        rows = await self.rows(query, parameters)
        return rows[0] if rows else None

    async def answers(self) -> bool:
        """Whether Postgres answers now."""
        try:
            return await self.rows("SELECT 1") == [(1,)]
        except Unavailable:
            return False

    def measures(self) -> dict[str, int]:
        """The pool's own counters, such as ``requests_waiting``."""
        return self._pool.get_stats()

    async def _ask(self, queries: Sequence[Query]) -> list[Rows]:
        # Each connection that a restart of the server broke shows it once, when it is used: ask again on another.
        for _ in range(self._size):
            try:
                return await self._ask_once(queries)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                failure = error
                if isinstance(error, PoolTimeout | TooManyRequests | psycopg.errors.QueryCanceled):
                    break
        raise Unavailable from failure

    async def _ask_once(self, queries: Sequence[Query]) -> list[Rows]:
        async with self._pool.connection() as connection:
            if len(queries) == 1:
                cursor = connection.cursor(binary=True)
                return [await (await cursor.execute(*queries[0])).fetchall()]
            async with connection.pipeline(), connection.transaction():
                cursors = [connection.cursor(binary=True) for _ in queries]
                for cursor, query in zip(cursors, queries, strict=True):
                    await cursor.execute(*query)
                return [await cursor.fetchall() for cursor in cursors]

    def _finished(self, task: asyncio.Task[list[Rows]]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, or an abandoned failure is reported when it is collected
