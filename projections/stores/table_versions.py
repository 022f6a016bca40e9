"""How do two versions of a table compare, and how does one take over the other's contents?

A version is a schema that holds tables of the same names and shapes as ``public``.  Rows are matched by primary key.
Floats are equal within 1e-9 of their size; a column named ``log_...`` is the logarithm of a sum, so there 1e-9 absolute
is 1e-9 of the sum.  ``applied_seq`` tells when a row was written, not what it says, and is never compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from projections.stores.postgres import Connection

TOLERANCE = 1e-9
VERSION_COLUMN = "applied_seq"

SHAPE = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnum = ANY(coalesce(i.indkey::int2[], '{}'))
FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
"""
_FLOATS = {"double precision", "real"}
# Values of these kinds may be shown in a report; keys, texts and lists may name somebody.
_SHOWN = _FLOATS | {"bigint", "integer", "smallint", "boolean", "timestamp with time zone", "date", "interval"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The columns of a table."""

    table: str
    key: tuple[str, ...]
    """Primary key."""
    types: dict[str, str]
    """Column name → SQL type, in table order."""
    compared: tuple[str, ...]
    """The columns, beside the key, whose values decide whether two rows are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """What distinguishes a rebuilt table from the live one."""

    table: str
    live_rows: int
    rebuilt_rows: int
    missing: int
    """Rows that only the rebuilt version has."""
    surplus: int
    """Rows that only the live version has."""
    changed: int
    """Rows of equal key and other contents."""
    examples: tuple[str, ...]
    """What differs in a few changed rows, without keys."""

    @property
    def rows(self) -> int:
        """Number of rows that differ in any way."""
        return self.missing + self.surplus + self.changed


def shape_of(connection: Connection, table: str, only: Collection[str] = ()) -> Shape:
    """The shape of a live table.

    ``only`` limits the compared columns to these, unless it names none of the table's: then all are compared.

    Raises:
        ValueError: the table has no primary key, so its rows cannot be matched.
    """
    rows = connection.execute(SHAPE, {"table": f"public.{table}"}).fetchall()
    key = tuple(name for name, _, in_key in rows if in_key)
    if not key:
        raise ValueError(f"table {table} has no primary key; a projection's table needs one to be rebuilt")
    values = [name for name, _, in_key in rows if not in_key and name != VERSION_COLUMN]
    return Shape(
        table=table,
        key=key,
        types={name: kind for name, kind, _ in rows},
        compared=tuple(name for name in values if name in only) or tuple(values),
    )


def columns_of(connection: Connection, query: Any) -> tuple[str, ...]:
    """The names of the columns that a SELECT returns."""
    cursor = connection.execute(sql.SQL("SELECT * FROM ({}) AS selected LIMIT 0").format(sql.SQL(query)))
    return tuple(column.name for column in cursor.description or ())


def create_version(connection: Connection, schema: str, tables: Iterable[str]) -> None:
    """Makes the schema anew, with an empty table of the same shape, defaults and indexes for each live one."""
    drop_version(connection, schema)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    for table in tables:
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                sql.Identifier(schema, table), sql.Identifier("public", table)
            )
        )


def drop_version(connection: Connection, schema: str) -> None:
    """Drops the schema with everything in it, if it is there."""
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def read_version_first(connection: Connection, schema: str) -> None:
    """Lets every unqualified table name mean the version's table where it has one."""
    connection.execute(sql.SQL("SET search_path = {}, public").format(sql.Identifier(schema)))


def analyze_version(connection: Connection, schema: str, tables: Iterable[str]) -> None:
    """Gives the planner the statistics that comparing needs."""
    for table in tables:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))


def drop_rows_of_erased_learners(connection: Connection, schema: str, shapes: Iterable[Shape]) -> None:
    """Deletes the version's rows of learners who have no identity any more: they asked to be forgotten meanwhile."""
    for shape in shapes:
        if "learner_key" in shape.types:
            connection.execute(
                sql.SQL(
                    "DELETE FROM {} AS v WHERE NOT EXISTS "
                    "(SELECT FROM public.learners AS l WHERE l.learner_key = v.learner_key)"
                ).format(sql.Identifier(schema, shape.table))
            )


def difference(connection: Connection, schema: str, shape: Shape, examples: int = 5) -> TableDifference:
    """Compares a version's table with the live one, and keeps the differing keys in a temporary table until commit."""
    live, rebuilt = sql.Identifier("public", shape.table), sql.Identifier(schema, shape.table)
    _find(connection, live, rebuilt, shape)
    row = connection.execute(
        sql.SQL(
            "SELECT (SELECT count(*) FROM {live}), (SELECT count(*) FROM {rebuilt}), "
            "count(*) FILTER (WHERE kind = 'missing'), count(*) FILTER (WHERE kind = 'surplus'), "
            "count(*) FILTER (WHERE kind = 'changed') FROM {found}"
        ).format(live=live, rebuilt=rebuilt, found=_found(shape))
    ).fetchone()
    assert row is not None
    live_rows, rebuilt_rows, missing, surplus, changed = row
    return TableDifference(
        table=shape.table,
        live_rows=live_rows,
        rebuilt_rows=rebuilt_rows,
        missing=missing,
        surplus=surplus,
        changed=changed,
        examples=_examples(connection, schema, shape, examples) if changed else (),
    )


