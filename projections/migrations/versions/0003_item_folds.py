"""Applies sql/0003_item_folds.sql."""

from projections.migrations.sql_file import execute_file

revision = "0003_item_folds"
down_revision = "0002_learner_folds"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0003_item_folds.sql")
