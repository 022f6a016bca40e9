"""Applies sql/0006_jobs.sql."""

from projections.migrations.sql_file import execute_file

revision = "0006_jobs"
down_revision = "0005_recommender"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0006_jobs.sql")
