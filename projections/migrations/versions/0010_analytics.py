"""Applies sql/0010_analytics.sql."""

from projections.migrations.sql_file import execute_file

revision = "0010_analytics"
down_revision = "0009_learner_model"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0010_analytics.sql")
