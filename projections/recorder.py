"""How does a poll become durable?  One transaction: offsets, log of record, every projection, outbox, dead letters.

The order inside is fixed, so that any grouping of the same ranges into polls gives the same state: catalogue,
commands, interactions, erasures.  The first statement compares and swaps the offsets; a process that lost a partition
changes nothing.  What is returned lets the worker mirror, seek back, or end itself; nothing here decides about that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from models.columns import Interactions
from projections import (
    applied_ranges,
    catalogue,
    commands,
    dead_letters,
    deduplication,
    erasure,
    feedback,
    impressions,
    interaction_log,
    offsets,
    outbox,
    streaks,
)
from projections.assembly import Draft, complete, draft, interactions_of, travels
from projections.dead_letter_limit import DeadLetterLimit
from projections.identities import Identities, Learner
from projections.locks import PARTITIONING_LOCK, WRITERS_LOCK
from projections.offsets import Cursor, Move
from projections.poll import Slice, TopicPartition
from projections.projection import Effects, Projection
from projections.recorded import Recorded, applied_of, tell, unusable
from projections.registry import ALL
from projections.stores.burst import Answer, WriterConnection, connect_writer
from projections.stores.postgres import Connection
from schemas.commands import Command, EraseRequested
from schemas.topics import CATALOGUE, LEARNER_COMMANDS

LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(%(lock)s)"
LOCK_ALONE = "SELECT pg_advisory_lock(%(lock)s)"
UNLOCK = "SELECT pg_advisory_unlock(%(lock)s)"
NEXT_SEQ = "SELECT nextval('applied_seq')"
CONTENT_CACHE_SECONDS = 60.0
# The writer reaches every row by its key; a plan that scans a table because its statistics are young would stall it.
WRITER_SETTINGS = "SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan"


class NotMoved(Exception):  # noqa: N818 - an outcome that unwinds the transaction
    """The compare-and-swap refused some partitions."""

    def __init__(self, partitions: set[TopicPartition]) -> None:
        super().__init__(f"{len(partitions)} partitions did not move")
        self.partitions = partitions


class DataLost(Exception):  # noqa: N818 - the log is at fault, and only a person can decide
    """The log does not hold the records that come next."""

    exit_code = 78


class _Poll(NamedTuple):
    """What one transaction is about."""

    slices: list[Slice]
    drafted: Draft
    servings: list[impressions.Serving]
    orders: list[Command]
    learners: list[Learner]
    """Of the orders."""
    moves: list[Move]

    @property
    def changes_content(self) -> bool:
        """Whether it holds records of the catalogue."""
        return any(piece.messages for piece in self.slices if _is_catalogue(piece))


class _Asked(NamedTuple):
    """Answers under way."""

    folds: dict[str, object] | None
    """By projection, for exactly the interactions that are folded."""
    holders: Any
    shown: Callable[[], impressions.Shown]

    def without_folds(self) -> _Asked:
        """What holds for fewer interactions as well."""
        return self._replace(folds=None)


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
        self._projections = sorted(projections, key=lambda projection: projection.shared)
        self._limit = limit or DeadLetterLimit()
        self._limit_restored = False
        self._group = group
        self._weeks_back = deduplication.weeks_back(dedupe_days)
        self._connection: WriterConnection | None = None
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

    # -- ownership -------------------------------------------------------------------------------------------------

    def claim(self, bounds: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, Cursor]:
        """Makes this process the only writer of exactly these partitions, and says where each resumes.

        Args:
            bounds: each partition's log, from its first offset to behind its last.

        Raises:
            DataLost: the log does not hold what comes next, or ends before it.
        """
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
        found = offsets.read(self.connection(), partitions, self._group) if partitions else {}
        for partition, cursor in found.items():
            held = self.cursors.get(partition)
            if held is not None and held.epoch == cursor.epoch:
                self.cursors[partition] = cursor
        return {partition: self.cursors[partition] for partition in partitions if partition in self.cursors}

    # -- one poll --------------------------------------------------------------------------------------------------

    def record(self, slices: Sequence[Slice], drafted: Draft | None = None) -> Recorded:
        """Applies a poll exactly once.

        Args:
            slices: what each partition delivered, at most one slice a partition.
            drafted: the draft of all its interaction slices, if the caller has made it already.

        A slice that was applied before is trimmed away; one that starts behind the cursor is reported as lost; one of
        a partition that somebody else claimed is reported as fenced.  Raises the database's errors after a roll-back
        (calling again is safe) and TooManyDeadLetters before anything was written.
        """
        recorded = Recorded()
        waiting = list(slices)
        while ready := self._ready(waiting, recorded):
            try:
                return self._transaction(ready, drafted, recorded)
            except NotMoved as refused:
                self._resolve(refused.partitions, recorded)
                waiting = [piece for piece in waiting if piece.partition not in recorded.fenced]
            except BaseException:
                self.identities.clear()
                raise
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
        """Tells a lost answer of our own commit (same epoch: take the row) from another owner (its epoch)."""
        self.identities.clear()
        actual = offsets.read(self.connection(), refused, self._group)
        for partition in refused:
            found = actual.get(partition)
            if found is not None and found.epoch == self.cursors[partition].epoch:
                self.cursors[partition] = found
            else:
                recorded.fenced.add(partition)
                self.cursors.pop(partition, None)

    def _transaction(self, slices: list[Slice], given: Draft | None, recorded: Recorded) -> Recorded:
        connection = self.connection()
        delivered, dead = unusable(slices)
        self._limit.check(delivered, dead)
        folded = interactions_of(slices)
        drafted = given if given is not None and given.covers(folded) else draft(folded)
        servings = impressions.servings_of(slices)
        self._prepare_partitions(connection, drafted, servings)
        self._refresh_content(slices)
        batch = complete(connection, self.identities, drafted)
        orders = _commands(slices)
        learners = self.identities.learners(connection, [command.user_id for command in orders])
        self._warm_up(batch, drafted)
        poll = _Poll(slices, drafted, servings, orders, learners, self._moves(slices, drafted))
        with connection.burst():  # the database answers and writes while the next read model is computed
            self._apply(connection, poll, batch, recorded)
        for move in poll.moves:
            self.cursors[move.partition] = Cursor(move.end, move.epoch)
        self._limit.add(delivered, dead)
        return recorded

    def _apply(self, connection: WriterConnection, poll: _Poll, batch: Interactions, recorded: Recorded) -> None:
        """What the transaction does; `recorded` is told of it."""
        slices, drafted = poll.slices, poll.drafted
        connection.execute(LOCK_SHARED, {"lock": WRITERS_LOCK})
        unmoved = offsets.swap(connection, poll.moves, self._group)
        sequence = connection.execute(NEXT_SEQ)
        unseen = deduplication.unseen(connection, drafted.dedupe_keys, drafted.record_ms, self._weeks_back)
        reserved = commands.reserve(connection, poll.orders, poll.learners)
        # What commands and content change is asked for after them.
        asked = None if poll.orders or poll.changes_content else self._ask(connection, batch, poll.servings)
        if refused := unmoved():
            raise NotMoved(refused)
        effects = Effects(applied_seq=_only(sequence), waiting=[])
        recorded.contents = self._put_catalogue(connection, slices)
        carried_out = reserved()
        for command, learner in carried_out:
            commands.carry_out(connection, command, learner, self.identities, effects)
        fresh = unseen()
        if self._changed(connection, carried_out):
            batch = complete(connection, self.identities, drafted)
        if not fresh.all():
            batch, asked = batch.take(fresh), asked and asked.without_folds()
        asked = asked or self._ask(connection, batch, poll.servings)
        effects.asked = asked.folds if asked.folds is not None else self._ask_folds(connection, batch)
        batch = feedback.take(connection, drafted, batch, fresh)
        streaks.keep(connection, batch, travels(connection, self.identities, drafted, batch, fresh), asked.holders)
        reactions = impressions.reactions(list(compress(drafted.messages, fresh)), batch, carried_out)
        served = impressions.record(connection, asked.shown(), reactions, effects.applied_seq)
        self._write(connection, batch, effects)
        recorded.served = served()
        self._put_refused(connection, slices, effects)
        step = applied_ranges.Step(effects.applied_seq, self._group, self._owner)
        applied_ranges.put(connection, step, applied_of(slices, poll.moves, drafted, fresh))
        outbox.put(connection, effects.outbox)
        recorded.erased = self._erase(connection, carried_out)
        recorded.duplicates = len(fresh) - int(fresh.sum())
        tell(recorded, slices, drafted, batch, effects, carried_out)

    def _warm_up(self, batch: Interactions, drafted: Draft) -> None:
        """Loads what the batch needs and what takes long: no transaction may wait for that."""
        feedback.prepare(batch, drafted)
        for projection in self._projections:
            if projection.prepare is not None:
                projection.prepare(batch)

    # -- the parts of the transaction ------------------------------------------------------------------------------

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
                deduplication.prepare_weeks(connection, weeks, self._weeks_back)
            self._weeks |= weeks
            self._months |= months
        finally:
            connection.execute(UNLOCK, {"lock": PARTITIONING_LOCK})

    def _refresh_content(self, slices: list[Slice]) -> None:
        """Durations come from the catalogue, which other workers change as well; once a minute is soon enough."""
        changing = any(_is_catalogue(piece) and piece.messages for piece in slices)
        if changing or time.monotonic() >= self._content_until:
            self.identities.forget_content()
            self._content_until = 0.0 if changing else time.monotonic() + CONTENT_CACHE_SECONDS

    def _ask(self, connection: Connection, batch: Interactions, servings: Sequence[impressions.Serving]) -> _Asked:
        return _Asked(
            folds=self._ask_folds(connection, batch),
            holders=streaks.ask(connection, batch),
            shown=impressions.ask(connection, servings, self._weeks_back),
        )

    def _ask_folds(self, connection: Connection, batch: Interactions) -> dict[str, object]:
        return {
            projection.name: projection.ask(connection, batch)
            for projection in self._projections
            if projection.ask is not None
        }

    def _write(self, connection: Connection, batch: Interactions, effects: Effects) -> None:
        """The log of record and every read model; rows that workers share come last, to hold their locks shortest."""
        for projection in self._projections:
            if not projection.shared:
                projection.apply(connection, batch, effects)
        interaction_log.append(connection, batch, effects.applied_seq)
        for projection in self._projections:
            if projection.shared:
                projection.apply(connection, batch, effects)
        effects.answered()

    def _put_catalogue(self, connection: Connection, slices: list[Slice]) -> int:
        changed = 0
        for piece in slices:
            if _is_catalogue(piece):
                changed += catalogue.put(connection, piece.keys, piece.messages)
        return changed

    def _changed(self, connection: Connection, carried_out: list[tuple[Command, Learner]]) -> bool:
        """Whether commands of this very poll changed what its interactions are folded with: consent or zone."""
        now = self.identities.learners(connection, [command.user_id for command, _ in carried_out])
        return any(before != after for (_, before), after in zip(carried_out, now, strict=True))

    def _put_refused(self, connection: Connection, slices: list[Slice], effects: Effects) -> None:
        for piece in slices:
            effects.outbox += dead_letters.put(connection, piece.partition, piece.dead)
            effects.outbox += [record for _, record in piece.misrouted]

    def _erase(self, connection: Connection, carried_out: list[tuple[Command, Learner]]) -> list[int]:
        erased = []
        for command, learner in carried_out:
            if isinstance(command, EraseRequested):
                erasure.forget(connection, learner.key, command.command_id)
                self.identities.forget_learner(command.user_id)
                erased.append(learner.key)
        return erased


def _commands(slices: list[Slice]) -> list[Command]:
    return [m for piece in slices if piece.partition.topic == LEARNER_COMMANDS.name for m in piece.messages]


def _is_catalogue(piece: Slice) -> bool:
    return piece.partition.topic == CATALOGUE.name


def _only(answer: Answer) -> int:
    row = answer.fetchone()
    assert row is not None
    return int(row[0])
