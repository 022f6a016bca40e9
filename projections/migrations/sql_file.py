"""How does a revision run?  It executes one plain SQL file that anyone can also feed to psql."""

from __future__ import annotations

from pathlib import Path

from alembic import op

SQL = Path(__file__).parent / "sql"


def execute_file(name: str) -> None:
    """Executes every statement of ``sql/<name>`` in the migration's transaction."""
    op.get_bind().connection.cursor().execute((SQL / name).read_text(encoding="utf-8"))
