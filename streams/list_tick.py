"""When are recommendation lists rewritten?  In a tick, for the learners that were touched, each at most once a tick.

A list is derived: it says which position it reflects, so it needs no part in the exactly-once transaction.  Under load
the tick takes a bounded share of the time and learners wait, coalesced, for the next one.  What a crash or a stop
leaves behind is found again by whoever claims the partitions: learners whose list is older than their last fold.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from projections import changes, recommendation_lists
from projections.recommender import sign_of_life
from projections.recorded import Recorded
from projections.registry import ALL
from projections.stores.postgres import TRANSIENT, Connection, connect
from projections.stores.redis import Mirror
from streams import metrics
from streams.settings import WorkerSettings

logger = logging.getLogger(__name__)

LEARNERS_A_TICK = 512
LOOK_SECONDS = 5.0
"""How often it is looked, without other work, whether a recommender is still there."""
TIME_SHARE = 0.1
"""Share of the wall time that ticks may take when more learners wait than one tick holds."""


class ListTick:
    """Mirrors what was recorded and rewrites lists, in a thread of its own."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lists")
        self._dirty: dict[int, None] = {}
        self._erased: list[int] = []
        self._mirror: dict[str, Any] = {}
        self._rescan = True
        self._left = False
        self._work = asyncio.Event()
        self._connection: Connection | None = None
        self._catalogue: recommendation_lists.Catalogue | None = None
        self._redis = Mirror(settings.redis)

    def touch(self, recorded: Recorded, *, rescan: bool) -> None:
        """Takes over what one transaction changed.

        Args:
            recorded: the transaction.
            rescan: True when an earlier one may have committed without our knowing what it touched.
        """
        self._dirty.update(dict.fromkeys(recorded.touched.tolist()))
        for learner_key in recorded.erased:
            self._dirty.pop(learner_key, None)
        self._erased += recorded.erased
        self._mirror.update(recorded.mirror)
        self._rescan |= rescan
        metrics.LISTS_WAITING.set(len(self._dirty))
        self._work.set()

    def rescan(self) -> None:
        """Has the next tick look for learners whose lists lag: who held their partitions before may have left some."""
        self._rescan = True
        self._work.set()

    async def run(self) -> None:
        """Ticks for ever."""
        loop = asyncio.get_running_loop()
        interval = self._settings.list_tick_ms / 1000
        while True:
            if not (self._dirty or self._rescan):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._work.wait()
            self._work.clear()
            started = time.monotonic()
            learners = list(self._dirty)[:LEARNERS_A_TICK]
            for learner_key in learners:
                del self._dirty[learner_key]
            mirror, self._mirror = self._mirror, {}
            erased, self._erased = self._erased, []
            try:
                await loop.run_in_executor(self._thread, self._tick, learners, mirror, erased)
            except TRANSIENT as fault:
                logger.warning("lists: %s; trying again", type(fault).__name__)
                self._dirty.update(dict.fromkeys(learners))
                self._erased += erased
                await loop.run_in_executor(self._thread, self._reset)
                await asyncio.sleep(1)
            metrics.LISTS_WAITING.set(len(self._dirty))
            took = time.monotonic() - started
            await asyncio.sleep(max(interval - took, took / TIME_SHARE - took if self._dirty else 0.0))

    def _tick(self, learners: list[int], mirror: dict[str, Any], erased: list[int]) -> None:
        if self._connection is None:
            self._connection = connect(self._settings.database_url, autocommit=True, name="personalize-lists")
        kinds = self._kinds(self._connection)
        failures = self._redis.failures
        if self._rescan:
            self._rescan = False
            self._dirty.update(dict.fromkeys(recommendation_lists.stale_learners(self._connection, kinds)))
        for projection in ALL:
            if projection.mirror is not None and projection.name in mirror:
                projection.mirror(self._redis, mirror[projection.name])
        self._catalogue = recommendation_lists.refresh(self._connection, self._catalogue)
        recommendation_lists.forget_mirrored(self._redis, erased)
        if learners:
            recommendation_lists.write_lists(self._connection, learners, self._catalogue, self._redis, kinds)
            metrics.LISTS_WRITTEN.inc(len(learners))
            changes.add(self._redis, [changes.of_lists(learners, 0)])
        if not self._redis.flush() or self._redis.failures > failures:
            # Redis may come back with what it held before: these lists are written again until it takes them.
            metrics.MIRROR_FAILURES.inc()
            self._dirty.update(dict.fromkeys(learners))

    def _kinds(self, connection: Connection) -> tuple[str, ...]:
        """What to write: everything, or what a recommender at work leaves; taking over from it is a rescan."""
        left = sign_of_life.is_at_work(connection)
        if self._left and not left:
            self._rescan = True
        self._left = left
        taken = recommendation_lists.MIRRORED if left else ""
        return tuple(kind for kind in recommendation_lists.KINDS if kind != taken)

    def _reset(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
