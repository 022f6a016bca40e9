"""Applies sql/0025_reflected_rules.sql."""

from projections.migrations.sql_file import execute_file

revision = "0025_reflected_rules"
down_revision = "0024_reporting_insight"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0025_reflected_rules.sql")
