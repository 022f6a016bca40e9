"""Applies sql/0021_learner_span_sets.sql."""

from projections.migrations.sql_file import execute_file

revision = "0021_learner_span_sets"
down_revision = "0020_experiment_reports"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0021_learner_span_sets.sql")
