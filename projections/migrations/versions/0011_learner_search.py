"""Applies sql/0011_learner_search.sql."""

from projections.migrations.sql_file import execute_file

revision = "0011_learner_search"
down_revision = "0010_analytics"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0011_learner_search.sql")
