"""What a poll is made of, without a broker: each record of a partition once, from where it was sought on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from faust.types import TP

from streams.transport import ConsumerThread, RawSlice

PLACE = TP("interactions", 0)


@dataclass(frozen=True)
class Record:
    """As much of a record as a poll looks at."""

    offset: int


def records(first: int, end: int) -> list[Record]:
    """Those of the offsets from ``first`` up to but without ``end``."""
    return [Record(offset) for offset in range(first, end)]


def thread(fetched_to: int) -> ConsumerThread:
    """One that was sought to an offset, and was never started."""
    made = ConsumerThread.__new__(ConsumerThread)
    made._fetched_to = {PLACE: fetched_to}
    made.seeks = Counter({PLACE: 1})
    return made


def offsets(poll: dict[TP, RawSlice]) -> list[int]:
    """What the poll holds of the partition."""
    return [record.offset for record in poll[PLACE].records] if PLACE in poll else []


def test_what_a_rebalance_reads_again_is_not_in_a_poll_twice() -> None:
    """Between a new assignment and our seek, aiokafka reads from Kafka's own offset, which lags behind."""
    consumer = thread(100)
    poll: dict[TP, RawSlice] = {}
    consumer._append(poll, PLACE, records(100, 110))
    consumer._append(poll, PLACE, records(95, 105))
    assert offsets(poll) == list(range(100, 110))
    consumer._append(poll, PLACE, records(105, 120))
    assert offsets(poll) == list(range(100, 120))
    assert poll[PLACE].start == 100


def test_a_seek_begins_the_slice_anew() -> None:
    """What was fetched before is dropped, and what lies before the sought offset as well."""
    consumer = thread(100)
    poll: dict[TP, RawSlice] = {}
    consumer._append(poll, PLACE, records(100, 110))
    consumer._fetched_to[PLACE] = 104
    consumer.seeks[PLACE] += 1
    consumer._append(poll, PLACE, records(102, 108))
    assert offsets(poll) == [104, 105, 106, 107]
    assert (poll[PLACE].start, poll[PLACE].seek_number) == (104, 2)
