"""How does a poll become durable?  One transaction, written by the only process that may.

`projections.transaction` says what it does.  What is returned lets the worker mirror, seek back, or end itself;
nothing here decides about that.

The commit of one poll may be left under way while the next is begun: the compare-and-swap of the next makes that safe,
as it stands on the first.  What came of a commit whose answer was lost is told by the stored offsets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.columns import Interactions
from projections import applied_ranges, deduplication, feedback, impressions, interaction_log, offsets
from projections.assembly import Draft, complete, draft, interactions_of
from projections.dead_letter_limit import DeadLetterLimit
from projections.identities import Identities
from projections.locks import PARTITIONING_LOCK
from projections.offsets import Cursor, Move
from projections.poll import Slice, TopicPartition
from projections.projection import Projection
from projections.recorded import Recorded, unusable
from projections.registry import ALL
from projections.stores.burst import WriterConnection, connect_writer
from projections.stores.postgres import Connection
from projections.transaction import NotMoved, Poll, Transaction, commands_of, is_catalogue

LOCK_ALONE = "SELECT pg_advisory_lock(%(lock)s)"
UNLOCK = "SELECT pg_advisory_unlock(%(lock)s)"
CONTENT_CACHE_SECONDS = 60.0
# The writer reaches every row by its key; a plan that scans a table because its statistics are young would stall it.
WRITER_SETTINGS = "SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan"


class DataLost(Exception):  # noqa: N818 - the log is at fault, and only a person can decide
    """The log does not hold the records that come next."""

    exit_code = 78


class _UnderWay(NamedTuple):
    """A transaction whose commit was sent and not answered."""

    connection: WriterConnection
    moves: list[Move]
    recorded: Recorded
    conclude: Callable[[], None]
    """Completes what it recorded."""
    told: Callable[[Recorded], None]


class Recorder:
    """Writes polls for one process; not thread-safe, the worker calls it from one thread at a time."""

    def __init__(
        self,
        database_url: str,
        owner: str,
        *,
        projections: Sequence[Projection] = ALL,
        limit: DeadLetterLimit | None = None,
        group: str = offsets.WORKER,
        dedupe_days: int = 7,
    ) -> None:
        self.cursors: dict[TopicPartition, Cursor] = {}
        self.identities = Identities()
        self._database_url = database_url
        self._owner = owner
        self._transactions = Transaction(
            projections=sorted(projections, key=lambda projection: projection.shared),
            identities=self.identities,
            group=group,
            owner=owner,
            weeks_back=deduplication.weeks_back(dedupe_days),
        )
        self._limit = limit or DeadLetterLimit()
        self._limit_restored = False
        self._group = group
        self._connection: WriterConnection | None = None
        self._under_way: _UnderWay | None = None
        self._content_until = 0.0
        self._months: set[tuple[int, int]] = set()
        self._weeks: set[int] = set()

    # -- connection ------------------------------------------------------------------------------------------------

    def connection(self) -> WriterConnection:
        """The writer's connection, opened when needed."""
        if self._connection is None or self._connection.closed:
            self._connection = connect_writer(self._database_url, f"personalize-{self._group}")
            self._connection.execute(WRITER_SETTINGS)
            if not self._limit_restored:
                self._limit.restore(applied_ranges.recent_dead(self._connection))
                self._limit_restored = True
        return self._connection

    def reset(self) -> None:
        """Drops the connection and everything cached from it; the next call opens a new one."""
        self.identities.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def durable(self) -> dict[TopicPartition, int]:
        """How far each claimed partition is stored for certain; from any thread."""
        reached = {partition: cursor.next_offset for partition, cursor in self.cursors.copy().items()}
        left = self._under_way
        if left is not None:
            reached.update((move.partition, move.start) for move in left.moves if move.partition in reached)
        return reached

    def settle(self, until: Callable[[], bool] = lambda: False) -> None:
        """Waits for the commit that was left under way, if there is one, or until the condition holds.

        Raises the database's errors; calling again then finds out whether the transaction was committed.
        """
        self._look_up()
        if self._under_way is not None:
            self._under_way.connection.settle(until)

    def _look_up(self) -> None:
        """Finds out what came of a commit whose connection broke before it was answered."""
        left = self._under_way
        if left is None or not left.connection.closed:
            return
        outcome = Recorded()
        self._take_over([move.partition for move in left.moves], outcome)
        self._under_way = None
        for move in left.moves:
            cursor = self.cursors.get(move.partition)
            if cursor is not None and cursor.next_offset < move.end:  # so it was rolled back, and is to be read again
                outcome.lost[move.partition] = cursor.next_offset
        left.told(outcome)

    # -- ownership -------------------------------------------------------------------------------------------------

    def claim(self, bounds: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, Cursor]:
        """Makes this process the only writer of exactly these partitions, and says where each resumes.

        Args:
            bounds: each partition's log, from its first offset to behind its last.

        Raises:
            DataLost: the log does not hold what comes next, or ends before it.
        """
        self.settle()
        self.identities.clear()
        connection = self.connection()
        cursors = offsets.claim(connection, bounds.keys(), self._owner, self._group)
        for partition, (start, end) in bounds.items():
            cursor = cursors[partition]
            name = f"{partition.topic}/{partition.part}"
            if cursor.next_offset > end:
                raise DataLost(
                    f"{name} ends at offset {end}, but {cursor.next_offset} was already applied: was the topic made "
                    "anew? Point DATABASE_URL at a fresh database, or delete the rows of stream_offset for the topic."
                )
            if cursor.next_offset < start:
                if not offsets.skip_to_start(connection, partition, cursor, start, self._group):
                    raise DataLost(
                        f"{name} now begins at offset {start}, but {cursor.next_offset} comes next: retention has "
                        "deleted records that were never applied. Restore them, or accept the loss by setting "
                        f"next_offset = {start} in stream_offset for this partition."
                    )
                cursors[partition] = Cursor(start, cursor.epoch)
        self.cursors = cursors
        return dict(cursors)

    def reread(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Cursor]:
        """The stored cursors of claimed partitions, for a second seek within one assignment."""
        self.settle()
        found = offsets.read(self.connection(), partitions, self._group) if partitions else {}
        for partition, cursor in found.items():
            held = self.cursors.get(partition)
            if held is not None and held.epoch == cursor.epoch:
                self.cursors[partition] = cursor
        return {partition: self.cursors[partition] for partition in partitions if partition in self.cursors}

    # -- one poll --------------------------------------------------------------------------------------------------

    def record(
        self, slices: Sequence[Slice], drafted: Draft | None = None, told: Callable[[Recorded], None] | None = None
    ) -> Recorded:
        """Applies a poll exactly once.

        Args:
            slices: what each partition delivered, at most one slice a partition.
            drafted: the draft of all its interaction slices, if the caller has made it already.
            told: where given, the commit may be left under way; called once with what came of the poll: within this
                call, a later one, or `settle`, and from the thread of that call.  Only that is certain then.

        A slice that was applied before is trimmed away; one that starts behind the cursor is reported as lost; one of
        a partition that somebody else claimed is reported as fenced.  Raises the database's errors after a roll-back
        (calling again is safe) and TooManyDeadLetters before anything was written.
        """
        self._look_up()
        recorded = Recorded()
        waiting = list(slices)
        while ready := self._ready(waiting, recorded):
            try:
                # What was lost must be sought before the next poll is begun.
                left = None if recorded.lost or recorded.fenced else told
                self._transaction(ready, drafted, recorded, left)
                if left is not None:
                    return recorded
                break
            except NotMoved as refused:
                self._resolve(refused.partitions, recorded)
                waiting = [piece for piece in waiting if piece.partition not in recorded.fenced]
            except BaseException:
                self.identities.clear()
                raise
        if told is not None:
            told(recorded)
        return recorded

    def _ready(self, slices: Sequence[Slice], recorded: Recorded) -> list[Slice]:
        ready = []
        for piece in slices:
            cursor = self.cursors.get(piece.partition)
            if cursor is None:
                recorded.fenced.add(piece.partition)
            elif piece.start > cursor.next_offset:
                recorded.lost[piece.partition] = cursor.next_offset
            elif piece.end > cursor.next_offset:
                ready.append(piece.trimmed(cursor.next_offset))
        return ready

    def _resolve(self, refused: set[TopicPartition], recorded: Recorded) -> None:
        """Tells a lost answer of our own commit from another owner."""
        self._look_up()
        self._take_over(refused, recorded)

    def _take_over(self, partitions: Collection[TopicPartition], recorded: Recorded) -> None:
        """Takes the stored offsets where they have our epoch; partitions that have another are somebody else's."""
        self.identities.clear()
        actual = offsets.read(self.connection(), partitions, self._group)
        for partition in partitions:
            found, held = actual.get(partition), self.cursors.get(partition)
            if found is not None and held is not None and found.epoch == held.epoch:
                self.cursors[partition] = found
            else:
                recorded.fenced.add(partition)
                self.cursors.pop(partition, None)

    def _transaction(
        self,
        slices: list[Slice],
        given: Draft | None,
        recorded: Recorded,
        told: Callable[[Recorded], None] | None,
    ) -> None:
        connection = self.connection()
        delivered, dead = unusable(slices)
        self._limit.check(delivered, dead)
        folded = interactions_of(slices)
        drafted = given if given is not None and given.covers(folded) else draft(folded)
        servings = impressions.servings_of(slices)
        self._prepare_partitions(connection, drafted, servings)
        self._refresh_content(slices)
        batch = complete(connection, self.identities, drafted)
        orders = commands_of(slices)
        learners = self.identities.learners(connection, [command.user_id for command in orders])
        self._warm_up(batch, drafted)
        poll = Poll(slices, drafted, servings, orders, learners, self._moves(slices, drafted))
        # The database answers and writes while the next read model is computed.
        with connection.burst(None if told is None else self._committed):
            conclude = self._transactions.apply(connection, poll, batch, recorded)
        if told is not None:
            self._under_way = _UnderWay(connection, poll.moves, recorded, conclude, told)
        else:
            conclude()
        for move in poll.moves:
            self.cursors[move.partition] = Cursor(move.end, move.epoch)
        self._limit.add(delivered, dead)

    def _committed(self) -> None:
        """The answer to the commit that was left under way."""
        left, self._under_way = self._under_way, None
        assert left is not None
        left.conclude()
        left.told(left.recorded)

    def _warm_up(self, batch: Interactions, drafted: Draft) -> None:
        """Loads what the batch needs and what takes long: no transaction may wait for that."""
        feedback.prepare(batch, drafted)
        for projection in self._transactions.projections:
            if projection.prepare is not None:
                projection.prepare(batch)

    def _moves(self, slices: list[Slice], drafted: Draft) -> list[Move]:
        newest = {
            piece.partition: int(drafted.at_ms[drafted.places == index].max(initial=0))
            for index, piece in enumerate(drafted.slices)
        }
        return [
            Move(
                partition=piece.partition,
                start=self.cursors[piece.partition].next_offset,
                end=piece.end,
                epoch=self.cursors[piece.partition].epoch,
                watermark_ms=newest.get(piece.partition, 0),
            )
            for piece in slices
        ]

    def _prepare_partitions(
        self, connection: Connection, drafted: Draft, servings: Sequence[impressions.Serving]
    ) -> None:
        """Makes the table partitions that the poll needs, outside its transaction, one process at a time."""
        months = interaction_log.months_in(drafted.at_ms) - self._months
        recorded_ms = np.concatenate((drafted.record_ms, impressions.times(servings)))
        weeks = set(deduplication.weeks_of(recorded_ms).tolist()) - self._weeks
        if not months and not weeks:
            return
        connection.execute(LOCK_ALONE, {"lock": PARTITIONING_LOCK})
        try:
            for year, month in sorted(months):
                interaction_log.prepare_month(connection, year, month)
            if weeks:
                deduplication.prepare_weeks(connection, weeks, self._transactions.weeks_back)
            self._weeks |= weeks
            self._months |= months
        finally:
            connection.execute(UNLOCK, {"lock": PARTITIONING_LOCK})

    def _refresh_content(self, slices: list[Slice]) -> None:
        """Durations come from the catalogue, which other workers change as well; once a minute is soon enough."""
        changing = any(is_catalogue(piece) and piece.messages for piece in slices)
        if changing or time.monotonic() >= self._content_until:
            self.identities.forget_content()
            self._content_until = 0.0 if changing else time.monotonic() + CONTENT_CACHE_SECONDS
