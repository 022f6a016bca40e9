"""Whose list is written next, and what may it claim to reflect?  Touched learners, each at most once a tick.

Lists that a reader waits for go first, then those of learners whose event has waited longest, then those written anew
for other reasons.  A list claims the newest transaction of the worker that changed its learner, if the tables have
folded everything of the learner's partition that the worker has committed.  While the worker is ahead there, it claims
less, and is written again once the tables have caught up.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np

from models.columns import Int32, Int64
from projections.poll import TopicPartition
from projections.recommender import list_rows, progress, restrictions
from projections.recommender.coverage import Coverage
from projections.recommender.evaluation import Sums
from projections.recommender.list_json import ListEncoder, mirror_lists
from projections.recommender.list_rows import List
from projections.recommender.lists import NO_TRIAL, Shelf, Trial, lists, rank
from projections.recommender.state import State
from projections.stores.burst import WriterConnection
from projections.stores.redis import AWAITED_LISTS, Mirror, recommendations_key

LISTS_AT_ONCE = 64
BUDGET_SECONDS = 0.1
"""Of a tick; who is left waits for the next one."""
PROVE_SECONDS = 0.1
"""Between two looks whether lists that claim less than they reflect may claim it now."""
READER_SECONDS = 10.0
"""So long is a reader's wait remembered: no request waits for longer."""
READERS_AT_ONCE = 256
AGAIN_SECONDS = 2.0
"""Between two attempts to mirror what Redis did not take."""
FORGOTTEN_VERSION = (1 << 63) - 1
"""Newer than any list: the key of an erased learner is never used again."""


@dataclass(slots=True)
class Ticked:
    """What one tick did."""

    events: int = 0
    counted: int = 0
    duplicates: int = 0
    judged: int = 0
    lists: int = 0
    fold_seconds: float = 0.0
    rank_seconds: float = 0.0
    list_seconds: float = 0.0
    oldest_record_ms: int = 0
    """Publication of the oldest event that a list written now had to wait for; 0 or 2^62 without any."""
    mirrored: bool = True
    learn_share: float = 1.0
    sums: list[Sums] = field(default_factory=list)


class Tables(NamedTuple):
    """What lists are made of."""

    state: State
    shelf: Shelf
    cursors: Mapping[TopicPartition, int]
    """How far the state is."""
    watermark_ms: int
    """Newest event time in it."""
    trial: Trial = NO_TRIAL


class _Unproven(NamedTuple):
    """A list that was written before all that its learner did was known to be in the tables."""

    needed: int
    """The transaction that it should reflect."""
    since_ms: int
    """What the learner had waited from; 0: unknown."""


