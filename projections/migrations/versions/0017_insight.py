"""Applies sql/0017_insight.sql."""

from projections.migrations.sql_file import execute_file

revision = "0017_insight"
down_revision = "0016_soft_prerequisites"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0017_insight.sql")
