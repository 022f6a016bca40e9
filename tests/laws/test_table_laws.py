"""Do the tables obey the same laws, through the real `apply` on a real Postgres?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from law_folds import LAWS, assert_same
from law_logs import LEARNERS, batched_logs, every_type_and_absence, interactions, shuffled_logs

from models.columns import Interactions
from projections import learner_model
from projections.projection import Effects, Projection
from projections.registry import ALL
from projections.stores.postgres import Connection, connect

ORDER_FREE = [projection for projection in ALL if projection.name not in LAWS or LAWS[projection.name].order_free]
EXAMPLES = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

KEY_COLUMNS = """
SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY a.attnum
"""
TABLES_NAMING_LEARNERS = """
SELECT c.table_schema || '.' || c.table_name FROM information_schema.columns AS c
JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE c.column_name = 'learner_key' AND t.table_type = 'BASE TABLE'
  AND c.table_schema NOT IN ('pg_catalog', 'information_schema')
"""


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """The module's database, set as the worker sets it, with an identity for every learner of the logs."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute("SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan")
        learner_model.compile_fold()  # a database does not wait for a compiler inside a transaction
        opened.execute("INSERT INTO learners (user_id) SELECT 'u-' || n FROM generate_series(1, %s) AS n", (LEARNERS,))
        yield opened


def folded(connection: Connection, projection: Projection, batches: Sequence[Interactions]) -> dict[str, Any]:
    """The rows of the projection's tables after the batches, from empty, without the version column."""
    for table in projection.tables:
        connection.execute(f"DELETE FROM {table}")  # of few rows; TRUNCATE makes files anew
    for seq, batch in enumerate(batches, start=1):
        with connection.transaction():
            projection.apply(connection, batch, Effects(applied_seq=seq))
    return {table: rows_of(connection, table) for table in projection.tables}


def rows_of(connection: Connection, table: str) -> dict[str, Any]:
    """A table's rows by primary key: ``key -> {column: value}``."""
    key = [name for (name,) in connection.execute(KEY_COLUMNS, (table,)).fetchall()]
    assert key, f"{table} has no primary key"
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY {', '.join(key)}")
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {
        repr([row[name] for name in key]): {name: row[name] for name in names if name != "applied_seq"} for row in rows
    }


@pytest.mark.parametrize("projection", ALL, ids=lambda projection: projection.name)
@EXAMPLES
@given(logs=batched_logs(25))
def test_any_split_of_the_log_gives_the_same_rows(
    connection: Connection, projection: Projection, logs: tuple[Interactions, list[Interactions]]
) -> None:
    """The tables hold the same rows whether the log came at once or in any batches."""
    whole, batches = logs
    assert_same(folded(connection, projection, [whole]), folded(connection, projection, batches))


@pytest.mark.parametrize("projection", ORDER_FREE, ids=lambda projection: projection.name)
@EXAMPLES
@given(logs=shuffled_logs(25))
def test_the_order_of_the_log_does_not_matter_to_the_rows(
    connection: Connection, projection: Projection, logs: tuple[Interactions, Interactions]
) -> None:
    """The tables of an order-free projection hold the same rows for every permutation of the log."""
    log, shuffled = logs
    one_by_one = [shuffled.take(slice(n, n + 1)) for n in range(len(shuffled))]
    assert_same(folded(connection, projection, [log]), folded(connection, projection, one_by_one))


def test_every_projection_has_an_entry_in_the_laws() -> None:
    """Registering a projection without stating its laws fails here."""
    assert {projection.name for projection in ALL} == set(LAWS)


def test_no_projection_shares_a_table_with_another() -> None:
    """Each table belongs to one projection, so that rebuilding one leaves the others alone."""
    tables = [table for projection in ALL for table in projection.tables]
    assert len(tables) == len(set(tables))


def test_forgetting_leaves_no_row_that_names_the_learner(connection: Connection) -> None:
    """After an erasure no table with a learner key holds the erased one, and the others keep all their rows."""
    from projections import erasure

    log = every_type_and_absence()
    for projection in ALL:
        folded(connection, projection, [log])
    tables = [name for (name,) in connection.execute(TABLES_NAMING_LEARNERS).fetchall()]
    assert "public.learners" in tables
    before = {table: others(connection, table) for table in tables}
    with connection.transaction(force_rollback=True):
        erasure.forget(connection, 1)
        for table in tables:
            left = connection.execute(f"SELECT count(*) FROM {table} WHERE learner_key = 1").fetchone()
            assert left == (0,), table
            assert others(connection, table) == before[table], table


def others(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    """The rows of everyone but learner 1."""
    return sorted(connection.execute(f"SELECT * FROM {table} WHERE learner_key <> 1").fetchall(), key=repr)


def test_replaying_announces_nothing(connection: Connection) -> None:
    """A projection that replays the log hands nothing to the outbox and nothing to Redis."""
    log = interactions([(1, item, 3, 1440 * day, 0, 14) for day in range(30) for item in (1, 2, 3)])
    for projection in ALL:
        for table in projection.tables:
            connection.execute(f"TRUNCATE {table}")
        effects = Effects(applied_seq=1, replaying=True)
        with connection.transaction():
            projection.apply(connection, log, effects)
        assert effects.outbox == effects.announced == []
        assert effects.mirror == {}
        assert any(rows_of(connection, table) for table in projection.tables)
