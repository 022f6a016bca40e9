"""Whose list is written next, and what may it claim to reflect?  Touched learners, each at most once a tick.

A list claims the newest transaction of the worker that changed its learner, if the tables have folded everything of the
learner's partition that the worker has committed.  While the worker is ahead there, it claims less, and is written
again once the tables have caught up.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
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
from projections.stores.postgres import Connection
from projections.stores.redis import Mirror, recommendations_key

LISTS_AT_ONCE = 128
BUDGET_SECONDS = 0.1
"""Of a tick; who is left waits for the next one."""
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


class ListWriter:
    """Writes lists to Postgres and Redis; not thread-safe."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self.pending: dict[int, int] = {}
        """Slots of learners whose list is to be written, longest waiting first; since when [Unix ms], 0: unknown."""
        self.background: dict[int, None] = {}
        """Slots whose list is written anew when nobody is pending: nothing new is known of them."""
        self._unproven: dict[int, None] = {}
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

    @property
    def waits(self) -> bool:
        """Whether any list is to be written."""
        return bool(self.pending or self.background)

    def longest_wait_ms(self, now_ms: int) -> int:
        """How long the learner at the head has waited since his event was published; 0 for nobody."""
        since = next(iter(self.pending.values()), 0)
        return max(0, now_ms - since) if since else 0

    def forget(self, connection: Connection, key: int, slot: int | None) -> None:
        """Removes what was written for a learner."""
        for waiting in (self.pending, self.background, self._unproven, self._unmirrored):
            waiting.pop(-1 if slot is None else slot, None)
        connection.execute(list_rows.DELETE, {"learners": [key]})
        for kind in (list_rows.HYBRID, *list_rows.DERIVED):
            self._mirror.forget(recommendations_key(key, kind), FORGOTTEN_VERSION)

    def write(self, connection: Connection, tables: Tables, ticked: Ticked) -> None:
        """Writes lists for a bounded time."""
        now = time.monotonic()
        if self._unproven and not self.pending:
            self._prove(connection, tables)
        if self._unmirrored and now >= self._again_at:
            # Redis may come back with what it held before: these lists are written until it takes them.
            self.touch_later(self._unmirrored)
            self._unmirrored = {}
        if not self.waits:
            return
        deadline, written = now + BUDGET_SECONDS, dict[int, None]()
        while self.waits and time.monotonic() < deadline:
            started = time.perf_counter()
            slots = np.fromiter(islice(self.pending or self.background, LISTS_AT_ONCE), np.int32)
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

    def _write_some(self, connection: Connection, tables: Tables, slots: Int32, ticked: Ticked) -> int:
        state = tables.state
        started = time.perf_counter()
        ranked = rank(state, slots, state.last_at_ms[slots], self.coverage.damping)
        ticked.rank_seconds += time.perf_counter() - started
        keys = state.learners.keys()[slots]
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            held = restrictions.load(connection, keys, tables.shelf.prerequisites)
            newest = progress.reflected(connection, progress.worker_offsets(connection), tables.cursors)
        needed = np.array([held[key].applied_seq if key in held else 0 for key in keys.tolist()], np.int64)
        reflects = _reflects(needed, state.partition[slots], newest)
        as_of = np.full(len(slots), tables.watermark_ms, np.int64)
        generated_ms = time.time_ns() // 1_000_000
        made = lists(state, tables.shelf, slots, ranked, held, as_of, reflects, generated_ms, tables.trial)
        with connection.transaction():
            list_rows.write(connection, made)
        self._mirror_lists(made, tables.shelf)
        self._unproven.update(dict.fromkeys(slots[reflects < needed].tolist()))
        self.coverage.note(ranked.item, ranked.length)
        return len(made)

    def _mirror_lists(self, made: list[List], shelf: Shelf) -> None:
        if self._encoder.described is not shelf.view.described:
            self._encoder = ListEncoder(shelf.view.described)
        mirror_lists(self._mirror, made, self._encoder)

    def _prove(self, connection: Connection, tables: Tables) -> None:
        """Has lists written again that claim less than they reflect, where the tables have caught up."""
        newest = progress.reflected(connection, progress.worker_offsets(connection), tables.cursors)
        slots = np.fromiter(self._unproven, np.int32)
        # Whose partition is not known may live in any.
        waits = np.isin(tables.state.partition[slots], [*newest, -1] if newest else [])
        for slot in slots[~waits].tolist():
            del self._unproven[slot]
            self.pending[slot] = 0


def _reflects(needed: Int64, partition: Int32, newest: Mapping[int, int]) -> Int64:
    """(L,) the worker's transaction that each list reflects; see `progress.reflected`."""
    everywhere = min(newest.values(), default=None)
    result = needed.copy()
    for row, part in enumerate(partition.tolist()):
        limit = newest.get(part) if part >= 0 else everywhere
        if limit is not None:
            result[row] = min(result[row], limit)
    return result
