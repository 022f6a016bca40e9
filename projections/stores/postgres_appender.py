"""How does the API write its own bookkeeping?  One connection of its own, used now and then, never by a request.

``ReadPool`` cannot write at all; this is the only way from the API into Postgres, and its only user is the audit log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg

SESSION_OPTIONS = "-c lock_timeout=2000 -c statement_timeout=5000 -c timezone=UTC"
ANSWER_SECONDS = 5.0


class Appender:
    """Executes single statements; connects when it has to.  Not for concurrent use.

    Args:
        database_url: where Postgres is.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def execute(self, statement: LiteralString, parameters: Mapping[str, Any]) -> bool:
        """Executes one statement in a transaction of its own; False when Postgres did not confirm it."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._database_url,
                        autocommit=True,
                        connect_timeout=2,
                        options=SESSION_OPTIONS,
                        application_name="personalize-api-audit",
                    )
                await self._connection.execute(statement, parameters)
        except (psycopg.Error, OSError, TimeoutError):
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """Ends the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await connection.close()
