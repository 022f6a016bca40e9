"""The role for dashboards reads the schema reporting, all of it, and nothing else."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql

from personalize.dashboards import check
from projections.reporting_role import refresh

PASSWORD = "a-password-for-this-test"


@pytest.fixture(scope="module")
def role_url(module_database_url: str) -> str:
    """The database as the role sees it."""
    refresh(module_database_url, PASSWORD)
    return check.reporting_url(module_database_url, PASSWORD)


def test_every_view_can_be_read(role_url: str) -> None:
    with psycopg.connect(role_url) as connection:
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'reporting'").fetchall()
        assert len(views) > 15
        for (name,) in views:
            connection.execute(sql.SQL("SELECT * FROM reporting.{} LIMIT 1").format(sql.Identifier(name)))
        connection.execute("SELECT * FROM reporting.engagement_at(now())")


def test_no_table_can_be_read_or_written(role_url: str) -> None:
    assert check.may_read_more(role_url) == []
    with psycopg.connect(role_url, autocommit=True) as connection:
        for statement in (
            "SELECT * FROM learners",
            "SELECT * FROM learner_private",
            "SELECT * FROM engagement_at(now())",
            "DELETE FROM outbox",
            "CREATE TABLE public.mine (x int)",
            "CREATE TABLE reporting.mine (x int)",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)


def test_every_query_of_the_dashboards_on_postgres_is_accepted(role_url: str) -> None:
    """On an empty database: the words are right; `make dashboards` shows that they answer."""
    with psycopg.connect(role_url, autocommit=True) as connection:
        for query in check.all_queries():
            if query.source == "postgres":
                connection.execute(query.text.encode())
