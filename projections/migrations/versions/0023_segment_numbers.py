"""Applies sql/0023_segment_numbers.sql."""

from projections.migrations.sql_file import execute_file

revision = "0023_segment_numbers"
down_revision = "0022_learner_span_sets"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0023_segment_numbers.sql")
