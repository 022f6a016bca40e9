"""Applies sql/0005_recommender.sql."""

from projections.migrations.sql_file import execute_file

revision = "0005_recommender"
down_revision = "0004_reads"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0005_recommender.sql")
