"""How do listeners hear of a transaction at once?  The stream of changes, written right after the commit.

The API's caches end their answers by it and open streams pass it on, so it does not wait for the lists, which are
rewritten by a tick that keeps its distance under load.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from projections import changes
from projections.recorded import Recorded
from projections.stores.redis import Mirror
from projections.stores.redis_changes import MOST_ENTRIES
from streams import metrics
from streams.settings import WorkerSettings


class ChangeTeller:
    """Writes what transactions changed to Redis, in a thread of its own; what gathers meanwhile goes together."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="changes")
        self._entries: list[bytes] = []
        self._work = asyncio.Event()
        self._redis = Mirror(settings.redis)

    def tell(self, recorded: Recorded) -> None:
        """Takes over what one transaction changed."""
        # Who was erased changed as well: nothing of him may lie ready any more.
        changed = [*recorded.touched.tolist(), *recorded.erased]
        self._entries += changes.of_transaction(recorded.applied_seq, changed, recorded.announced)
        self._work.set()

    async def run(self) -> None:
        """Writes for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            told, self._entries = self._entries[-MOST_ENTRIES:], []
            await loop.run_in_executor(self._thread, self._write, told)

    def _write(self, told: list[bytes]) -> None:
        changes.add(self._redis, told)
        if not self._redis.flush():
            # Listeners that cannot reach Redis keep nothing; those that can keep an answer for seconds at most.
            metrics.MIRROR_FAILURES.inc()
