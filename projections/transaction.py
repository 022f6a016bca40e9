"""What does the transaction of a poll do?  Offsets, log of record, every projection, outbox, dead letters.

The order is fixed, so that any grouping of the same ranges into polls gives the same state: catalogue, commands,
interactions, erasures.  The first statement compares and swaps the offsets; a process that lost a partition changes
nothing.  After the answers to what must be read, nothing waits for an answer (but for commands, COPY and texts), so
that the database writes while the next read model is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

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
from projections.assembly import Draft, complete, travels
from projections.identities import Identities, Learner
from projections.locks import WRITERS_LOCK
from projections.offsets import Move
from projections.poll import Slice, TopicPartition
from projections.projection import Effects, Projection
from projections.recorded import Recorded, applied_of, tell
from projections.stores.burst import Answer, WriterConnection
from projections.stores.postgres import Connection
from schemas.commands import Command, EraseRequested
from schemas.topics import CATALOGUE, LEARNER_COMMANDS

LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(%(lock)s)"
NEXT_SEQ = "SELECT nextval('applied_seq')"


class NotMoved(Exception):  # noqa: N818 - an outcome that unwinds the transaction
    """The compare-and-swap refused some partitions."""

    def __init__(self, partitions: set[TopicPartition]) -> None:
        super().__init__(f"{len(partitions)} partitions did not move")
        self.partitions = partitions


class Poll(NamedTuple):
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
        return any(piece.messages for piece in self.slices if is_catalogue(piece))


class _Asked(NamedTuple):
    """Answers under way."""

    folds: dict[str, object] | None
    """By projection, for exactly the interactions that are folded."""
    holders: Any
    shown: Callable[[], impressions.Shown]

    def without_folds(self) -> _Asked:
        """What holds for fewer interactions as well."""
        return self._replace(folds=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """The transactions of one process: all of them do the same."""

    projections: Sequence[Projection]
    identities: Identities
    group: str
    owner: str
    weeks_back: int
    """How many weeks of seen events are searched."""

    def apply(
        self, connection: WriterConnection, poll: Poll, batch: Interactions, recorded: Recorded
    ) -> Callable[[], None]:
        """Does all of it; what is returned completes ``recorded``, and is to be called when the transaction is over.

        Raises:
            NotMoved: some of the partitions are not where they were thought to be; nothing may be kept.
        """
        slices, drafted = poll.slices, poll.drafted
        connection.execute(LOCK_SHARED, {"lock": WRITERS_LOCK})
        unmoved = offsets.swap(connection, poll.moves, self.group)
        sequence = connection.execute(NEXT_SEQ)
        seen = deduplication.Question(connection, drafted.dedupe_keys, drafted.record_ms, self.weeks_back)
        reserved = commands.reserve(connection, poll.orders, poll.learners)
        # The database looks for these while the next questions are made.
        connection.push()
        # What commands and content change is asked for after them.
        asked = None if poll.orders or poll.changes_content else self._ask(connection, batch, poll.servings)
        if refused := unmoved():
            raise NotMoved(refused)
        user_ids = self._user_ids(connection, poll)
        effects = Effects(applied_seq=_only(sequence), waiting=[], concluding=[], user_ids=user_ids)
        recorded.contents = _put_catalogue(connection, slices)
        carried_out = reserved()
        for command, learner in carried_out:
            commands.carry_out(connection, command, learner, self.identities, effects)
        fresh = seen.fresh()
        if self._changed(connection, carried_out):
            batch = complete(connection, self.identities, drafted)
        if not fresh.all():
            batch, asked = batch.take(fresh), asked and asked.without_folds()
        asked = asked or self._ask(connection, batch, poll.servings)
        effects.asked = asked.folds if asked.folds is not None else self._ask_folds(connection, batch)
        batch = feedback.take(connection, drafted, batch, fresh)
        # First of all writes: it may be a COPY, which waits for what was sent before it.
        interaction_log.append(connection, batch, effects.applied_seq)
        seen.note(fresh)
        streaks.keep(connection, batch, travels(connection, self.identities, drafted, batch, fresh), asked.holders)
        reactions = impressions.reactions(list(compress(drafted.messages, fresh)), batch, carried_out)
        served = impressions.record(connection, asked.shown(), reactions, effects.applied_seq)
        self._write(connection, batch, effects)
        recorded.served = served()
        _put_refused(connection, slices, effects)
        step = applied_ranges.Step(effects.applied_seq, self.group, self.owner)
        applied_ranges.put(connection, step, applied_of(slices, poll.moves, drafted, fresh))
        outbox.put(connection, effects.outbox)
        recorded.erased = self._erase(connection, carried_out)
        recorded.duplicates = len(fresh) - int(fresh.sum())
        return lambda: tell(recorded, slices, drafted, batch, effects, carried_out)

    def _user_ids(self, connection: Connection, poll: Poll) -> dict[int, str]:
        users = poll.drafted.users.values
        found = dict(zip((one.key for one in self.identities.learners(connection, users)), users, strict=True))
        found.update((learner.key, order.user_id) for order, learner in zip(poll.orders, poll.learners, strict=True))
        return found

    def _ask(
        self, connection: WriterConnection, batch: Interactions, servings: Sequence[impressions.Serving]
    ) -> _Asked:
        """All questions, in the order in which their answers are waited for."""
        holders = streaks.ask(connection, batch)
        shown = impressions.ask(connection, servings, self.weeks_back)
        connection.mark()
        return _Asked(holders=holders, shown=shown, folds=self._ask_folds(connection, batch))

    def _ask_folds(self, connection: WriterConnection, batch: Interactions) -> dict[str, object]:
        asked = {}
        for projection in self.projections:
            if projection.ask is not None:
                asked[projection.name] = projection.ask(connection, batch)
                # The first read model is folded while the database still looks for the others.
                connection.mark()
        return asked

    def _write(self, connection: Connection, batch: Interactions, effects: Effects) -> None:
        """Every read model; rows that workers share come last, to hold their locks shortest."""
        for projection in self.projections:
            if not projection.shared:
                projection.apply(connection, batch, effects)
        for projection in self.projections:
            if projection.shared:
                projection.apply(connection, batch, effects)
        effects.answered()

    def _changed(self, connection: Connection, carried_out: list[tuple[Command, Learner]]) -> bool:
        """Whether commands of this very poll changed what its interactions are folded with: consent or zone."""
        now = self.identities.learners(connection, [command.user_id for command, _ in carried_out])
        return any(before != after for (_, before), after in zip(carried_out, now, strict=True))

    def _erase(self, connection: Connection, carried_out: list[tuple[Command, Learner]]) -> list[int]:
        erased = []
        for command, learner in carried_out:
            if isinstance(command, EraseRequested):
                erasure.forget(connection, learner.key, command.command_id)
                self.identities.forget_learner(command.user_id)
                erased.append(learner.key)
        return erased


def _put_catalogue(connection: Connection, slices: list[Slice]) -> int:
    changed = 0
    for piece in slices:
        if is_catalogue(piece):
            changed += catalogue.put(connection, piece.keys, piece.messages)
    return changed


def _put_refused(connection: Connection, slices: list[Slice], effects: Effects) -> None:
    for piece in slices:
        effects.outbox += dead_letters.put(connection, piece.partition, piece.dead)
        effects.outbox += [record for _, record in piece.misrouted]


def commands_of(slices: list[Slice]) -> list[Command]:
    """The commands of a poll, in its order."""
    return [m for piece in slices if piece.partition.topic == LEARNER_COMMANDS.name for m in piece.messages]


def is_catalogue(piece: Slice) -> bool:
    """Whether a slice is of the catalogue."""
    return piece.partition.topic == CATALOGUE.name


def _only(answer: Answer) -> int:
    row = answer.fetchone()
    assert row is not None
    return int(row[0])
