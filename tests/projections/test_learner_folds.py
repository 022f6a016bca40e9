"""Do the learner tables hold what the pure folds say, and does SQL read the engagement score as Python does?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from law_logs import LEARNERS, batched_logs, every_type_and_absence, interactions

from models import behaviour, engagement, recent, sessions
from models.columns import Interactions
from models.decay import DAY_MS
from models.grouping import Groups, group
from projections import behaviour as behaviour_table
from projections import engagement as engagement_table
from projections import recent_interactions
from projections import sessions as session_table
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection, connect

UNIVERSE = np.arange(1, LEARNERS + 1)
EXAMPLES = settings(max_examples=200, deadline=None)


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """The database that the tests of this module share."""
    with connect(module_database_url, autocommit=True) as opened:
        yield opened


def fold_into(connection: Connection, projection: Projection, batches: list[Interactions]) -> None:
    """Empties the projection's tables and applies the batches."""
    for table in projection.tables:
        connection.execute(f"TRUNCATE {table}")
    for seq, batch in enumerate(batches, start=1):
        with connection.transaction():
            projection.apply(connection, batch, Effects(applied_seq=seq))


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_engagement_rows_are_the_fold(
    connection: Connection, logs: tuple[Interactions, list[Interactions]]
) -> None:
    """What `load` reads back after any batches is the state of the pure fold."""
    log, batches = logs
    fold_into(connection, engagement_table.PROJECTION, batches)
    state = engagement.update(engagement.empty(LEARNERS), Groups(UNIVERSE, log.learner - 1), log)
    kept = engagement_table.load(connection, UNIVERSE)
    np.testing.assert_array_equal(kept.events, state.events)
    np.testing.assert_array_equal(kept.last_at_ms, state.last_at_ms)
    np.testing.assert_allclose(kept.log_sums, state.log_sums, rtol=0, atol=1e-9)


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_behaviour_rows_are_the_fold(connection: Connection, logs: tuple[Interactions, list[Interactions]]) -> None:
    """What `load` reads back after any batches is the state of the pure fold."""
    log, batches = logs
    fold_into(connection, behaviour_table.PROJECTION, batches)
    state = behaviour.update(behaviour.empty(LEARNERS), Groups(UNIVERSE, log.learner - 1), log)
    for name, kept in behaviour_table.load(connection, UNIVERSE)._asdict().items():
        np.testing.assert_allclose(kept, getattr(state, name), rtol=1e-9, err_msg=name)


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_session_rows_are_the_fold(connection: Connection, logs: tuple[Interactions, list[Interactions]]) -> None:
    """The rows after any batches are the sessions of the whole log."""
    log, batches = logs
    fold_into(connection, session_table.PROJECTION, batches)
    state = sessions.update(sessions.empty(), Groups(UNIVERSE, log.learner - 1), log).sessions
    rows = connection.execute(
        "SELECT learner_key - 1, (date_part('epoch', started_at) * 1000)::bigint, "
        "(date_part('epoch', ended_at) * 1000)::bigint, events, clicks, completions, time_spent_seconds "
        "FROM learner_session ORDER BY learner_key, started_at"
    ).fetchall()
    assert rows == list(zip(*(column.tolist() for column in state), strict=True))


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_recent_rows_are_the_fold(connection: Connection, logs: tuple[Interactions, list[Interactions]]) -> None:
    """Rings that grew in front and rings that were merged with late events are both those of the pure fold."""
    log, batches = logs
    fold_into(connection, recent_interactions.PROJECTION, batches)
    state = recent.update(recent.empty(LEARNERS), Groups(UNIVERSE, log.learner - 1), log)
    for kept, expected in zip(
        recent_interactions.load(connection, UNIVERSE, np.ones(LEARNERS, np.bool_)), state, strict=True
    ):
        np.testing.assert_array_equal(kept, expected)


def test_a_full_ring_drops_its_oldest_entries_in_sql(connection: Connection) -> None:
    """Sixty events in order, in batches of seven, leave the newest fifty."""
    log = interactions([(1, 1 + n % 6, 0, n, 0, 0) for n in range(60)])
    fold_into(connection, recent_interactions.PROJECTION, [log.take(slice(n, n + 7)) for n in range(0, 60, 7)])
    kept = recent_interactions.load(connection, np.array([1]), np.array([True]))
    assert kept.at_ms.tolist() == log.at_ms[:9:-1].tolist()


def test_only_touched_rows_get_the_new_version(connection: Connection) -> None:
    """A batch of learner 2 leaves the row of learner 1 as it was."""
    first, second = interactions([(1, 1, 0, 0, 0, 0)]), interactions([(2, 1, 0, 0, 0, 0)])
    fold_into(connection, engagement_table.PROJECTION, [first, second])
    rows = connection.execute("SELECT learner_key, applied_seq FROM engagement ORDER BY 1").fetchall()
    assert rows == [(1, 1), (2, 2)]


@pytest.mark.parametrize("days_later", [0, 1, 7, 400, 20_000])
def test_sql_reads_the_score_as_python_does(connection: Connection, days_later: int) -> None:
    """Score and terms of `engagement_at` are those of `models.engagement`, fresh or decades old.

    Within 1e-9 of their size; below that within 1e-12 points of 100, since SQL has no expm1.
    """
    log = every_type_and_absence()
    fold_into(connection, engagement_table.PROJECTION, [log])
    at_ms = int(log.at_ms.max()) + days_later * DAY_MS
    as_of = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    groups = group(log.learner)
    state = engagement.update(engagement.empty(groups.size), groups, log)
    expected = np.vstack([engagement.score_at(state, at_ms), engagement.terms_at(state, at_ms)])
    rows = connection.execute(
        'SELECT score, type, completion, "time", scroll, clicks, rating, sentiment '
        "FROM engagement_at(%s) ORDER BY learner_key",
        (as_of,),
    ).fetchall()
    np.testing.assert_allclose(np.array(rows).T, expected, rtol=1e-9, atol=1e-12)
    reported = connection.execute("SELECT score FROM reporting.engagement_at(%s)", (as_of,)).fetchall()
    np.testing.assert_allclose(np.sort([score for (score,) in reported]), np.sort(expected[0]), rtol=1e-9, atol=1e-12)


def test_the_reporting_view_names_nobody(connection: Connection) -> None:
    """`reporting.engagement` has one row a learner, between 0 and 100, and no key column."""
    fold_into(connection, engagement_table.PROJECTION, [every_type_and_absence()])
    cursor = connection.execute("SELECT * FROM reporting.engagement")
    assert "learner_key" not in [column.name for column in cursor.description or ()]
    scores = [row[0] for row in cursor.fetchall()]
    assert len(scores) == LEARNERS
    assert all(0 <= score <= 100 for score in scores)


def test_log_add_is_the_same_in_sql(connection: Connection) -> None:
    """The SQL function and `models.decay.log_add` agree on empty, equal, close and far sums."""
    from models.decay import log_add

    values = [-np.inf, -800.0, 0.0, 1e-9, 1.0, 700.0, 1950.25]
    for a in values:
        for b in values:
            row = connection.execute("SELECT log_add(%s::float8, %s::float8)", (a, b)).fetchone()
            assert row is not None
            np.testing.assert_allclose(row[0], log_add(np.array([a]), np.array([b]))[0], rtol=0, atol=1e-12)
