"""How do events come out of Kafka?  A Faust transport that hands over a whole poll as one stream event.

Faust ties every record to one partition and spends about 70 µs on it.  Here one ``getmany`` becomes one ``Poll``: the
raw records of every partition and topic that had any.  Where a partition resumes is decided by ``app.offset_store``;
Kafka's own offsets only repeat what it says, for lag tools.

The overrides use private names of faust 0.15.3 and aiokafka 0.14; ``streams.startup_checks`` asserts that they exist.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import faust
from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

EXIT_CRASHED = 70
UNBOUNDED = 1 << 31
METADATA_WAIT_SECONDS = 0.05
READY_SECONDS = 0.001
"""A fetch that answers sooner found its records in the buffer."""
FRESH_WAIT_SECONDS = 0.005
"""How long a poll of buffered records waits for the newer ones behind them."""
FETCH_MAX_WAIT_MS = 100
"""Faust's 1500 ms would let a drained partition wait that long for the idle ones of the same broker."""


class OffsetStore(Protocol):
    """Who decides where a partition resumes."""

    async def claim(self, bounds: Mapping[TP, tuple[int, int]], generation: int) -> Mapping[TP, int]:
        """Makes this process the only writer of the partitions, whose log (start, end) is given: where each resumes."""

    def durable(self) -> Mapping[TP, int]:
        """How far each partition is stored."""

    async def drain(self) -> None:
        """Waits for what is being stored."""


@dataclass(frozen=True, slots=True)
class RawSlice:
    """Everything a partition holds from ``start`` up to its last record.

    The first record may lie behind ``start``: compaction, transaction markers and aborted records leave holes.  A lost
    slice does not: its successor starts behind the cursor.
    """

    start: int
    records: Sequence[ConsumerRecord]
    seek_number: int


Poll = Mapping[TP, RawSlice]


class PollScheduler:
    """``ConsumerScheduler`` setting: ``ConsumerThread`` already made one item of the poll."""

    def iterate(self, records: Mapping[TP, Poll]) -> Iterator[tuple[TP, Poll]]:
        """The one (carrier partition, poll) there is."""
        return iter(records.items())


class NoReadOffsets(dict[TP, int | None]):
    """Nothing was read before, as far as Faust is concerned.

    Faust drops messages below the last offset it delivered and writes that offset too late after a seek back, so it
    would drop what was asked for again.  The recorder trims instead.
    """

    def __getitem__(self, tp: TP) -> None:
        return None


def _as_parsed(_partition_records: Any, _tp: Any, record: Any) -> Any:
    """aiokafka's parsed record itself: ``offset, timestamp, key, value, headers`` and ``timestamp_type``."""
    return record


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns aiokafka's consumer; it builds the polls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fetched_to: dict[TP, int] = {}
        self._wanted = asyncio.Event()
        self._wanted.set()
        self.seeks: Counter[TP] = Counter()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # aiokafka reads these three only in start().
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        # Round robin deals all topics as one row, so that partition k of each lands anywhere.
        consumer._partition_assignment_strategy = [RangePartitionAssignor]
        consumer._isolation_level = "read_committed"
        # Wrapping each record in a dataclass of eleven fields costs 2 to 4 µs; the parsed record has what we read.
        fetcher.PartitionRecords._consumer_record = _as_parsed
        return consumer

    # Both run on the consumer's own thread and neither awaits between touching aiokafka's position and ours, so that
    # ``start`` is where the records were really read from.  (A fetch asked for before a seek may well return records
    # from after it.)
    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self._fetched_to.update(partitions)
        self.seeks.update(partitions.keys())
        self._wanted.set()
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Mapping[TP, Poll]:
        await self._until_wanted(timeout)
        poll: dict[TP, RawSlice] = {}
        room = max_records or UNBOUNDED
        started = time.monotonic()
        wait = timeout
        while room > 0:
            # One call empties what has arrived of one or a few partitions; the rest makes the same transaction.
            fetched = await super()._fetch_records(consumer, active_partitions, timeout=wait, max_records=room)
            if not fetched:
                break
            for found, records in fetched.items():
                room -= len(records)
                self._append(poll, ensure_TP(found), records)
            # aiokafka asks the broker for more of a partition only once its buffer is empty.  Records that lay there
            # ready may be old, and newer ones are one round trip away: without them they would wait a whole turn.
            ready = time.monotonic() - started < READY_SECONDS
            wait = FRESH_WAIT_SECONDS if ready and wait == timeout else 0.0
        if not poll:
            self._wanted.set()
        # Faust wants a partition per item; any one of the poll passes its checks.
        return {next(iter(poll)): poll} if poll else {}

    async def _until_wanted(self, timeout: float | None) -> None:  # noqa: ASYNC109
        """Waits until the worker wants a poll, but not for ever: Faust may have dropped the last one."""
        try:
            async with asyncio.timeout(timeout):
                await self._wanted.wait()
        except TimeoutError:
            return
        self._wanted.clear()

    def want(self) -> None:
        """Asks for the next poll; from any thread."""
        self.thread_loop.call_soon_threadsafe(self._wanted.set)

    def _append(self, poll: dict[TP, RawSlice], tp: TP, records: Sequence[ConsumerRecord]) -> None:
        if not records or tp not in self._fetched_to:
            return
        start, seek_number = self._fetched_to[tp], self.seeks[tp]
        if records[0].offset < start:
            # Between a new assignment and our seek, aiokafka reads from Kafka's own offset, which lags behind.  Faust
            # fetches then if the rebalance began before the seek of the last one was done: its flow goes on too soon.
            records = [record for record in records if record.offset >= start]
            if not records:
                return
        self._fetched_to[tp] = records[-1].offset + 1
        before = poll.get(tp)
        if before is not None and before.seek_number == seek_number:
            poll[tp] = RawSlice(before.start, [*before.records, *records], seek_number)
        else:
            # A piece fetched before a seek is dropped for the one after it, which begins where the seek went.
            poll[tp] = RawSlice(start, records, seek_number)

    async def log_ends(self, partitions: Collection[TP]) -> Mapping[TP, int]:
        """The next offset that the broker will hand out, for each partition."""
        found = await self.call_thread(self._ensure_consumer().end_offsets, list(partitions))
        return {ensure_TP(tp): offset for tp, offset in found.items()}


