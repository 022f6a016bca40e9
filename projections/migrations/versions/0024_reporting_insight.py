"""Applies sql/0024_reporting_insight.sql."""

from projections.migrations.sql_file import execute_file

revision = "0024_reporting_insight"
down_revision = "0023_segment_numbers"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0024_reporting_insight.sql")
