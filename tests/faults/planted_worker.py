"""A worker with one known bug, to see whether the fault runs notice it.  Run as ``planted_worker.py BUG``.

Nothing here is imported by the product; the bugs are put into the running process from outside.
"""

from __future__ import annotations

import sys
import time
from typing import Any


def no_compare_and_swap() -> None:
    """Offsets are moved whatever they are: a process that lost its partitions writes on.

    Each transaction waits before it begins, so that a worker that is stopped has a poll in hand most likely; no more
    once it was stopped, which a wait that took far too long tells.
    """
    from projections import offsets
    from projections.recorder import Recorder

    transaction = Recorder._transaction
    was_stopped = False

    def late(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal was_stopped
        if not was_stopped:
            began = time.monotonic()
            time.sleep(0.5)
            was_stopped = time.monotonic() - began > 4.0
        return transaction(self, *args, **kwargs)

    Recorder._transaction = late

    def swap(connection: Any, moves: Any, projection: str = offsets.WORKER) -> Any:
        for move in moves:
            connection.execute(
                "UPDATE stream_offset SET next_offset = greatest(next_offset, %(end)s)"
                " WHERE projection = %(projection)s AND topic = %(topic)s AND part = %(part)s",
                {"end": move.end, "projection": projection, **move.partition._asdict()},
            )
        return set

    offsets.swap = swap


def commit_before_write() -> None:
    """Offsets are committed in a transaction of their own, before anything is written."""
    import psycopg

    from projections import offsets
    from projections.stores.postgres import register_arrays

    swap = offsets.swap

    def committed(connection: Any, moves: Any, projection: str = offsets.WORKER) -> Any:
        with psycopg.connect(_url(), autocommit=True) as early:
            register_arrays(early)
            refused = swap(early, moves, projection)()
        time.sleep(0.4)
        return lambda: refused

    offsets.swap = committed


def dropped_fetch() -> None:
    """Some early fetches are thrown away without a seek: the client's position moves, the transport's does not.

    Only early ones and only interactions, so that later records follow in each partition and offsets and ranges end up
    looking perfect.
    """
    from faust.transport.drivers import aiokafka as driver

    fetch = driver.AIOKafkaConsumerThread._fetch_records
    left = 5

    async def lossy(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        fetched = await fetch(self, *args, **kwargs)
        kept = {partition: records for partition, records in fetched.items() if partition.topic != "interactions"}
        if left and len(kept) < len(fetched):
            left -= 1
            return kept
        return fetched

    driver.AIOKafkaConsumerThread._fetch_records = lossy


def round_robin() -> None:
    """Partitions are dealt over all topics in turn, so that a learner's topics are with different workers."""
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

    from streams import transport

    transport.RangePartitionAssignor = RoundRobinPartitionAssignor


def _url() -> str:
    from personalize.connection import endpoints
    from personalize.settings import Settings

    return endpoints(Settings.load()).database_url


BUGS = {bug.__name__: bug for bug in (no_compare_and_swap, commit_before_write, dropped_fetch, round_robin)}


def main() -> None:
    """Plants the bug and becomes an ordinary worker."""
    from personalize.cli import main as personalize

    BUGS[sys.argv[1]]()
    sys.argv = ["personalize", "worker"]
    personalize()


if __name__ == "__main__":
    main()
