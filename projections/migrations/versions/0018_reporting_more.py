"""Applies sql/0018_reporting_more.sql."""

from projections.migrations.sql_file import execute_file

revision = "0018_reporting_more"
down_revision = "0017_recognition"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0018_reporting_more.sql")
