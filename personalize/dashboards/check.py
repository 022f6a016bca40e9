"""Does every query of every panel return something?  All of them against real servers; an empty answer is a failure.

A misspelt metric is no error to Prometheus, only an empty answer: that is why emptiness counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from personalize.dashboards import prometheus
from personalize.dashboards.all_dashboards import FOLDER
from personalize.dashboards.expand import Query, queries
from personalize.dashboards.panels import POSTGRES
from personalize.dashboards.prometheus import Prometheus
from personalize.live_run import REPORTING_PASSWORD, LiveRun
from projections.reporting_role import ROLE

AGAIN_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 90.0
STATEMENT_TIMEOUT: Final = "SET statement_timeout = '10s'"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one query."""

    query: Query
    count: int
    """Rows, or series with numbers."""
    problem: str
    """Why it failed; empty when it did not."""
    seconds: float


def reporting_url(database_url: str, password: str) -> str:
    """The URL of the same database for the read-only role."""
    return psycopg.conninfo.make_conninfo(database_url, user=ROLE, password=password)


def all_queries() -> list[Query]:
    """Every query of the committed dashboard files."""
    now = datetime.now(UTC)
    return [query for file in sorted(FOLDER.glob("*.json")) for query in queries(file, now)]


def run_queries(
    database_url: str,
    server: Prometheus | None,
    patience_seconds: float,
    seen: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Runs every query, the failing ones again until they succeed or patience ends.

    Args:
        database_url: of the read-only role.
        server: a Prometheus; None leaves its queries out.
        patience_seconds: what is measured now and then may take this long to appear.
        seen: called with each success, and with each failure at the end.
    """
    waiting = [query for query in all_queries() if server is not None or query.source == POSTGRES]
    outcomes: list[Outcome] = []
    deadline = time.monotonic() + patience_seconds
    while waiting:
        last = [_run_one(query, database_url, server) for query in waiting]
        is_over = time.monotonic() > deadline
        settled = [outcome for outcome in last if is_over or not outcome.problem]
        for outcome in settled:
            seen(outcome)
        outcomes += settled
        waiting = [] if is_over else [outcome.query for outcome in last if outcome.problem]
        if waiting:
            time.sleep(AGAIN_SECONDS)
    return outcomes


def _run_one(query: Query, database_url: str, server: Prometheus | None) -> Outcome:
    started = time.perf_counter()
    count, problem = 0, ""
    try:
        if query.source == POSTGRES:
            count = _rows(query, database_url)
        else:
            assert server is not None
            count = server.count(query)
        if not count:
            problem = "empty"
    except (psycopg.Error, ValueError) as error:
        problem = str(error).strip().splitlines()[0]
    return Outcome(query, count, problem, time.perf_counter() - started)


def _rows(query: Query, database_url: str) -> int:
    """Rows with at least one value that is not NULL."""
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        connection.execute(STATEMENT_TIMEOUT)
        cursor = connection.execute(query.text.encode())
        names = [column.name for column in cursor.description or ()]
        if query.needs_time and "time" not in names:
            raise ValueError("a time series needs a column named time")
        return sum(any(map(_says_something, row)) for row in cursor.fetchall())


def _says_something(value: Any) -> bool:
    return value is not None and not isinstance(value, datetime)


def may_read_more(database_url: str) -> list[str]:
    """Tables that the role may read although they are not in the schema reporting; should be none."""
    with closing(psycopg.connect(database_url, autocommit=True)) as connection:
        rows = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') "
            "AND relnamespace = 'public'::regnamespace AND has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE')"
        ).fetchall()
    return [name for (name,) in rows]


def examine(run: LiveRun, *, postgres_only: bool) -> tuple[list[Outcome], list[str]]:
    """Every query on a running engine; the outcomes, and everything else that is wrong, in words.

    Also: the rules' unit tests, `promtool check metrics` of every process, alerts that fire, rights of the read-only role.

    Raises:
        CannotStartError: Prometheus is not installed.
    """
    complaints = [] if postgres_only else prometheus.test_rules()
    role_url = reporting_url(run.servers.database_url, REPORTING_PASSWORD)
    complaints += [f"the role may touch {each}" for each in may_read_more(role_url)]
    run.await_recommender()
    if postgres_only:
        return run_queries(role_url, None, PATIENCE_SECONDS), complaints
    with prometheus.prometheus(run.settings.home, run.targets) as server:
        outcomes = run_queries(role_url, server, PATIENCE_SECONDS)
        complaints += [f"alert fires: {labels}" for labels in server.firing()]
    return outcomes, complaints + prometheus.lint(run.targets)


def failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that failed."""
    return [outcome for outcome in outcomes if outcome.problem]
