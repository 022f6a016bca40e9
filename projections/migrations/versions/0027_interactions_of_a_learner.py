"""Applies sql/0027_interactions_of_a_learner.sql."""

from projections.migrations.sql_file import execute_file

revision = "0027_interactions_of_a_learner"
down_revision = "0026_model_choice"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0027_interactions_of_a_learner.sql")
