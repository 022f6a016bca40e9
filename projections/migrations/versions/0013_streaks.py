"""Applies sql/0013_streaks.sql."""

from projections.migrations.sql_file import execute_file

revision = "0013_streaks"
down_revision = "0012_impressions"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0013_streaks.sql")
