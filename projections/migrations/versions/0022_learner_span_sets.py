"""Applies sql/0022_learner_span_sets.sql."""

from projections.migrations.sql_file import execute_file

revision = "0022_learner_span_sets"
down_revision = "0021_experiment_reports"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0022_learner_span_sets.sql")
