"""How does the database get to the schema that this code needs?  Alembic revisions, each one plain SQL file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

MIGRATIONS = Path(__file__).parent / "migrations"


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    return config


def sqlalchemy_url(database_url: str) -> str:
    """The same database for SQLAlchemy, by the psycopg 3 driver."""
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("DATABASE_URL must start with postgresql:// - for example postgresql://user:password@host/db")
    return f"postgresql+psycopg://{rest}"


def upgrade(database_url: str) -> list[str]:
    """Applies what is missing and returns the revisions applied, oldest first; safe to run from many processes."""
    before = current(database_url)
    command.upgrade(_config(database_url), "head")
    script = ScriptDirectory.from_config(_config(database_url))
    applied = [revision.revision for revision in script.iterate_revisions("head", before or "base")]
    return list(reversed(applied))


def current(database_url: str) -> str | None:
    """The revision the database stands at, or None before the first."""
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def head() -> str:
    """The revision this code needs."""
    revision = ScriptDirectory.from_config(_config("postgresql://unused/unused")).get_current_head()
    if revision is None:
        raise RuntimeError("no migrations found beside projections/migrate.py")
    return revision
