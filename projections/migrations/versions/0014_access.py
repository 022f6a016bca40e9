"""Applies sql/0014_access.sql."""

from projections.migrations.sql_file import execute_file

revision = "0014_access"
down_revision = "0013_streaks"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0014_access.sql")
