"""Alembic environment: one transaction for all pending revisions, one migrator at a time."""

from alembic import context
from sqlalchemy import create_engine, text

from projections.migrate import sqlalchemy_url

ADVISORY_LOCK = 4_911_203_117


def run() -> None:
    """Runs the pending revisions under a transaction-level advisory lock."""
    engine = create_engine(sqlalchemy_url(context.config.attributes["database_url"]))
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
