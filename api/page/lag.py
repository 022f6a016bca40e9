"""How far behind the log is the worker, for the page?  Asked of Kafka at most once a second, while somebody looks."""

from __future__ import annotations

import asyncio
import time

from projections.reads.lag import STORED, LagHistory
from projections.stores.log_positions import AWAY, LogPositions
from projections.stores.postgres_pool import ReadPool
from schemas.topics import CATALOGUE, LEARNER_KEYED

LOOK_SECONDS = 1.0
GROUP = "personalize-worker"


class PipelineLag:
    """The worker's lag."""

    def __init__(self, bootstrap: str, pool: ReadPool) -> None:
        self._positions = LogPositions(bootstrap, [topic.name for topic in (*LEARNER_KEYED, CATALOGUE)], [])
        self._history = LagHistory()
        self._pool = pool
        self._lock = asyncio.Lock()
        self._looked_at = -1e9
        self._records: int | None = None

    async def records(self) -> int | None:
        """Records not folded yet; None while Kafka is away."""
        async with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                self._records = await self._look()
                self._looked_at = time.monotonic()
        return self._records

    async def _look(self) -> int | None:
        stored = {(row[0], row[1], row[2]): row[3] for row in await self._pool.rows(STORED)}
        try:
            seen = await self._positions.read()
        except AWAY:
            return None
        lags = self._history.look(time.monotonic(), seen, stored)
        return sum(lag.records for lag in lags if lag.group == GROUP)

    async def close(self) -> None:
        """Ends the connections."""
        await self._positions.close()
