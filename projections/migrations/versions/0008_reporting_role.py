"""Applies sql/0008_reporting_role.sql."""

from projections.migrations.sql_file import execute_file

revision = "0008_reporting_role"
down_revision = "0007_learning"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0008_reporting_role.sql")
