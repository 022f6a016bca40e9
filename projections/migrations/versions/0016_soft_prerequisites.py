"""Applies sql/0016_soft_prerequisites.sql."""

from projections.migrations.sql_file import execute_file

revision = "0016_soft_prerequisites"
down_revision = "0015_learner_answers"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0016_soft_prerequisites.sql")
