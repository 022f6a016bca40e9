"""Applies sql/0001_core.sql."""

from projections.migrations.sql_file import execute_file

revision = "0001_core"
down_revision = None


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0001_core.sql")
