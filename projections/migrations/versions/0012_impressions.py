"""Applies sql/0012_impressions.sql."""

from projections.migrations.sql_file import execute_file

revision = "0012_impressions"
down_revision = "0011_learner_search"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0012_impressions.sql")
