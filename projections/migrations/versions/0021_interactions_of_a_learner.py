"""Applies sql/0021_interactions_of_a_learner.sql."""

from projections.migrations.sql_file import execute_file

revision = "0021_interactions_of_a_learner"
down_revision = "0020_repeating_achievements"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0021_interactions_of_a_learner.sql")
