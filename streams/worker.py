"""What does a worker process do?  One Faust agent over whole polls; each becomes one projection transaction.

``build`` is a factory: importing this module starts nothing.  Decoding of the next poll runs in one thread while the
database works on the last in another; polls are recorded strictly in the order in which they were fetched.

Exit codes: 0 clean stop, 1 start failed for now (the broker is away), 70 crashed or fenced (start again), 78 the
input is wrong or lost and a person must look.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faust
import numpy as np
from faust.types import TP

from projections import tracing
from projections.assembly import Draft, draft, interactions_of
from projections.dead_letter_limit import DeadLetterLimit
from projections.poll import Slice
from projections.recorded import Recorded
from projections.recorder import DataLost, Recorder
from projections.tracing import Carried
from schemas.interactions import TYPE_OF_CODE
from schemas.lists import RecommendationType
from schemas.topics import CATALOGUE, IMPRESSIONS, INTERACTIONS, LEARNER_COMMANDS
from streams import metrics, startup_checks, traces
from streams.batch_app import BatchApp, batch_app
from streams.change_teller import ChangeTeller
from streams.intake import decode_slice
from streams.list_tick import ListTick
from streams.metrics_server import serve_metrics
from streams.outbox_relay import OutboxRelay
from streams.poll_store import PollStore
from streams.process_memory import return_large_blocks, search_seldom
from streams.settings import WorkerSettings
from streams.transport import EXIT_CRASHED, Poll, PollSchema

logger = logging.getLogger(__name__)

TOPICS = (INTERACTIONS, LEARNER_COMMANDS, IMPRESSIONS, CATALOGUE)
"""What the worker folds.  Equal partition counts, checked at every claim."""
LIST_LABELS = frozenset({*RecommendationType, "exploration", "popular"})
"""Types of lists and arms that metrics tell apart."""
LOG_MISROUTED_EVERY_SECONDS = 60.0
SWITCH_INTERVAL_SECONDS = 0.0005
LATE_MS = 3_600_000
"""Events that happened so long before their poll was published count as late."""
BACKLOG_RECORDS = 2_000
"""A poll of so many is a backlog: the next one is fetched and decoded while this one is recorded, and begun while its
commit is under way."""


class Evicted(Exception):  # noqa: N818 - it says what happened to us
    """Another process owns our partitions."""

    exit_code = EXIT_CRASHED


class Worker:
    """Takes polls to the recorder and what follows from them to everybody else."""

    def __init__(self, app: BatchApp, settings: WorkerSettings, store: PollStore) -> None:
        self._app = app
        self._store = store
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        self._turn: asyncio.Future[None] | None = None
        """Done as soon as the next poll may be recorded."""
        self._recording: set[asyncio.Future[None]] = set()
        self._misrouted_logged = -LOG_MISROUTED_EVERY_SECONDS
        self._misrouted = 0
        self.relay = OutboxRelay(settings.database_url, settings.kafka_bootstrap)
        self.lists = ListTick(settings)
        self.changes = ChangeTeller(settings)
        store.on_claim = self.lists.rescan

    async def take(self, poll: Poll) -> None:
        """Decodes a poll while the one before it is recorded, then has it recorded in its turn.

        Raises nothing: Faust would count the poll as done and go on with the next.
        """
        try:
            await self._check_holes(poll)
            loop = asyncio.get_running_loop()
            slices, drafted = await loop.run_in_executor(self._decoder, self._decode, poll)
            if self._turn is not None:
                await self._turn
            traced = traces.of_poll(poll) if tracing.is_on() else None
            behind = sum(piece.delivered for piece in slices) >= BACKLOG_RECORDS
            self._turn = loop.create_future() if behind else None
            recording = asyncio.ensure_future(self._record(slices, drafted, traced, self._turn))
            self._recording.add(recording)
            recording.add_done_callback(self._recording.discard)
            if not behind:
                # We are up to date: what arrives during this transaction shall make one poll, read after it.
                await recording
            self._app.consumer.want()
        except Exception as fault:  # noqa: BLE001 - whatever it is, a half-dead worker would be worse
            self._app._crash(fault)

    def _decode(self, poll: Poll) -> tuple[list[Slice], Draft]:
        consumer = self._app.consumer
        slices = [
            decode_slice(
                tp.topic,
                tp.partition,
                raw.start,
                raw.records,
                consumer.partition_count,
                raw.seek_number,
            )
            for tp, raw in sorted(poll.items())
        ]
        return slices, draft(interactions_of(slices))

    async def _record(
        self, slices: list[Slice], drafted: Draft, traced: list[Carried] | None, turn: asyncio.Future[None] | None
    ) -> None:
        began_ns = time.time_ns()
        sent = None if turn is None else lambda: turn.set_result(None)
        try:
            recorded = await self._store.record(slices, drafted, self._is_stale, sent)
            if traced is not None:
                counts = {"messaging.batch.message_count": recorded.delivered, "applied_seq": recorded.applied_seq}
                tracing.folded("transaction", traced, began_ns, counts)
            await self._follow_up(recorded, slices)
            if turn is not None and not turn.done():
                turn.set_result(None)
        except Exception as fault:  # noqa: BLE001 - whatever it is, a half-dead worker would be worse
            self._app._crash(fault)

    def _is_stale(self, piece: Slice) -> bool:
        return bool(self._app.consumer.is_stale(TP(*piece.partition), piece.seek_number))

    async def _follow_up(self, recorded: Recorded, slices: list[Slice]) -> None:
        if recorded.lost:
            metrics.RESEEKS.inc(len(recorded.lost))
            await self._app.consumer.seek_back({TP(*tp): offset for tp, offset in recorded.lost.items()})
        if recorded.fenced:
            metrics.FENCED.inc(len(recorded.fenced))
            assigned = self._app.consumer.assignment()
            if not self._app.rebalancing and any(TP(*tp) in assigned for tp in recorded.fenced):
                # A seek inside one generation does not bump the epoch: going on would read and refuse for ever.
                self._app._crash(Evicted("another process claimed our partitions: does one run with the same name?"))
        if not recorded.applied_seq:
            return
        self._measure(recorded, slices)
        if recorded.outbox:
            self.relay.wake()
        self.changes.tell(recorded)
        self.lists.touch(recorded, rescan=self._store.retried)
        self._store.retried = False
        if recorded.misrouted:
            self._log_misrouted(recorded.misrouted)

    def _measure(self, recorded: Recorded, slices: list[Slice]) -> None:
        metrics.TRANSACTIONS.inc()
        metrics.POLL_RECORDS.observe(recorded.delivered)
        oldest = min((piece.record_ms[0] for piece in slices if piece.record_ms), default=None)
        if oldest is not None:
            metrics.FRESHNESS_SECONDS.observe(max(0.0, time.time() - oldest / 1000))
        for code, count in enumerate(np.bincount(recorded.batch.type).tolist()):
            if count:
                metrics.EVENTS.labels(TYPE_OF_CODE[code].value).inc(count)
        for reason, count in recorded.dead.items():
            metrics.DEAD_LETTERS.labels(reason).inc(count)
        metrics.DUPLICATES.inc(recorded.duplicates)
        metrics.CLAMPED.inc(recorded.clamped)
        if oldest is not None:
            metrics.LATE.inc(int(np.count_nonzero(recorded.batch.at_ms < oldest - LATE_MS)))
        metrics.MISROUTED.inc(recorded.misrouted)
        metrics.COMMANDS.inc(recorded.commands)
        metrics.CONTENTS.inc(recorded.contents)
        for cell, sums in recorded.served.sums.items():
            # Anyone may write to the topic: what is not ours must not become time series.
            labels = [name if name in LIST_LABELS else "other" for name in (cell.list_type, cell.arm)]
            for metric, more in (
                (metrics.RECOMMENDATIONS_SHOWN, sums.impressions),
                (metrics.RECOMMENDATIONS_CLICKED, sums.clicks),
                (metrics.RECOMMENDATIONS_COMPLETED, sums.conversions),
            ):
                # Zero is said as well: what was shown and never taken is a rate of 0, not an unknown one.
                metric.labels(*labels).inc(max(more, 0))

    def _log_misrouted(self, count: int) -> None:
        self._misrouted += count
        if time.monotonic() - self._misrouted_logged >= LOG_MISROUTED_EVERY_SECONDS:
            logger.warning(
                "%d records stood in a wrong partition or had no key and were sent to their own; "
                "set partitioner=murmur2_random in librdkafka producers and use the userId as key",
                self._misrouted,
            )
            self._misrouted, self._misrouted_logged = 0, time.monotonic()

    async def _check_holes(self, poll: Poll) -> None:
        """A slice that begins behind its start met a transaction marker, compaction, or records that are gone."""
        holes = [tp for tp, raw in poll.items() if raw.records[0].offset > raw.start]
        if not holes:
            return
        starts: Mapping[TP, int] = await self._app.consumer.log_starts(holes)
        gone = [tp for tp in holes if starts[tp] > poll[tp].start]
        if gone:
            self._app._crash(DataLost(f"retention deleted records of {len(gone)} partitions before they were applied"))


def build(settings: WorkerSettings) -> BatchApp:
    """The Faust application of one worker process, not started."""
    app = batch_app("personalize-worker", settings)
    recorder = Recorder(
        settings.database_url,
        settings.instance_id,
        limit=DeadLetterLimit(settings.dead_letter_max_share, settings.dead_letter_min_count),
        dedupe_days=settings.dedupe_days,
    )
    store = PollStore(recorder)
    app.offset_store = store
    worker = Worker(app, settings, store)
    topic = app.topic(*(topic.name for topic in TOPICS), schema=PollSchema(), acks=False)

    @app.agent(topic, name="fold")
    async def fold(stream: Any) -> None:
        async for poll in stream:
            await worker.take(poll)

    @app.task
    async def relay_outbox() -> None:
        await worker.relay.run()

    @app.task
    async def tell_changes() -> None:
        await worker.changes.run()

    @app.task
    async def write_lists() -> None:
        await worker.lists.run()

    return app


def main(settings: WorkerSettings) -> None:
    """Runs one worker until it is told to stop; returns only by exiting."""
    return_large_blocks()
    startup_checks.check_all()
    # Four threads share the interpreter; the one that the database has just answered should not wait 5 ms for it.
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    serve_metrics(settings.metrics_host, settings.metrics_port)
    app = build(settings)
    search_seldom()
    faust.Worker(
        app, loglevel=settings.log_level, redirect_stdouts=False, override_logging=False
    ).execute_from_commandline()
