"""Applies sql/0019_insight.sql."""

from projections.migrations.sql_file import execute_file

revision = "0019_insight"
down_revision = "0018_reporting_more"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0019_insight.sql")
