"""${message}."""

from projections.migrations.sql_file import execute_file

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    execute_file("${up_revision}.sql")
