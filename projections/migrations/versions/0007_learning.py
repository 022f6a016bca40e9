"""Applies sql/0007_learning.sql."""

from projections.migrations.sql_file import execute_file

revision = "0007_learning"
down_revision = "0006_jobs"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0007_learning.sql")