class UnequalPartitions(Exception):  # noqa: N818 - the topics are at fault, and only a person can mend them
    """The worker's topics have different partition counts."""

    exit_code = EXIT_CRASHED


class Consumer(driver.Consumer):
    """Faust's consumer, with the store's offsets in place of Kafka's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = NoReadOffsets()
        self.partition_count = 0
        """Partitions of each topic, known from the first claim on."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, poll: Poll) -> ConsumerMessage:
        last = poll[tp].records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            None,
            None,
            poll,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def want(self) -> None:
        """Asks for the next poll: what arrives until then makes one poll, not several that queue up."""
        self._thread.want()

    def is_stale(self, tp: TP, seek_number: int) -> bool:
        """True when the partition was sought after the slice of ``seek_number`` was fetched."""
        return bool(seek_number != self._thread.seeks[tp])

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Resumes from the store.  The only hook whose seek survives a rebalance: Faust calls it after all signals."""
        partitions = self.assignment()
        if not partitions:
            return {}
        await self._count_partitions()
        starts = await self.log_starts(partitions)
        ends = await self._thread.log_ends(partitions)
        bounds = {tp: (starts[tp], ends[tp]) for tp in partitions}
        try:
            offsets: Mapping[TP, int] = await self.app.offset_store.claim(bounds, self.app.consumer_generation_id)
        except Exception as fault:
            self.app._crash(fault)
            raise
        await self._thread.seek_wait(offsets)
        return offsets

    async def log_starts(self, partitions: Collection[TP]) -> Mapping[TP, int]:
        """The first offset that the broker still holds, for each partition."""
        found: Mapping[Any, int] = await self._thread.earliest_offsets(*partitions)
        return {ensure_TP(tp): offset for tp, offset in found.items()}

    async def _count_partitions(self) -> None:
        """Learns the partition counts; unequal ones would give a learner two owners."""
        consumer = self._thread._ensure_consumer()
        counts = {}
        for topic in sorted(consumer.subscription()):
            places = consumer.partitions_for_topic(topic)
            while not places:  # the client's metadata may be younger than the assignment
                await asyncio.sleep(METADATA_WAIT_SECONDS)
                places = consumer.partitions_for_topic(topic)
            counts[topic] = len(places)
        if len(set(counts.values())) > 1:
            self.app._crash(UnequalPartitions(f"the topics need equal partition counts, but have {counts}"))
        self.partition_count = next(iter(counts.values()))

    async def seek_back(self, offsets: Mapping[TP, int]) -> None:
        """Reads again from these offsets."""
        await self._thread.seek_wait(offsets)

    def _filter_committable_offsets(self, tps: Any) -> dict[TP, int]:  # noqa: ARG002
        # Topics are declared with acks=False, so Faust's own lists of acknowledged offsets stay empty.
        durable = self.app.offset_store.durable()
        return {tp: offset for tp, offset in durable.items() if self._should_commit(tp, offset)}

    def on_buffer_full(self, tp: TP) -> None:
        """Does nothing: Faust would pause the partition and sleep a second when all are paused.

        The full queue blocks the fetch loop, which is all the backpressure needed.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Does nothing, as ``on_buffer_full``."""

    async def verify_all_partitions_active(self) -> None:
        """Does nothing: it reads aiokafka state that is None during a rebalance, and only ever logs."""


class Transport(driver.Transport):
    """Faust's aiokafka transport with the consumer above."""

    Consumer = Consumer


class PollSchema(faust.Schema):
    """Hands the poll through undecoded."""

    def compile(self, app: faust.App, **_: Any) -> Any:
        """The decoder that Faust calls for each message."""

        async def decode(message: ConsumerMessage, *, propagate: bool = False) -> Any:  # noqa: ARG001
            return app.create_event(None, message.value, {}, message)

        return decode
