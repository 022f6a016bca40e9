"""Who keeps the offsets, and in what order do things happen?  The recorder behind a lock and one database thread.

A claim waits for the poll that is being recorded, and the other way round; each holds the lock for one transaction.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from faust.types import TP

from projections.assembly import Draft
from projections.offsets import Cursor
from projections.poll import Slice, TopicPartition
from projections.recorded import Recorded
from projections.recorder import Recorder
from projections.stores.postgres import TRANSIENT
from streams import metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 2.0
LOG_EVERY_SECONDS = 10.0


class PollStore:
    """The transport's ``OffsetStore``, and the door to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._claimed_generation: int | None = None
        self._claimed: frozenset[TopicPartition] = frozenset()
        self._last_logged = 0.0
        self.on_claim: Callable[[], None] = lambda: None
        """Called when partitions came to this process, which another may have left with work undone."""
        self.retried = False
        """True once a transaction was tried again; the answer of a commit may have been lost."""

    async def claim(self, bounds: Mapping[TP, tuple[int, int]], generation: int) -> Mapping[TP, int]:
        """Claims the partitions, once a generation and assignment; a further call only reads the rows again.

        Faust's recovery task and its fetch loop both ask after a rebalance.
        """
        wanted = {TopicPartition(tp.topic, tp.partition): bound for tp, bound in bounds.items()}
        async with self._lock:
            if generation == self._claimed_generation and self._claimed == wanted.keys():
                cursors = await self._retrying(lambda: self._recorder.reread(wanted.keys()))
            else:
                cursors = await self._retrying(lambda: self._recorder.claim(wanted))
                self._claimed_generation, self._claimed = generation, frozenset(wanted)
                metrics.PARTITIONS.set(len(wanted))
                self.on_claim()
        return _offsets(cursors)

    async def record(self, slices: Sequence[Slice], drafted: Draft, is_stale: Callable[[Slice], bool]) -> Recorded:
        """Records a poll, trying again for as long as the failure is a passing one."""
        async with self._lock:
            fresh = [piece for piece in slices if not is_stale(piece)]
            started = time.perf_counter()
            recorded = await self._retrying(lambda: self._recorder.record(fresh, drafted))
            metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
            return recorded

    def durable(self) -> Mapping[TP, int]:
        """How far each partition of ours is stored."""
        return _offsets(self._recorder.cursors)

    async def drain(self) -> None:
        """Waits for the transaction under way."""
        async with self._lock:
            pass

    async def _retrying(self, call: Callable[[], T]) -> T:
        backoff = FIRST_BACKOFF_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await loop.run_in_executor(self._thread, call)
            except TRANSIENT as fault:
                self.retried = True
                metrics.RETRIES.inc()
                self._log(fault)
                await loop.run_in_executor(self._thread, self._recorder.reset)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    def _log(self, fault: Exception) -> None:
        if time.monotonic() - self._last_logged > LOG_EVERY_SECONDS:
            self._last_logged = time.monotonic()
            logger.warning("database: %s; trying again until it answers", type(fault).__name__)


def _offsets(cursors: Mapping[TopicPartition, Cursor]) -> dict[TP, int]:
    return {TP(partition.topic, partition.part): cursor.next_offset for partition, cursor in cursors.items()}
