"""Applies sql/0004_reads.sql."""

from projections.migrations.sql_file import execute_file

revision = "0004_reads"
down_revision = "0003_item_folds"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0004_reads.sql")
