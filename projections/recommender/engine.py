"""How does the log become lists?  Tick by tick: fold what the worker has committed, write the lists of those touched.

One thread calls everything here but `store`, which writes a snapshot from copies in a thread of its own.  A tick
folds a bounded number of events and writes lists for a bounded time; what is left waits, coalesced, for the next one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.columns import Int32, Int64
from models.recommendation.exploration import SHARE
from projections import offsets
from projections.impressions import EXPOSURES
from projections.offsets import Move
from projections.poll import TopicPartition
from projections.recommender import daily_models, progress, sign_of_life, snapshot_store, weights
from projections.recommender.content_keeper import ContentKeeper
from projections.recommender.content_view import ContentView, Likeness
from projections.recommender.daily_models import Speakers
from projections.recommender.exploring import NOTHING_SHOWN, Exposures
from projections.recommender.learn_budget import LearnBudget
from projections.recommender.list_writer import ListWriter, Tables, Ticked
from projections.recommender.lists import Shelf, Trial
from projections.recommender.names import UNKNOWN, Names, gone
from projections.recommender.pieces import Piece, Waiting
from projections.recommender.progress import GROUP, Range
from projections.recommender.snapshot_store import Owned, Snapshot
from projections.recommender.state import Batch, Shares, State
from projections.stores.burst import WriterConnection, connect_writer
from projections.stores.postgres import Connection
from projections.stores.redis import Mirror
from schemas.commands import EraseRequested

logger = logging.getLogger(__name__)

EVENTS_A_STEP = 4_000
LEARN_BUDGET_SECONDS = 0.05
MOST_WAIT_MS = 700
"""While a list waits for longer, nothing is learnt: the time goes to lists."""
BEAT_SECONDS = 2.0
EXPOSURES_SECONDS = 10.0
"""How old the figures of exploration may be."""


class Fenced(Exception):  # noqa: N818 - it says what happened to us
    """Another process owns the partitions: nothing of ours may be stored any more."""

    exit_code = 70


@dataclass(slots=True, kw_only=True)
class EngineSettings:
    """What the engine has to be told."""

    database_url: str
    owner: str
    learn_budget_seconds: float = LEARN_BUDGET_SECONDS
    """Time a step may spend on learning; infinite: learn from every event."""
    exploration_share: float = SHARE
    """Of the lists in which one place tries something out; 0: none."""


class Engine:
    """Folds, lists and snapshots of one recommender process."""

    def __init__(self, settings: EngineSettings, mirror: Mirror) -> None:
        self._settings = settings
        self._connection: WriterConnection | None = None
        self._names = Names()
        self._owned = Owned()
        self._beat_at = -1e9
        self._exposures, self._exposures_at = NOTHING_SHOWN, -1e9
        self._budget = LearnBudget(settings.learn_budget_seconds)
        self._folded_at = -1e9
        self._check_erased = True
        self.state: State | None = None
        self.waiting = Waiting()
        self.cursors: dict[TopicPartition, int] = {}
        """How far the state is."""
        self.lists = ListWriter(mirror)
        self.watermark_ms = 0
        self.unsaved_events = 0
        self.models = Speakers()
        """Daily models that speak in the lists."""
        self.content = ContentKeeper()

    def connection(self) -> WriterConnection:
        """The engine's own connection, opened when needed."""
        if self._connection is None or self._connection.closed:
            self._connection = connect_writer(self._settings.database_url, "personalize-recommender")
        return self._connection

    def reset_connection(self) -> None:
        """Drops the connection; the next call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- ownership -----------------------------------------------------------------------------------------------

    def claim(self, bounds: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, int]:
        """Becomes the only writer of the partitions; where each resumes.

        The state in memory goes on if nobody else has stored anything since; else the stored one is loaded.
        """
        connection = self.connection()
        before = self._owned
        if self.state is None:
            self._load(connection)
        cursors = offsets.claim(connection, bounds.keys(), self._settings.owner, GROUP)
        stored = {partition: cursor.next_offset for partition, cursor in cursors.items()}
        if any(before.stored.get(partition, at) != at for partition, at in stored.items()):
            self._load(connection)
        self._owned.epochs = {partition: cursor.epoch for partition, cursor in cursors.items()}
        self._owned.stored |= stored
        for partition, (start, end) in bounds.items():
            self._place(partition, stored[partition], start, end)
        self.waiting.restart({partition: self.cursors[partition] for partition in bounds})
        self._names.clear()
        return dict(self.waiting.received)

    def _place(self, partition: TopicPartition, stored: int, start: int, end: int) -> None:
        """Sets where one partition goes on, given its log's bounds."""
        at = max(self.cursors.get(partition, stored), stored)
        name = f"{partition.topic}/{partition.part}"
        if at > end:
            raise snapshot_store.SnapshotError(
                f"{name} ends at {end}, but {at} was already folded: was the topic made anew? "
                "Run `personalize recommender reset` to fold the log anew."
            )
        if at < start and at > 0:
            logger.warning("%s: %d records were deleted before they were folded", name, start - at)
        self.cursors[partition] = max(at, start)

    def _load(self, connection: Connection) -> None:
        """Takes over the stored state and offsets, or begins anew."""
        loaded = snapshot_store.load(connection)
        fresh = State()
        if loaded is not None and not fresh.fits(loaded.arrays):
            logger.warning("the stored snapshot is of another version of the models: the log is folded anew")
            with connection.transaction():
                snapshot_store.clear(connection)
                progress.begin_anew(connection)
            loaded = None
        self.state = State.of_arrays(loaded.arrays, loaded.step) if loaded else fresh
        self._owned = Owned(digests=snapshot_store.stored_digests(connection))
        self.cursors, self.content = {}, ContentKeeper()
        self._check_erased = True
        self.content.refresh(connection, self.state)
        if self.content.changed is not None:
            self.take_likeness(self.likeness_job(self.content.changed))
        self.models = Speakers()
        self.take_models(daily_models.load(connection, daily_models.live_versions(connection)))
        self.lists.restart(np.flatnonzero(self.state.partition >= 0).tolist())

    # -- one tick ------------------------------------------------------------------------------------------------

    def receive(self, pieces: Sequence[Piece]) -> dict[TopicPartition, int]:
        """Takes over what was read; the partitions that have to be read again, with the offset."""
        lost = {}
        for piece in pieces:
            again = self.waiting.put(piece)
            if again is not None:
                lost[piece.partition] = again
        return lost

    def tick(self) -> Ticked:
        """Folds what may be folded and writes lists; raises the database's errors with nothing lost."""
        ticked = Ticked()
        if self.state is None:
            return ticked
        connection = self.connection()
        worker = progress.worker_offsets(connection)
        pieces = self.waiting.take(worker, EVENTS_A_STEP)
        if pieces:
            try:
                batch = self._batch(connection, pieces)
            except BaseException:
                self.waiting.put_back(pieces)
                raise
            self._fold(pieces, batch, ticked)
            self._commands(connection, pieces)
        if self._check_erased:
            self._forget_erased(connection)
        shelf = self.content.refresh(connection, self.state)
        trial = self._trial(connection, shelf)
        self.lists.write(connection, Tables(self.state, shelf, self.cursors, self.watermark_ms, trial), ticked)
        self._beat(connection)
        return ticked

    def _batch(self, connection: Connection, pieces: Sequence[Piece]) -> Batch:
        users = [user for piece in pieces for user in piece.users]
        contents = [content for piece in pieces for content in piece.contents]
        learner, agreed = self._names.learners(connection, users)
        item = self._names.contents(connection, contents)
        known = agreed & (learner != UNKNOWN) & (item != UNKNOWN)
        parts = np.repeat([piece.partition.part for piece in pieces], [len(piece.offsets) for piece in pieces])
        batch = Batch(
            learner=learner[known],
            item=item[known],
            at_ms=np.concatenate([piece.at_ms for piece in pieces])[known],
            record_ms=np.concatenate([piece.record_ms for piece in pieces])[known],
            type=np.concatenate([piece.type for piece in pieces])[known],
            rating=np.concatenate([piece.rating for piece in pieces])[known],
            dedupe_key=np.concatenate([piece.dedupe_key for piece in pieces])[known],
        )
        parts = parts.astype(np.int32)
        since_ms = min((int(piece.record_ms.min()) for piece in pieces if len(piece.record_ms)), default=0)
        self._touch(learner[learner != UNKNOWN], parts[learner != UNKNOWN], since_ms)
        return batch

    def _touch(self, learner: Int64, parts: Int32, since_ms: int) -> None:
        """Whoever did anything, even what is not counted, gets a list that reflects it."""
        assert self.state is not None
        slots = self.state.learner_slots(learner)
        self.state.partition[slots] = parts
        self.lists.touch(slots.tolist(), since_ms)

    def _fold(self, pieces: Sequence[Piece], batch: Batch, ticked: Ticked) -> None:
        assert self.state is not None
        started = time.perf_counter()
        shares = Shares(learn=self._learn_share(len(batch.learner)))
        folded = self.state.fold(batch, shares)
        ticked.fold_seconds = time.perf_counter() - started
        self._budget.note(len(batch.learner), shares.learn, ticked.fold_seconds)
        ticked.events, ticked.counted = len(batch.learner), folded.counted
        ticked.duplicates, ticked.judged, ticked.learn_share = folded.duplicates, folded.judged, shares.learn
        self.watermark_ms = max(self.watermark_ms, int(batch.at_ms.max(initial=0)))
        ticked.sums = folded.sums
        self._owned.sums += folded.sums
        self._owned.ranges += self._moved(pieces, shares.learn)
        self.unsaved_events += len(batch.learner)

    def _learn_share(self, events: int) -> float:
        """Of the events of a step: within the budget, and none while lists wait for long."""
        late = self.lists.longest_wait_ms(time.time_ns() // 1_000_000) > MOST_WAIT_MS
        if late and self._settings.learn_budget_seconds < float("inf"):
            return 0.0
        before, self._folded_at = self._folded_at, time.monotonic()
        return self._budget.share(events, self._folded_at - before)

    def _moved(self, pieces: Sequence[Piece], share: float) -> list[Range]:
        assert self.state is not None
        moved: dict[TopicPartition, Range] = {}
        for piece in pieces:
            topic, part = piece.partition
            first = moved[piece.partition][3] if piece.partition in moved else piece.start
            moved[piece.partition] = (self.state.step, topic, part, first, piece.end, share)
            self.cursors[piece.partition] = piece.end
        return list(moved.values())

    def _commands(self, connection: Connection, pieces: Sequence[Piece]) -> None:
        assert self.state is not None
        commands = [command for piece in pieces for _, command in piece.commands]
        if not commands:
            return
        users = {command.user_id for command in commands}
        self._names.forget(users)
        self._check_erased |= any(isinstance(command, EraseRequested) for command in commands)
        keys = np.array(self._names.learner_keys(connection, users), np.int64)
        self.lists.touch(self.state.learner_slots(keys).tolist())

    def _forget_erased(self, connection: WriterConnection) -> None:
        assert self.state is not None
        for key in gone(connection, self.state.learners.keys()):
            slot = self.state.learners.find(key)
            self.state.forget(key)
            self.lists.forget(connection, key, slot)
            self.unsaved_events = max(self.unsaved_events, 1 << 40)  # what was stored still names them
        self._check_erased = False

    # -- content -------------------------------------------------------------------------------------------------

    def likeness_job(self, view: ContentView) -> Likeness:
        """Compares the texts of a view; may run in another thread."""
        assert self.state is not None
        return self.content.likeness_job(self.state, view)

    def take_likeness(self, likeness: Likeness) -> None:
        """Lets the sources of content speak from these rows."""
        assert self.state is not None
        size = len(self.state.tables.items.events)
        self.state.put_content(likeness.rows, size)

    def take_models(self, loaded: daily_models.Loaded) -> None:
        """Lets these versions of daily models speak, and has everybody's list written again with them."""
        assert self.state is not None
        self.models.take(self.state, loaded)
        if loaded:
            self.lists.touch_later(np.flatnonzero(self.state.partition >= 0).tolist())

    def _trial(self, connection: Connection, shelf: Shelf) -> Trial:
        """What exploration goes by: how often items were shown and taken up, as of a moment ago."""
        now = time.monotonic()
        if now - self._exposures_at >= EXPOSURES_SECONDS:
            self._exposures_at = now
            rows = {key: (shown, clicked) for key, shown, clicked in connection.execute(EXPOSURES).fetchall()}
            view, slots = shelf.view, shelf.slots
            places = dict(zip(view.item_key.tolist(), slots.tolist(), strict=True))
            self._exposures = Exposures.of(rows, places, len(shelf.hidden))
        return Trial(self._exposures, self._settings.exploration_share)

    def _beat(self, connection: Connection) -> None:
        assert self.state is not None
        now = time.monotonic()
        if now - self._beat_at >= BEAT_SECONDS:
            self._beat_at = now
            sign_of_life.beat(
                connection, self._settings.owner, self.state.step, self.waiting.events, self.models.versions
            )
            self.models.look(connection, self.state)
            self._roll_back(connection)

    def _roll_back(self, connection: Connection) -> None:
        """Goes back to the weights that somebody asked for."""
        assert self.state is not None
        request = weights.asked(connection)
        if request is None:
            return
        request_id, version = request
        found = weights.load(connection, version)
        self.state.blend.weight[:], self.state.blend.square[:] = found.weight, found.square
        mean, learnt = self.state.evaluation.mean, int(self.state.blend.learnt[0])
        with connection.transaction():
            weights.save(connection, found, "rollback", learnt, float(mean[3]), float(mean[0]))
            weights.done(connection, request_id)
        self.unsaved_events = max(self.unsaved_events, 1 << 40)
        self.lists.touch_later(np.flatnonzero(self.state.partition >= 0).tolist())
        logger.warning("rolled back to version %d of the weights", version)

    # -- snapshots -----------------------------------------------------------------------------------------------

    def copy(self) -> Snapshot | None:
        """Copies what a snapshot holds; None when nothing has changed since the last one."""
        if self.state is None or not self.unsaved_events:
            return None
        started = time.perf_counter()
        snapshot = Snapshot(
            arrays=snapshot_store.copied(self.state.arrays()),
            step=self.state.step,
            cursors=dict(self.cursors),
            ranges=self._owned.ranges,
            sums=self._owned.sums,
            watermark_ms=self.watermark_ms,
            owned=self._owned,
        )
        self._owned.ranges, self._owned.sums, self.unsaved_events = [], [], 0
        snapshot.copy_seconds = time.perf_counter() - started
        return snapshot

    def store(self, connection: Connection, snapshot: Snapshot) -> snapshot_store.Packed | None:
        """Writes a snapshot with its offsets in one transaction; may be called again after a failure.

        None when the state was loaded anew since the copy was made: it is out of date.

        Raises:
            Fenced: another process has claimed a partition.
        """
        owned = snapshot.owned
        if owned is not self._owned:
            return None
        packed = snapshot_store.pack(snapshot.arrays, snapshot.step, owned.digests)
        moves = [
            Move(
                partition=partition,
                start=owned.stored[partition],
                end=end,
                epoch=owned.epochs[partition],
                watermark_ms=snapshot.watermark_ms,
            )
            for partition, end in snapshot.cursors.items()
            if partition in owned.epochs
        ]
        with connection.transaction():
            if offsets.swap(connection, moves, GROUP)():
                raise Fenced("another recommender claimed our partitions: does one run with the same name?")
            snapshot_store.write(connection, packed, owned.digests)
            progress.put_ranges(connection, snapshot.ranges)
            progress.add_evaluation(connection, snapshot.sums)
            self._put_coverage(connection)
            own, mean = snapshot.arrays, snapshot.arrays["evaluation.mean"]
            kept = weights.Weights(own["blend.weight"], own["blend.square"])
            weights.keep(connection, kept, int(own["blend.learnt"][0]), float(mean[3]), float(mean[0]))
        owned.stored |= {move.partition: move.end for move in moves}
        owned.digests = packed.digests
        return packed

    def _put_coverage(self, connection: Connection) -> None:
        assert self.state is not None
        coverage = self.lists.coverage
        shown = {"shown": coverage.shown_items(), "known": int(self.state.tables.items.known[0])}
        connection.execute(progress.PUT_COVERAGE, {"lists": coverage.take_new(), **shown})
