"""Who keeps the offsets, and in what order do things happen?  The recorder behind a lock and one database thread.

A claim waits for the poll that is being recorded, and the other way round; each holds the lock for one transaction.
In a backlog the next poll need not wait for the answer to the commit of the one before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
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
        self._waiting = 0
        """Callers that wait for their turn."""
        self._settling: asyncio.Future[None] | None = None
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
        async with self._turn():
            if generation == self._claimed_generation and self._claimed == wanted.keys():
                cursors = await self._retrying(lambda: self._recorder.reread(wanted.keys()))
            else:
                cursors = await self._retrying(lambda: self._recorder.claim(wanted))
                self._claimed_generation, self._claimed = generation, frozenset(wanted)
                metrics.PARTITIONS.set(len(wanted))
                self.on_claim()
        return _offsets(cursors)

    async def record(
        self,
        slices: Sequence[Slice],
        drafted: Draft,
        is_stale: Callable[[Slice], bool],
        sent: Callable[[], None] | None = None,
    ) -> Recorded:
        """Records a poll, trying again for as long as the failure is a passing one.

        Args:
            slices: as for `Recorder.record`.
            drafted: as for `Recorder.record`.
            is_stale: whether a slice was fetched before a seek, and is to be left out.
            sent: where given, called as soon as the next poll may be given: its transaction is begun while the
                commit of this one is under way.
        """
        told: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        async with self._turn():
            fresh = [piece for piece in slices if not is_stale(piece)]
            tell = None if sent is None else self._teller(told)
            recorded = await self._retrying(lambda: self._recorder.record(fresh, drafted, tell))
        if sent is not None:
            if not told.done():
                sent()
                self._settling = asyncio.ensure_future(self._settle(told))
            recorded = await told
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        return recorded

    def durable(self) -> Mapping[TP, int]:
        """How far each partition of ours is stored."""
        return {TP(*partition): offset for partition, offset in self._recorder.durable().items()}

    async def drain(self) -> None:
        """Waits for the transaction under way."""
        async with self._turn():
            await self._retrying(self._recorder.settle)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The recorder, for one caller at a time, in the order in which they came."""
        self._waiting += 1
        await self._lock.acquire()
        self._waiting -= 1
        try:
            yield
        finally:
            self._lock.release()

    @staticmethod
    def _teller(told: asyncio.Future[Recorded]) -> Callable[[Recorded], None]:
        loop = told.get_loop()

        def tell(recorded: Recorded) -> None:
            loop.call_soon_threadsafe(told.set_result, recorded)

        return tell

    async def _settle(self, told: asyncio.Future[Recorded]) -> None:
        """Sees to the answer of a commit, unless who comes next does."""
        try:
            while not told.done():
                async with self._turn():
                    if not told.done():
                        await self._retrying(lambda: self._recorder.settle(lambda: self._waiting > 0))
        except Exception as fault:  # noqa: BLE001 - it is the recording that failed
            if not told.done():
                told.set_exception(fault)

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
