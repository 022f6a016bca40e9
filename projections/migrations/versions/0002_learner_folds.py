"""Applies sql/0002_learner_folds.sql."""

from projections.migrations.sql_file import execute_file

revision = "0002_learner_folds"
down_revision = "0001_core"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0002_learner_folds.sql")
