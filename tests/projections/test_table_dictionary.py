"""Does docs/tables.md say what the migrations say?"""

from __future__ import annotations

from projections.registry import ALL
from projections.stores.postgres import connect
from projections.table_dictionary import PAGE, page, tables

COLUMNS = """
SELECT c.table_name, c.column_name FROM information_schema.columns AS c
JOIN information_schema.tables AS t USING (table_schema, table_name)
JOIN pg_class AS r ON r.oid = format('%%I.%%I', c.table_schema, c.table_name)::regclass
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND NOT r.relispartition
  AND c.table_name <> 'alembic_version'
ORDER BY c.table_name, c.ordinal_position
"""


def test_the_page_is_up_to_date() -> None:
    """Run `python -m projections.table_dictionary` after changing a migration."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_table_of_a_projection_is_explained() -> None:
    """The dictionary has each registered table with its primary key, and its projection asks a question."""
    found = tables()
    for projection in ALL:
        for table in projection.tables:
            assert found[table].key, table
            assert projection.question.endswith("?")


def test_the_dictionary_lists_the_columns_that_postgres_has(module_database_url: str) -> None:
    """Reading the migrations as text finds the tables and columns of a migrated database, in its order."""
    with connect(module_database_url, autocommit=True) as connection:
        rows = connection.execute(COLUMNS, {}).fetchall()
    expected: dict[str, list[str]] = {}
    for table, column in rows:
        expected.setdefault(table, []).append(column)
    assert {name: list(table.types) for name, table in tables().items()} == expected
