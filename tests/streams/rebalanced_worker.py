"""A worker whose group is rebalanced twice at the worst moments, as by others that come and go.  Run as a worker.

Faust resumes its flow behind the first rebalance although the second has begun.  So it fetches while that one's seek is
still to come, and aiokafka reads from Kafka's own offset, which here lags behind by everything.  Nothing of this is
imported by the product; the moments are put into the running process from outside.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

from faust.tables.recovery import Recovery
from faust.types import TP

from personalize.cli import main as personalize
from streams.poll_store import PollStore
from streams.transport import Consumer, ConsumerThread

EVENTS, LATER = 500, 700
"""How many are folded before the rebalances, and how many there are in the end."""
MOST_SECONDS = 20.0
RECORDED_SECONDS = 0.5
FETCHED_SECONDS = 1.5
"""Longer than Faust's fetch under way: it seeks itself when it finds the flow stopped, which may hide the race."""

recovering = contextvars.ContextVar("recovering", default=False)
stopped = asyncio.Event()
read_again = asyncio.Event()
rebalances = 0
"""How many have reached the seek since the events were folded."""
asked = False


def ours(consumer: Consumer) -> set[TP]:
    """The partitions of the interactions."""
    return {tp for tp in consumer.assignment() if tp.topic == "interactions"}


def rejoin(consumer: Consumer) -> None:
    """Has the broker rebalance the group."""
    thread = consumer._thread
    thread.thread_loop.call_soon_threadsafe(thread._ensure_consumer()._coordinator.request_rejoin)


def main() -> None:
    """Plants the moments and becomes an ordinary worker."""
    resume_streams, perform_seek = Recovery._resume_streams, Consumer.perform_seek
    stop_flow, resume_flow = Consumer.stop_flow, Consumer.resume_flow
    record, append = PollStore.record, ConsumerThread._append

    async def resumed(self: Any, generation_id: int = 0) -> None:
        recovering.set(True)
        await resume_streams(self, generation_id=generation_id)

    async def recorded(self: Any, *args: Any) -> Any:
        global asked
        result = await record(self, *args)
        folded = sum(offset for tp, offset in self.durable().items() if tp.topic == "interactions")
        if folded >= EVENTS and not asked:
            asked = True
            rejoin(consumers[0])
        return result

    async def sought(self: Any) -> None:
        global rebalances
        consumers[:] = [self]
        if not (asked and recovering.get()):
            await perform_seek(self)
            return
        rebalances += 1
        if rebalances == 1:
            await perform_seek(self)
            await asyncio.sleep(FETCHED_SECONDS)
            print("sought for the first time", flush=True)
            # What is read again shall reach beyond what was folded: the recorder knows a slice that does not.
            while sum((await self._thread.log_ends(ours(self))).values()) < LATER:
                await asyncio.sleep(0.05)
            stopped.clear()
            rejoin(self)
            await asyncio.wait_for(stopped.wait(), MOST_SECONDS)
        else:
            if rebalances == 2:
                await asyncio.wait_for(read_again.wait(), MOST_SECONDS)
                await asyncio.sleep(RECORDED_SECONDS)
                print("sought after records were read again", flush=True)
            await perform_seek(self)

    def stopping(self: Any) -> None:
        stop_flow(self)
        stopped.set()

    def appended(self: Any, poll: Any, tp: Any, records: Any) -> None:
        if tp.topic == "interactions" and records and records[0].offset < self._fetched_to.get(tp, 0):
            self.consumer.loop.call_soon_threadsafe(read_again.set)
        append(self, poll, tp, records)

    def resuming(self: Any) -> None:
        recovering.set(False)  # what is started from here on inherits it
        resume_flow(self)

    consumers: list[Consumer] = []
    Recovery._resume_streams, Consumer.perform_seek = resumed, sought
    Consumer.stop_flow, Consumer.resume_flow = stopping, resuming
    PollStore.record, ConsumerThread._append = recorded, appended
    # Kafka's offsets are left where they are: at none, which is the start of the log.
    Consumer._filter_committable_offsets = lambda *_: {}
    sys.argv = ["personalize", "worker"]
    personalize()


if __name__ == "__main__":
    main()
