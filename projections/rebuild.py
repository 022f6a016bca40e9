"""How is a read model made anew from the log of record, beside the live one, without stopping the world?

A rebuild folds the whole log again into tables of its own (schema ``rebuild_<name>``), through the same ``apply`` as
the worker.  Then it compares them with the live ones and makes the live rows equal, in one transaction in which no
writer is active.  Why contents are switched and not tables: docs/decisions/0007-rebuild.md.

The log is read up to *settled* positions only: a transaction with a lower sequence may commit after one with a higher,
so a position counts as settled when the rebuild has, for a moment, held the writers' lock alone.  A rebuild that is
killed leaves the live tables untouched; started again, it begins anew.  Memory holds one chunk of the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import LiteralString

from models.columns import Interactions
from projections import interaction_log
from projections.locks import WRITERS_LOCK
from projections.projection import Effects, Projection
from projections.registry import ALL
from projections.stores.postgres import Connection, connect
from projections.stores.table_versions import (
    Shape,
    TableDifference,
    analyze_version,
    columns_of,
    create_version,
    difference,
    drop_rows_of_erased_learners,
    drop_version,
    lock_version,
    read_version_first,
    shape_of,
    take_over,
)

CHUNK_ROWS = 20_000
"""Interactions folded in one transaction, as many as the worker folds at most."""

MOST_CATCH_UP_ROUNDS = 20
"""A log that grows faster than a rebuild reads is caught up with under the writers' lock after this many rounds."""

LOCK_ALONE = "SELECT pg_advisory_xact_lock(%(lock)s)"
LAST_SEQ = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.applied_seq"
NEXT_SEQ = "SELECT nextval('public.applied_seq')"
ROWS_TO_READ = "SELECT coalesce(sum(applied), 0)::bigint FROM applied_range WHERE applied_seq > %(after)s"
# Folds reach rows by their keys; comparing reads whole tables and takes as long as it takes.
# A chunk may be folded for longer than other transactions may idle: nobody waits for the tables of an own version.
FOLD_SETTINGS = (
    "SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan; "
    "SET idle_in_transaction_session_timeout = '60s'"
)
# All writers wait for the switch: a process that is stopped in it must not hold them up for long.
SWITCH_SETTINGS = "SET LOCAL idle_in_transaction_session_timeout = '5s'"
COMPARE_SETTINGS = "SET LOCAL enable_seqscan = on; SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'"


class RebuildRunning(RuntimeError):  # noqa: N818 - a state of affairs, not a fault
    """Another process is rebuilding the same projection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rebuild is."""

    phase: str
    """``replay``, ``catch up``, ``compare`` or ``done``."""
    replayed: int
    """Interactions folded."""
    total: int
    """Interactions to fold, as known when the phase began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a rebuild found and did."""

    name: str
    replayed: int
    """Interactions folded."""
    position: int
    """The ``applied_seq`` that both versions stood at when they were compared."""
    tables: tuple[TableDifference, ...]
    switched: bool
    """Whether the live tables now hold the rebuilt contents."""
    replay_seconds: float
    exclusive_seconds: float
    """For how long writers waited at the end."""

    @property
    def differences(self) -> int:
        """Rows that differed, over all tables."""
        return sum(table.rows for table in self.tables)


def projection_named(name: str) -> Projection:
    """The registered projection of that name; raises ValueError listing the names there are."""
    for projection in ALL:
        if projection.name == name:
            return projection
    known = ", ".join(projection.name for projection in ALL)
    raise ValueError(f"name: there is no projection {name!r}; choose one of {known}")


def rebuild(
    database_url: str,
    name: str,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    dry_run: bool = False,
    keep: bool = False,
    chunk_rows: int = CHUNK_ROWS,
) -> Report:
    """Folds the log of record anew into a version beside the live one, compares, and switches.

    Args:
        database_url: Postgres.
        name: of a registered projection.
        on_progress: called after every chunk, outside any transaction.
        dry_run: compare only; writers are never waited for at the end, and the live tables stay as they are.
        keep: leave the schema ``rebuild_<name>`` in place, and the live rows replaced in ``retired_<name>``.
        chunk_rows: interactions folded in one transaction.

    Raises:
        ValueError: the name is not registered.
        RebuildRunning: another process is rebuilding the same projection.
    """
    projection = projection_named(name)
    with connect(database_url, autocommit=True, name="personalize-rebuild") as connection:
        run = _Rebuild(connection, projection, on_progress or _say_nothing, chunk_rows)
        return run.carry_out(dry_run=dry_run, keep=keep)


def _say_nothing(progress: Progress) -> None:
    del progress


