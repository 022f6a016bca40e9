"""Who reads the schema reporting?  The role personalize_reporting: brings its grants up to date, sets its password."""

from __future__ import annotations

from typing import Final

from psycopg import sql

from projections.stores.postgres import connect

ROLE: Final = "personalize_reporting"


def refresh(database_url: str, password: str | None = None) -> None:
    """Grants what later migrations added; with a password the role may log in from then on.

    Raises:
        psycopg.errors.InsufficientPrivilege: this user may not change the role.
        psycopg.errors.UndefinedObject: there is no such role: an administrator has to make it.
    """
    with connect(database_url, autocommit=True, name="personalize-migrate") as connection:
        connection.execute("SELECT grant_reporting()")
        if password is not None:
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(password))
            )
