"""How much memory does a worker need?  Its resident size over millions of events, and for each learner and item.

* slope: least squares of resident size over events folded, after the first million, with every event id in the dedupe
  window (all records are of this week). Rows of OULAD, repeated with new event ids as often as needed.
* a learner, an item: growth of the resident size and of the tables while so many new ones appear, one event each.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from personalize.bench.data_folder import data_folder
from personalize.bench.processes import WORKER, ensure_alive, log_tail, running
from personalize.bench.progress import progress
from personalize.bench.report import Report, describe_machine
from personalize.bench.servers import Servers, servers
from personalize.children import Child
from personalize.demo import oulad
from personalize.demo.bulk_producer import BulkProducer
from personalize.demo.publishing import publish_catalogue
from personalize.demo.records import Encoder, user_id
from personalize.errors import ProblemError
from schemas.topics import INTERACTIONS

EVENTS: Final = 5_000_000
SETTLED_EVENTS: Final = 1_000_000
NEW_ONES: Final = 50_000
_CHUNK: Final = 250_000
_LOOK_SECONDS: Final = 0.2
_STALLED_SECONDS: Final = 60.0
_QUIET_SECONDS: Final = 3.0

POSITION: Final = """
SELECT coalesce(sum(next_offset), 0)::bigint FROM stream_offset WHERE projection = 'worker' AND topic = 'interactions'
"""
# The log and the dedupe window grow by events, not by learners or items.
TABLE_BYTES: Final = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname !~ '^(interaction_log|event_seen|applied_range)'
"""

Records = Iterator[tuple[bytes, bytes]]


def bench(data: Path | None = None, *, events: int = EVENTS, new_ones: int = NEW_ONES) -> Report:
    """Runs the bench on its own servers.

    Args:
        data: folder with the measuring data sets; without OULAD there, the bundled module serves.
        events: how many are folded for the slope; of fewer than 2 million, the second half is measured.
        new_ones: how many new learners, and then new items, appear.
    """
    machine = describe_machine()
    table = oulad.read(data_folder(data))
    with servers() as own:
        asyncio.run(publish_catalogue(own.endpoints.kafka, table))
        with running(own, "worker", WORKER) as worker:
            meter = _Meter(own, worker)
            figures = _slope(meter, rows_for_ever(table), events)
            figures |= _each(meter, "learner", new_learners(), new_ones)
            figures |= _each(meter, "item", new_items(), new_ones)
    return Report.of("memory", figures, machine)


class _Meter:
    """Publishes records and watches the worker fold them."""

    def __init__(self, own: Servers, worker: Child) -> None:
        self.own = own
        self._worker = worker
        self._process = psutil.Process(worker.pid)
        self.published = 0

    def rss(self) -> int:
        """The worker's resident size [byte]."""
        return int(self._process.memory_info().rss)

    def table_bytes(self) -> int:
        """Size of all tables and indexes that do not grow by events."""
        with self.own.connect() as database:
            row = database.execute(TABLE_BYTES).fetchone()
            return int(row[0]) if row else 0

    def fold(self, records: list[tuple[bytes, bytes]], look: Callable[[int], None]) -> None:
        """Publishes and waits until all is folded, calling ``look`` with the position every now and then.

        Raises:
            ProblemError: the worker ended, or nothing was folded for a minute.
        """

        async def publish() -> None:
            async with BulkProducer(self.own.endpoints.kafka) as producer:
                await producer.write(INTERACTIONS.name, records)

        asyncio.run(publish())
        self.published += len(records)
        with self.own.connect() as database:
            position, moved = 0, time.monotonic()
            while position < self.published:
                time.sleep(_LOOK_SECONDS)
                ensure_alive(self.own, "worker", self._worker)
                row = database.execute(POSITION).fetchone()
                now = int(row[0]) if row else 0
                if now != position:
                    position, moved = now, time.monotonic()
                look(position)
                # However slow the machine is, it may take its time as long as there is progress.
                if time.monotonic() - moved > _STALLED_SECONDS:
                    raise ProblemError(
                        f"The worker stands at {position} of {self.published}:\n{log_tail(self.own.home, 'worker')}",
                        "read its log.",
                    )


def _slope(meter: _Meter, records: Records, events: int) -> dict[str, Any]:
    samples: list[tuple[int, int]] = []
    with progress("fold", events) as done:

        def look(position: int) -> None:
            samples.append((position, meter.rss()))
            done(position)

        for _ in range(math.ceil(events / _CHUNK)):
            meter.fold(list(islice(records, min(_CHUNK, events - meter.published))), look)
    settled = min(SETTLED_EVENTS, events // 2)
    after = np.array([sample for sample in samples if sample[0] >= settled], float)
    slope = float(np.polyfit(after[:, 0], after[:, 1], 1)[0])
    return {
        "rss_slope_bytes_per_event": slope,
        "events": events,
        "slope_from_event": settled,
        "rss_at_start_of_slope_bytes": int(after[0, 1]),
        "rss_at_end_bytes": int(after[-1, 1]),
        "rss_highest_bytes": int(max(rss for _, rss in samples)),
    }


def _each(meter: _Meter, name: str, records: Records, count: int) -> dict[str, Any]:
    """Growth for each of the new ones that the records bring."""
    time.sleep(_QUIET_SECONDS)  # lists of the learners of before are still being written
    rss, tables = meter.rss(), meter.table_bytes()
    meter.fold(list(islice(records, count)), lambda _position: None)
    time.sleep(_QUIET_SECONDS)
    return {
        f"bytes_per_{name}": (meter.rss() - rss) / count,
        f"table_bytes_per_{name}": (meter.table_bytes() - tables) / count,
    }


def rows_for_ever(table: oulad.Oulad) -> Records:
    """The table's rows in time order, over and over, each turn with new event ids and later by the table's span."""
    encoder = Encoder(table)
    clicks = table.clicks
    keys = [user_id(student).encode() for student in clicks.student.tolist()]
    span_ms = int(clicks.at_ms[-1] - clicks.at_ms[0]) + oulad.DAY_MS
    # The last turn ends before now; earlier ones reach back, at most to 1990.
    begin_ms = int(clicks.at_ms[0])
    turn = 0
    while True:
        shift_ms = turn * span_ms % (int(time.time() * 1000) - begin_ms - span_ms)
        yield from zip(keys, encoder.values(clicks, clicks.at_ms + shift_ms, turn), strict=True)
        turn += 1


def new_learners() -> Records:
    """One event of each of ever new learners, on a hundred known items."""
    number = 0
    while True:
        number += 1
        yield _one(f"new-learner-{number}", f"known-{number % 100}", number)


def new_items() -> Records:
    """One event on each of ever new items, by a hundred known learners."""
    number = 0
    while True:
        number += 1
        yield _one(f"known-learner-{number % 100}", f"new-item-{number}", number)


def _one(learner: str, item: str, number: int) -> tuple[bytes, bytes]:
    body = {
        "userId": learner,
        "interactionType": "VIEW",
        "contentType": "lesson",
        "contentId": item,
        "eventId": f"{item}/{number}",
        "occurredAt": int(time.time() * 1000),
    }
    return learner.encode(), json.dumps(body).encode()
