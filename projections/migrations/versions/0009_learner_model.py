"""Applies sql/0009_learner_model.sql."""

from projections.migrations.sql_file import execute_file

revision = "0009_learner_model"
down_revision = "0008_reporting_role"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0009_learner_model.sql")