def _find(connection: Connection, live: sql.Identifier, rebuilt: sql.Identifier, shape: Shape) -> None:
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE {found} ON COMMIT DROP AS SELECT {key}, "
            "CASE WHEN live.live IS NULL THEN 'missing' WHEN rebuilt.rebuilt IS NULL THEN 'surplus' "
            "ELSE 'changed' END AS kind "
            "FROM (SELECT *, true AS live FROM {live}) AS live "
            "FULL JOIN (SELECT *, true AS rebuilt FROM {rebuilt}) AS rebuilt USING ({key}) "
            "WHERE live.live IS NULL OR rebuilt.rebuilt IS NULL OR NOT ({same})"
        ).format(
            found=_found(shape),
            key=_names(shape.key),
            live=live,
            rebuilt=rebuilt,
            same=sql.SQL(" AND ").join([sql.SQL("true"), *(_same(shape, column) for column in shape.compared)]),
        )
    )


def take_over(connection: Connection, schema: str, shape: Shape, applied_seq: int, retired: str | None) -> None:
    """Makes the live rows equal to the version's, touching only those that `difference` found in this transaction.

    Args:
        connection: inside a transaction in which no writer is active.
        schema: the version.
        shape: of the table.
        applied_seq: written to the rows replaced, newer than any they had.
        retired: a schema in which the replaced and removed live rows are kept, or None.
    """
    live, found = sql.Identifier("public", shape.table), _found(shape)
    matched = sql.SQL(" AND ").join(sql.SQL("t.{0} = d.{0}").format(sql.Identifier(name)) for name in shape.key)
    if retired is not None:
        connection.execute(
            sql.SQL("CREATE TABLE {} AS SELECT t.* FROM {} AS t JOIN {} AS d ON {}").format(
                sql.Identifier(retired, shape.table), live, found, matched
            )
        )
    connection.execute(
        sql.SQL("DELETE FROM {} AS t USING {} AS d WHERE {} AND d.kind = 'surplus'").format(live, found, matched)
    )
    changing = [name for name in shape.types if name in shape.compared or name == VERSION_COLUMN]
    values = [
        sql.Literal(applied_seq) if name == VERSION_COLUMN else sql.SQL("t.{}").format(sql.Identifier(name))
        for name in shape.types
    ]
    action: sql.Composable = sql.SQL("NOTHING")
    if changing:
        action = sql.SQL("UPDATE SET {}").format(
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in changing)
        )
    connection.execute(
        sql.SQL(
            "INSERT INTO {live} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {rebuilt} AS t "
            "JOIN {found} AS d ON {matched} WHERE d.kind <> 'surplus' ON CONFLICT ({key}) DO {action}"
        ).format(
            live=live,
            columns=_names(shape.types),
            values=sql.SQL(", ").join(values),
            rebuilt=sql.Identifier(schema, shape.table),
            found=found,
            matched=matched,
            key=_names(shape.key),
            action=action,
        )
    )


def lock_version(connection: Connection, schema: str) -> bool:
    """Claims the schema for this session; False when another session still holds it after the lock timeout."""
    try:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%(schema)s, 0))", {"schema": schema})
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _found(shape: Shape) -> sql.Identifier:
    return sql.Identifier("pg_temp", f"difference_{shape.table}")


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _same(shape: Shape, column: str) -> sql.Composed:
    name = sql.Identifier(column)
    if shape.types[column] not in _FLOATS:
        return sql.SQL("live.{0} IS NOT DISTINCT FROM rebuilt.{0}").format(name)
    scale: sql.Composable = sql.Literal(1.0)
    if not column.startswith("log_"):
        scale = sql.SQL("greatest(abs(live.{0}), abs(rebuilt.{0}))").format(name)
    # Infinities are equal only to themselves: without the bounds, inf - x <= 1e-9 * inf would hold.
    return sql.SQL(
        "(live.{0} IS NOT DISTINCT FROM rebuilt.{0} OR coalesce(abs(live.{0}) < 'Infinity' AND "
        "abs(rebuilt.{0}) < 'Infinity' AND abs(live.{0} - rebuilt.{0}) <= {1} * {2}, false))"
    ).format(name, sql.Literal(TOLERANCE), scale)


def _examples(connection: Connection, schema: str, shape: Shape, limit: int) -> tuple[str, ...]:
    """For a few changed rows: each differing column with both values where those say nothing about a person."""
    pairs = [
        sql.SQL("CASE WHEN {same} THEN NULL ELSE {text} END").format(
            same=_same(shape, column), text=_both(shape, column)
        )
        for column in shape.compared
    ]
    found = connection.execute(
        sql.SQL(
            "SELECT concat_ws('; ', {pairs}) FROM {found} AS d JOIN {live} AS live USING ({key}) "
            "JOIN {rebuilt} AS rebuilt USING ({key}) WHERE d.kind = 'changed' LIMIT {limit}"
        ).format(
            pairs=sql.SQL(", ").join(pairs),
            found=_found(shape),
            live=sql.Identifier("public", shape.table),
            rebuilt=sql.Identifier(schema, shape.table),
            key=_names(shape.key),
            limit=sql.Literal(limit),
        )
    ).fetchall()
    return tuple(text for (text,) in found)


def _both(shape: Shape, column: str) -> sql.Composable:
    if shape.types[column] not in _SHOWN or column.endswith("_key"):
        return sql.Literal(f"{column} differs")
    return sql.SQL("format('%s: %s -> %s', {}, live.{}, rebuilt.{})").format(
        sql.Literal(column), sql.Identifier(column), sql.Identifier(column)
    )


__all__ = [
    "Shape",
    "TableDifference",
    "analyze_version",
    "columns_of",
    "create_version",
    "difference",
    "drop_rows_of_erased_learners",
    "drop_version",
    "lock_version",
    "read_version_first",
    "shape_of",
    "take_over",
]
