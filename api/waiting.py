"""Has the write that this reader knows of arrived?  Bounded waiting until the read models have passed a position.

While somebody waits, one background task asks Postgres for all of them together: when the stream of changes tells of a
transaction, and every few milliseconds while that is not heard.  When nobody waits, nothing is asked.  Waiting never
fails a read: it ends with the answer, with the deadline, or at once when too many wait already, and the read then says
that it is stale.  Who did not ask to wait does not wait for Postgres either.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from api.tokens import Positions, TopicPartition
from projections.reads.recommendations import ListKey

POLL_SECONDS = 0.004
TOLD_SECONDS = 0.02
"""How long a look waits for news; not every transaction has any."""
MOST_WAITERS = 500

Offsets = Mapping[TopicPartition, int]
FetchOffsets = Callable[[], Awaitable[Offsets]]
FetchLists = Callable[[Sequence[ListKey]], Awaitable[Mapping[ListKey, int]]]
"""Lists in; out, for each that is there, the transaction that it reflects."""


@dataclass(eq=False, slots=True)
class _Waiter:
    done: asyncio.Future[bool]
    """Whether what is waited for arrived."""
    patient: bool
    positions: Positions = field(default_factory=dict)
    wanted: ListKey | None = None
    applied_seq: int = 0


class Waiting:
    """Lets readers wait for the worker.

    Args:
        fetch_offsets: the next offset of every partition that the read models have passed.
        fetch_lists: how far the lists of some learners are.
        failures: what these raise when Postgres is away; the patient wait on until their deadline.
        most_waiters: readers that may wait at a time.
    """

    def __init__(
        self,
        fetch_offsets: FetchOffsets,
        fetch_lists: FetchLists,
        failures: type[Exception],
        most_waiters: int = MOST_WAITERS,
    ) -> None:
        self._fetch_offsets = fetch_offsets
        self._fetch_lists = fetch_lists
        self._failures = failures
        self._most_waiters = most_waiters
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._heard = False
        self._news = asyncio.Event()
        self.refused = 0
        """Readers that were not let in, ever."""

    @property
    def count(self) -> int:
        """Readers waiting now."""
        return len(self._waiters)

    async def for_positions(self, positions: Positions, seconds: float, *, patient: bool) -> float | None:
        """Waits until the read models have passed all positions; the seconds left, or None if they have not.

        Args:
            positions: what has to be passed.
            seconds: how long at most.
            patient: also while Postgres does not answer.
        """
        if not positions:
            return seconds
        return await self._wait(lambda done: _Waiter(done, patient, positions=positions), seconds)

    async def for_list(self, wanted: ListKey, applied_seq: int, seconds: float, *, patient: bool) -> float | None:
        """Waits until a list reflects a transaction; the seconds left, or None if it does not."""
        return await self._wait(lambda done: _Waiter(done, patient, wanted=wanted, applied_seq=applied_seq), seconds)

    def hear(self, *, heard: bool) -> None:
        """Notes whether `told` is called for transactions from now on."""
        self._heard = heard

    def told(self) -> None:
        """Has the next look happen soon: a transaction or lists were written."""
        self._news.set()

    async def close(self) -> None:
        """Lets everybody go."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for waiter in self._waiters:
            waiter.done.cancel()

    async def _wait(self, make: Callable[[asyncio.Future[bool]], _Waiter], seconds: float) -> float | None:
        if len(self._waiters) >= self._most_waiters:
            self.refused += 1
            return None
        loop = asyncio.get_running_loop()
        waiter = make(loop.create_future())
        began = loop.time()
        self._waiters.add(waiter)
        self.told()  # the task shall look for him at once
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            # One look is always taken, however short the deadline: what has arrived needs no waiting.
            async with asyncio.timeout(max(seconds, POLL_SECONDS * 5)):
                if not await waiter.done:
                    return None
        except TimeoutError:
            return None
        finally:
            self._waiters.discard(waiter)
        return max(0.0, seconds - (loop.time() - began))

    async def _poll(self) -> None:
        while self._waiters:
            waiters = list(self._waiters)
            try:
                await self._look(waiters)
            except self._failures:
                for waiter in waiters:
                    if not waiter.patient:
                        _release(waiter, arrived=False)
            await asyncio.sleep(POLL_SECONDS)
            if self._heard:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TOLD_SECONDS):
                        await self._news.wait()
            self._news.clear()

    async def _look(self, waiters: list[_Waiter]) -> None:
        if any(waiter.positions for waiter in waiters):
            offsets = await self._fetch_offsets()
            for waiter in waiters:
                if waiter.positions and passed(offsets, waiter.positions):
                    _release(waiter)
        lists = sorted({waiter.wanted for waiter in waiters if waiter.wanted is not None})
        if lists:
            reached = await self._fetch_lists(lists)
            for waiter in waiters:
                if waiter.wanted is not None and reached.get(waiter.wanted, -1) >= waiter.applied_seq:
                    _release(waiter)


def passed(offsets: Offsets, positions: Positions) -> bool:
    """Whether every position lies at or before the offset of its partition."""
    return all(offsets.get(partition, 0) >= offset for partition, offset in positions.items())


def _release(waiter: _Waiter, *, arrived: bool = True) -> None:
    if not waiter.done.done():
        waiter.done.set_result(arrived)
