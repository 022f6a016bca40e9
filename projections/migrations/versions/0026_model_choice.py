"""Applies sql/0026_model_choice.sql."""

from projections.migrations.sql_file import execute_file

revision = "0026_model_choice"
down_revision = "0025_reflected_rules"


def upgrade() -> None:
    """Runs the SQL file of this revision."""
    execute_file("0026_model_choice.sql")
