"""What does the recommender process do?  A second Faust app over the worker's topics: item tables, blend and lists.

`build` is a factory: importing this module starts nothing.  Polls are decoded in one thread, folded and turned into
lists in another, and snapshots are written in a third.  Exit codes are the worker's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import faust
from faust.types import TP

from projections import tracing
from projections.poll import TopicPartition
from projections.recommender.engine import Engine, EngineSettings
from projections.recommender.list_writer import Ticked
from projections.recommender.pieces import Piece, piece_of
from projections.recommender.progress import TOPICS
from projections.recommender.snapshot_store import Snapshot
from projections.recommender.warm_up import warm_up
from projections.stores.postgres import TRANSIENT, Connection, connect
from projections.stores.redis import Mirror
from streams import recommender_metrics as metrics
from streams import startup_checks
from streams.batch_app import BatchApp, batch_app
from streams.intake import decode_slice
from streams.learner_model import Teaching
from streams.metrics_server import serve_metrics
from streams.process_memory import return_large_blocks, search_seldom
from streams.recommender_gauges import show
from streams.recommender_settings import RecommenderSettings
from streams.recommender_singleton import hold_alone
from streams.traces import WaitingTraces
from streams.transport import Poll, PollSchema

logger = logging.getLogger(__name__)

T = TypeVar("T")
MOST_WAITING_EVENTS = 100_000
"""Events read ahead; about 50 MB."""
IDLE_SECONDS = 0.5
FOLLOW_SECONDS = 0.02
"""How often the worker's offsets are looked at while something waits for them."""
BREATH_SHARE = 0.2
"""Of a tick's time, left to the other threads before the next one when lists wait."""
RETRY_SECONDS = 0.5


