"""Applies sql/0015_learner_answers.sql."""

from projections.migrations.sql_file import execute_file

revision = "0015_learner_answers"
down_revision = "0014_access"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0015_learner_answers.sql")