class _Rebuild:
    """One rebuild on one connection."""

    def __init__(
        self, connection: Connection, projection: Projection, on_progress: Callable[[Progress], None], chunk_rows: int
    ) -> None:
        self._connection = connection
        self._projection = projection
        self._on_progress = on_progress
        self._chunk_rows = chunk_rows
        self._schema = f"rebuild_{projection.name}"
        self._position = 0
        self._replayed = 0
        self._folded_to = 0

    def carry_out(self, *, dry_run: bool, keep: bool) -> Report:
        began = time.perf_counter()
        shapes = self._prepare()
        self._catch_up()
        analyze_version(self._connection, self._schema, self._projection.tables)
        self._on_progress(Progress(phase="compare", replayed=self._replayed, total=self._replayed))
        exclusive_from = time.perf_counter()
        tables = self._compare_only(shapes) if dry_run else self._switch(shapes, keep=keep)
        ended = time.perf_counter()
        if not keep:
            drop_version(self._connection, self._schema)
        self._on_progress(Progress(phase="done", replayed=self._replayed, total=self._replayed))
        return Report(
            name=self._projection.name,
            replayed=self._replayed,
            position=self._position,
            tables=tables,
            switched=not dry_run,
            replay_seconds=exclusive_from - began,
            exclusive_seconds=0.0 if dry_run else ended - exclusive_from,
        )

    def _prepare(self) -> list[Shape]:
        if not lock_version(self._connection, self._schema):
            raise RebuildRunning(
                f"another process is rebuilding {self._projection.name}; wait for it, or end it and start again"
            )
        # An unfinished version of a rebuild that was killed is dropped here.
        create_version(self._connection, self._schema, self._projection.tables)
        only = columns_of(self._connection, self._projection.compare) if self._projection.compare else ()
        shapes = [shape_of(self._connection, table, only) for table in self._projection.tables]
        read_version_first(self._connection, self._schema)
        self._connection.execute(FOLD_SETTINGS)
        return shapes

    def _catch_up(self) -> None:
        """Folds up to settled positions until less than a chunk is left."""
        phase = "replay"
        for _ in range(MOST_CATCH_UP_ROUNDS):
            settled = self._settled_position()
            total = self._replayed + self._rows_to_read()
            folded_before = self._replayed
            for upto, batch in self._chunks(settled):
                if self._projection.prepare is not None:
                    self._projection.prepare(batch)
                with self._connection.transaction():
                    self._fold(upto, batch)
                self._on_progress(Progress(phase=phase, replayed=self._replayed, total=max(total, self._replayed)))
            self._position = settled
            if self._replayed - folded_before < self._chunk_rows:
                return
            phase = "catch up"

    def _compare_only(self, shapes: list[Shape]) -> tuple[TableDifference, ...]:
        """Compares in one snapshot, in which the log and the live tables stand at the same position."""
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self._fold_rest(interaction_log.END)
            return self._differences(shapes)

    def _switch(self, shapes: list[Shape], *, keep: bool) -> tuple[TableDifference, ...]:
        """Folds the rest, compares and takes over in one transaction that no writer overlaps."""
        retired = f"retired_{self._projection.name}" if keep else None
        if retired is not None:
            create_version(self._connection, retired, ())
        with self._connection.transaction():
            self._connection.execute(SWITCH_SETTINGS)
            self._connection.execute(LOCK_ALONE, {"lock": WRITERS_LOCK})
            self._fold_rest(interaction_log.END)
            tables = self._differences(shapes)
            for shape, found in zip(shapes, tables, strict=True):
                if found.rows:
                    take_over(self._connection, self._schema, shape, self._scalar(NEXT_SEQ), retired)
        return tables

    def _differences(self, shapes: list[Shape]) -> tuple[TableDifference, ...]:
        self._connection.execute(COMPARE_SETTINGS)
        drop_rows_of_erased_learners(self._connection, self._schema, shapes)
        return tuple(difference(self._connection, self._schema, shape) for shape in shapes)

    def _fold_rest(self, upto: int) -> None:
        for last, batch in self._chunks(upto):
            self._fold(last, batch)
            self._position = last
        if self._projection.finish is not None:
            effects = Effects(applied_seq=self._scalar(LAST_SEQ), after_seq=self._folded_to, replaying=True)
            self._projection.finish(self._connection, effects)

    def _chunks(self, upto: int) -> Iterator[tuple[int, Interactions]]:
        """The log from the position to ``upto``, cut where the projection wants it cut."""
        after = self._position
        cuts = self._projection.cuts(self._connection) if self._projection.cuts is not None else []
        for end in (*(cut for cut in cuts if cut < upto), upto):
            if after < end:
                yield from interaction_log.replay(self._connection, after, self._chunk_rows, end)
                after = end

    def _fold(self, upto: int, batch: Interactions) -> None:
        effects = Effects(applied_seq=upto, after_seq=self._folded_to, replaying=True)
        self._projection.apply(self._connection, batch, effects)
        self._folded_to = upto
        self._replayed += len(batch)

    def _settled_position(self) -> int:
        """The newest sequence below which no transaction is under way."""
        with self._connection.transaction():
            self._connection.execute(SWITCH_SETTINGS)
            self._connection.execute(LOCK_ALONE, {"lock": WRITERS_LOCK})
            return self._scalar(LAST_SEQ)

    def _rows_to_read(self) -> int:
        found = self._connection.execute(ROWS_TO_READ, {"after": self._position}).fetchone()
        assert found is not None
        return int(found[0])

    def _scalar(self, query: LiteralString) -> int:
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])