class Recommender:
    """Takes polls to the engine; also the transport's ``OffsetStore``."""

    def __init__(self, app: BatchApp, settings: RecommenderSettings) -> None:
        self._app = app
        self._settings = settings
        owner = EngineSettings(database_url=settings.database_url, owner=settings.instance_id)
        if settings.learn_from_all:
            owner.learn_budget_seconds = float("inf")
        self.engine = Engine(owner, Mirror(settings.redis))
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        self._folder = ThreadPoolExecutor(1, thread_name_prefix="folder")
        self._saver = ThreadPoolExecutor(1, thread_name_prefix="saver")
        self._saving: asyncio.Task[None] | None = None
        self._comparing: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._saved_at = time.monotonic()
        self._partitions: Counter[str] = Counter()
        self._inbox: list[Piece] = []
        self._inbox_events = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Condition()
        self._traces = WaitingTraces()
        self._stopping = False
        self._stopped = asyncio.Event()
        self._connection: Connection | None = None

    # -- Faust's side --------------------------------------------------------------------------------------------

    async def take(self, poll: Poll) -> None:
        """Decodes a poll and hands it to the next tick; waits while too much is ahead."""
        try:
            pieces = await asyncio.get_running_loop().run_in_executor(self._decoder, self._decode, poll)
        except Exception as fault:
            self._app._crash(fault)
            raise
        if tracing.is_on():
            self._traces.arrived(poll)
        self._inbox += pieces
        self._inbox_events += sum(len(piece.offsets) for piece in pieces)
        self._arrived.set()
        async with self._room:
            await self._room.wait_for(self._has_room)
        self._app.consumer.want()

    def _has_room(self) -> bool:
        return self._stopping or self._inbox_events + self.engine.waiting.events <= MOST_WAITING_EVENTS

    def _decode(self, poll: Poll) -> list[Piece]:
        count = self._partitions
        return [
            piece_of(decode_slice(tp.topic, tp.partition, raw.start, raw.records, count[tp.topic], raw.seek_number))
            for tp, raw in sorted(poll.items())
            if not self._app.consumer.is_stale(tp, raw.seek_number)
        ]

    async def claim(self, bounds: Mapping[TP, tuple[int, int]], generation: int) -> Mapping[TP, int]:  # noqa: ARG002
        """Becomes the only writer of the partitions; where each resumes."""
        wanted = {TopicPartition(tp.topic, tp.partition): bound for tp, bound in bounds.items()}
        if self._saving is not None:
            await asyncio.wait([self._saving])
        # The only member of its group has all partitions; the consumer's own count may not be there yet.
        self._partitions = Counter(partition.topic for partition in wanted)
        found = await self._retrying(lambda: self.engine.claim(wanted))
        self._inbox, self._inbox_events = [], 0
        return {TP(partition.topic, partition.part): offset for partition, offset in found.items()}

    def durable(self) -> Mapping[TP, int]:
        """How far each partition is folded: for lag tools, which watch the lists rather than the snapshots."""
        return {TP(*partition): offset for partition, offset in self.engine.cursors.items()}

    async def drain(self) -> None:
        """Ends ticking and stores a last snapshot."""
        self._stopping = True
        self._arrived.set()
        await self._stopped.wait()
        if self._saving is not None:
            await asyncio.wait([self._saving])
        snapshot = await self._in_folder(self.engine.copy)
        if snapshot is not None:
            await self._save(snapshot)

    # -- ticking -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ticks until the app stops."""
        try:
            while not self._stopping:
                started = time.monotonic()
                ticked = await self._tick()
                await self._housekeeping()
                await self._rest(ticked, time.monotonic() - started)
        except Exception as fault:  # noqa: BLE001 - whatever it is, a half-dead process would be worse
            self._app._crash(fault)
        finally:
            self._stopped.set()

    async def _tick(self) -> Ticked:
        pieces, self._inbox, self._inbox_events = self._inbox, [], 0
        lost = await self._in_folder(lambda: self.engine.receive(pieces))
        if lost:
            await self._app.consumer.seek_back({TP(*partition): offset for partition, offset in lost.items()})
        started = time.perf_counter()
        ticked = await self._retrying(self.engine.tick)
        if ticked.events or ticked.lists:
            metrics.TICK_SECONDS.observe(time.perf_counter() - started)
        async with self._room:
            self._room.notify_all()
        show(self.engine, ticked)
        if tracing.is_on():
            self._traces.settle(self.engine.cursors, lists_wait=bool(self.engine.lists.pending))
        return ticked

    async def _rest(self, ticked: Ticked, took: float) -> None:
        """Sleeps out the tick; longer when there is nothing to do."""
        self._arrived.clear()
        interval = self._settings.list_tick_ms / 1000
        if self.engine.waiting.events and not ticked.events:
            await asyncio.sleep(FOLLOW_SECONDS)
        elif self.engine.lists.waits:
            # Who is left has waited a tick already; a learner touched again stands behind all of them.
            await asyncio.sleep(took * BREATH_SHARE)
        elif ticked.events:
            await asyncio.sleep(max(0.0, interval - took) if ticked.lists else 0.0)
        elif not self._inbox and not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._arrived.wait()

    async def _housekeeping(self) -> None:
        due = time.monotonic() - self._saved_at >= self._settings.snapshot_seconds
        due |= self.engine.unsaved_events >= self._settings.snapshot_events
        if due and (self._saving is None or self._saving.done()):
            self._saved_at = time.monotonic()
            snapshot = await self._in_folder(self.engine.copy)
            if snapshot is not None:
                self._saving = asyncio.create_task(self._save(snapshot))
        if self.engine.models.wanted is not None and (self._loading is None or self._loading.done()):
            self._loading = asyncio.create_task(self._load_models())
        if self.engine.content.changed is not None and (self._comparing is None or self._comparing.done()):
            self._comparing = asyncio.create_task(self._compare())

    async def _save(self, snapshot: Snapshot) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = time.perf_counter()
            try:
                packed = await loop.run_in_executor(self._saver, self._store, snapshot)
            except TRANSIENT as fault:
                logger.warning("snapshot: %s; trying again", type(fault).__name__)
                metrics.RETRIES.inc()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception as fault:  # noqa: BLE001
                self._app._crash(fault)
                return
            if packed is not None:
                metrics.SNAPSHOTS.inc()
                metrics.SNAPSHOT_BYTES.set(packed.written_bytes)
                metrics.SNAPSHOT_SECONDS.observe(time.perf_counter() - started)
            return

    def _store(self, snapshot: Snapshot) -> Any:
        connection = self._own_connection()
        try:
            return self.engine.store(connection, snapshot)
        except TRANSIENT:
            connection.close()
            raise

    def _own_connection(self) -> Connection:
        """The connection of the thread that stores and loads."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings.database_url, autocommit=True, name="personalize-snapshots")
        return self._connection

    async def _load_models(self) -> None:
        """Takes over models that have gone live."""
        try:
            loop = asyncio.get_running_loop()
            loaded = await loop.run_in_executor(self._saver, lambda: self.engine.models.job(self._own_connection()))
            await self._in_folder(lambda: self.engine.take_models(loaded))
        except TRANSIENT as fault:
            logger.warning("models: %s; trying again", type(fault).__name__)  # the next beat finds them again
        except Exception as fault:  # noqa: BLE001
            self._app._crash(fault)

    async def _compare(self) -> None:
        """Compares the texts of a changed catalogue beside the ticks."""
        view = self.engine.content.changed
        if view is None:
            return
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._saver, lambda: self.engine.likeness_job(view)
            )
            await self._in_folder(lambda: self.engine.take_likeness(found))
        except Exception as fault:  # noqa: BLE001
            self._app._crash(fault)

    # -- threads -------------------------------------------------------------------------------------------------

    async def _in_folder(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._folder, call)

    async def _retrying(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return await self._in_folder(call)
            except TRANSIENT as fault:
                logger.warning("database: %s; trying again", type(fault).__name__)
                metrics.RETRIES.inc()
                await self._in_folder(self.engine.reset_connection)
                await asyncio.sleep(RETRY_SECONDS)


def build(settings: RecommenderSettings) -> BatchApp:
    """The Faust application of the recommender process, not started."""
    app = batch_app("personalize-recommender", settings)
    recommender = Recommender(app, settings)
    app.offset_store = recommender
    topic = app.topic(*(topic.name for topic in TOPICS), schema=PollSchema(), acks=False)

    @app.agent(topic, name="recommend")
    async def recommend(stream: Any) -> None:
        async for poll in stream:
            await recommender.take(poll)

    @app.task
    async def tick() -> None:
        await recommender.run()

    @app.task
    async def teach() -> None:
        await Teaching(app, settings.database_url).run()

    return app


def main(settings: RecommenderSettings) -> None:
    """Runs the recommender until it is told to stop; returns only by exiting."""
    return_large_blocks()
    startup_checks.check_all()
    serve_metrics(settings.metrics_host, settings.metrics_port)
    warm_up()
    with hold_alone(settings.database_url):
        app = build(settings)
        search_seldom()
        faust.Worker(
            app, loglevel=settings.log_level, redirect_stdouts=False, override_logging=False
        ).execute_from_commandline()