class ListWriter:
    """Writes lists to Postgres and Redis; not thread-safe."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self.pending: dict[int, int] = {}
        """Slots of learners whose list is to be written, longest waiting first; since when [Unix ms], 0: unknown."""
        self.background: dict[int, None] = {}
        """Slots whose list is written anew when nobody is pending: nothing new is known of them."""
        self.awaited: dict[int, float] = {}
        """Learner keys whose list a reader waits for, and until when that counts [s, monotonic]."""
        self._unproven: dict[int, _Unproven] = {}
        """Slots of lists that claim less than they may reflect."""
        self._prove_at = 0.0
        self._unmirrored: dict[int, None] = {}
        self._again_at = 0.0
        self._encoder = ListEncoder({})
        self.coverage = Coverage()

    def touch(self, slots: Iterable[int], since_ms: int = 0) -> None:
        """These learners' lists have to be written, because of something published at ``since_ms``."""
        for slot in slots:
            self.pending.setdefault(slot, since_ms)

    def touch_later(self, slots: Iterable[int]) -> None:
        """These learners' lists are to be written when nobody else waits."""
        self.background.update(dict.fromkeys(slots))

    def restart(self, slots: Iterable[int]) -> None:
        """Only these have to be written."""
        self.pending, self.background, self._unproven, self._unmirrored = {}, dict.fromkeys(slots), {}, {}
        self.awaited = {}

    @property
    def waits(self) -> bool:
        """Whether any list is to be written."""
        return bool(self.pending or self.background)

    def longest_wait_ms(self, now_ms: int) -> int:
        """How long the learner at the head has waited since his event was published; 0 for nobody."""
        since = next(iter(self.pending.values()), 0)
        return max(0, now_ms - since) if since else 0

    def forget(self, connection: WriterConnection, key: int, slot: int | None) -> None:
        """Removes what was written for a learner."""
        self.awaited.pop(key, None)
        for waiting in (self.pending, self.background, self._unproven, self._unmirrored):
            waiting.pop(-1 if slot is None else slot, None)
        connection.execute(list_rows.DELETE, {"learners": [key]})
        for kind in (list_rows.HYBRID, *list_rows.DERIVED):
            self._mirror.forget(recommendations_key(key, kind), FORGOTTEN_VERSION)

    def write(self, connection: WriterConnection, tables: Tables, ticked: Ticked) -> None:
        """Writes lists for a bounded time."""
        now = time.monotonic()
        if self._unproven and now >= self._prove_at:
            self._prove(connection, tables)
            self._prove_at = time.monotonic() + PROVE_SECONDS
        if self.pending:
            self._hear_readers(now)
        if self._unmirrored and now >= self._again_at:
            # Redis may come back with what it held before: these lists are written until it takes them.
            self.touch_later(self._unmirrored)
            self._unmirrored = {}
        if not self.waits:
            return
        deadline, written = now + BUDGET_SECONDS, dict[int, None]()
        while self.waits and time.monotonic() < deadline:
            started = time.perf_counter()
            slots = np.fromiter(islice(self._next(tables.state), LISTS_AT_ONCE), np.int32)
            ticked.lists += self._write_some(connection, tables, slots, ticked)
            written.update(dict.fromkeys(slots.tolist()))
            since = [self.pending.pop(slot, 0) for slot in slots.tolist()]
            for slot in slots.tolist():
                self.background.pop(slot, None)
            ticked.oldest_record_ms = min([*filter(None, since), ticked.oldest_record_ms or 1 << 62])
            ticked.list_seconds += time.perf_counter() - started
        self.coverage.steer(int(tables.state.tables.items.known[0]))
        ticked.mirrored = self._mirror.flush()
        if not ticked.mirrored:
            self._unmirrored.update(written)
            self._again_at = now + AGAIN_SECONDS

    def _hear_readers(self, now: float) -> None:
        """Notes whose lists readers wait for; what Redis does not say is not heard."""
        self.awaited = {key: until for key, until in self.awaited.items() if until > now}
        for member in self._mirror.take_members(AWAITED_LISTS, READERS_AT_ONCE):
            self.awaited[int(member)] = now + READER_SECONDS

    def _next(self, state: State) -> Iterator[int]:
        """Slots in the order in which their lists are written."""
        first = []
        if self.pending and self.awaited:
            found = (state.learners.find(key) for key in self.awaited)
            first = [slot for slot in found if slot is not None and slot in self.pending]
        yield from first
        had = frozenset(first)
        yield from (slot for slot in (self.pending or self.background) if slot not in had)

    def _write_some(self, connection: WriterConnection, tables: Tables, slots: Int32, ticked: Ticked) -> int:
        state = tables.state
        keys = state.learners.key_of(slots)
        started = time.perf_counter()
        with connection.burst():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            offsets = progress.ask_worker_offsets(connection)
            answers = restrictions.ask(connection, keys, tables.shelf.prerequisites)
            connection.push()
            # Postgres answers while the candidates are scored.
            ranked = rank(state, slots, state.last_at_ms[slots], self.coverage.damping)
            ticked.rank_seconds += time.perf_counter() - started
            newest = progress.reflected(connection, offsets(), tables.cursors)
            held = answers()
        needed = np.array([held[key].applied_seq if key in held else 0 for key in keys.tolist()], np.int64)
        reflects = _reflects(needed, state.partition[slots], newest)
        as_of = np.full(len(slots), tables.watermark_ms, np.int64)
        generated_ms = time.time_ns() // 1_000_000
        made = lists(state, tables.shelf, slots, ranked, held, as_of, reflects, generated_ms, tables.trial)
        with connection.burst():
            list_rows.write(connection, made)
        self._mirror_lists(made, tables.shelf)
        for slot, claimed, wanted in zip(slots.tolist(), reflects.tolist(), needed.tolist(), strict=True):
            if claimed >= wanted:
                self._unproven.pop(slot, None)
            else:
                self._unproven[slot] = _Unproven(wanted, self.pending.get(slot, 0))
        self.coverage.note(ranked.item, ranked.length, state.tables.items.events)
        return len(made)

    def _mirror_lists(self, made: list[List], shelf: Shelf) -> None:
        if self._encoder.described is not shelf.view.described:
            self._encoder = ListEncoder(shelf.view.described)
        mirror_lists(self._mirror, made, self._encoder)

    def _prove(self, connection: WriterConnection, tables: Tables) -> None:
        """Has lists written again that claim less than they reflect, where the tables have caught up.

        They have waited before: they go to the head of the queue.
        """
        newest = progress.reflected(connection, progress.worker_offsets(connection), tables.cursors)
        slots = np.fromiter(self._unproven, np.int32)
        needed = np.array([one.needed for one in self._unproven.values()], np.int64)
        proven = _reflects(needed, tables.state.partition[slots], newest) >= needed
        caught_up = {slot: self._unproven.pop(slot).since_ms for slot in slots[proven].tolist()}
        if caught_up:
            self.pending = caught_up | {slot: at for slot, at in self.pending.items() if slot not in caught_up}


def _reflects(needed: Int64, partition: Int32, newest: Mapping[int, int]) -> Int64:
    """(L,) the worker's transaction that each list reflects; see `progress.reflected`."""
    everywhere = min(newest.values(), default=None)
    result = needed.copy()
    for row, part in enumerate(partition.tolist()):
        limit = newest.get(part) if part >= 0 else everywhere
        if limit is not None:
            result[row] = min(result[row], limit)
    return result
