"""Do the roll-ups of analytics equal a direct recount of the log, however it was written, late events and all?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pytest
from fold_writer import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from law_logs import LEARNERS, batched_logs
from recount import ACTIVITY, DISTINCT, KEPT_LEARNER_DAYS, LEARNER_DAYS, NEWCOMERS, WITNESSES, rows

from models import learner_days as model
from models.columns import Interactions
from projections import hourly_activity, sessions
from projections.analytics import follower, learner_days
from projections.reads.analytics import users
from projections.reads.analytics.period import Period
from projections.stores.postgres import Connection, connect

EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TABLES = (
    "learner_day, daily_learners, learner_day_set, learner_span_set, cell_witness, dirty_day, interaction_log,"
    " learner_session, hourly_activity, daily_activity, weekly_activity, applied_range"
)


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """The module's database, with an identity for every learner of the logs."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute("INSERT INTO learners (user_id) SELECT 'u-' || n FROM generate_series(1, %s) AS n", (LEARNERS,))
        yield opened


def start(connection: Connection) -> None:
    """Empties everything that an example writes."""
    connection.execute(f"TRUNCATE {TABLES}")
    connection.execute(
        "UPDATE roll_up_position SET watermark_ms = 0, applied_seq = (SELECT CASE WHEN is_called THEN last_value"
        " ELSE 0 END FROM applied_seq)"
    )


def write_batch(connection: Connection, batch: Interactions) -> None:
    """Writes a batch as the worker does."""
    with connection.transaction():
        write(connection, batch, (sessions.PROJECTION, hourly_activity.PROJECTION))


def assert_equals_recount(connection: Connection) -> None:
    """Every table says what the log says."""
    kept, counted = rows(connection, KEPT_LEARNER_DAYS), rows(connection, LEARNER_DAYS)
    assert len(kept) == len(counted)
    for mine, direct in zip(kept, counted, strict=True):
        assert mine[:6] == direct[:6]
        assert mine[6:] == pytest.approx([float(value) for value in direct[6:]], rel=1e-9)
    days = sorted({row[1] for row in counted})
    for first, last in {(day, day) for day in days} | (
        {(days[0], days[-1]), (days[0], days[-1] - timedelta(3))} if days else set()
    ):
        assert distinct(connection, first, last) == rows(connection, DISTINCT, {"first": first, "last": last})[0]
    assert rows(connection, "SELECT day, newcomers FROM daily_learners WHERE newcomers <> 0 ORDER BY day") == rows(
        connection, NEWCOMERS
    )
    assert rows(
        connection,
        "SELECT day, active, completed, events, sessions, session_ms FROM daily_learners WHERE active > 0 ORDER BY 1",
    ) == rows(
        connection,
        "SELECT day, count(*), count(*) FILTER (WHERE completions > 0), sum(events), sum(sessions), sum(session_ms)"
        " FROM learner_day GROUP BY day ORDER BY 1",
    )


def distinct(connection: Connection, first: date, last: date) -> tuple[int, int]:
    """Learners active, and learners who completed something, on any of the days, as the API asks for them."""
    asked = users.covering(Period("any", first, first, last))
    found = {(kind, current): n for kind, current, n in rows(connection, users.DISTINCT, {**asked, "kind": 1})}
    return found.get((learner_days.ACTIVE, True), 0), found.get((learner_days.COMPLETED, True), 0)


@EXAMPLES
@given(batched_logs())
def test_roll_ups_equal_a_recount_of_the_log(connection: Connection, drawn) -> None:
    """Sums, visits, distinct counts, newcomers and witnesses; in steps of any size, after erasure too."""
    _, batches = drawn
    start(connection)
    for place, batch in enumerate(batches):
        write_batch(connection, batch)
        if place % 2:
            follower.catch_up(connection, step_rows=3)
    follower.catch_up(connection)
    assert_equals_recount(connection)
    whole = model.of(model.consenting(Interactions.concatenate(batches)))
    scores = [row[0] for row in rows(connection, "SELECT score_sum FROM learner_day ORDER BY learner_key, day")]
    assert scores == pytest.approx(whole.score_sum.tolist(), rel=1e-9)
    assert rows(connection, "SELECT day, dimension, cell, learner_keys FROM cell_witness ORDER BY 1, 2, 3") == rows(
        connection, WITNESSES
    )
    assert rows(
        connection, "SELECT day, content_type_key, interaction_type, events FROM daily_activity ORDER BY 1, 2, 3"
    ) == rows(connection, ACTIVITY)
    assert rows(connection, "SELECT sum(events) FROM weekly_activity") == rows(
        connection, "SELECT sum(events) FROM daily_activity"
    )
    with connection.transaction():
        for statement in ("DELETE FROM interaction_log WHERE learner_key = %(learner_key)s", *learner_days.FORGET):
            connection.execute(statement, {"learner_key": 2})
    assert_equals_recount(connection)
    assert not rows(connection, "SELECT FROM cell_witness WHERE learner_keys @> ARRAY[2::bigint]")


@given(st.integers(0, 40_000), st.integers(0, 200))
def test_spans_and_single_days_cover_each_day_once(first: int, length: int) -> None:
    """And a long period needs few of both."""
    days, spans = model.cover(first, first + length)
    covered = days + [day for span in spans for day in range(span, span + model.SPAN_DAYS)]
    assert sorted(covered) == list(range(first, first + length + 1))
    assert len(days) < 2 * model.SPAN_DAYS


def test_a_transaction_under_way_is_not_skipped(connection: Connection, module_database_url: str) -> None:
    """A lower sequence that commits after a higher one is folded too, once."""
    start(connection)
    batch = one_event(learner=1)
    with connect(module_database_url) as slow:
        write(slow, batch, (sessions.PROJECTION, hourly_activity.PROJECTION))
        write_batch(connection, one_event(learner=2))
        wait, follower.SETTLE_SECONDS = follower.SETTLE_SECONDS, 0.05
        try:
            assert follower.catch_up(connection) == 0
        finally:
            follower.SETTLE_SECONDS = wait
        slow.commit()
    assert follower.catch_up(connection) == 2
    assert follower.catch_up(connection) == 0
    assert_equals_recount(connection)


def test_who_needs_the_present_folds_it_or_waits_for_whoever_does(
    connection: Connection, module_database_url: str
) -> None:
    """Patience is bounded: with another process in the middle of a step it ends without."""
    start(connection)
    write_batch(connection, one_event(learner=1))
    with connect(module_database_url) as other:
        other.execute(follower.TRY_LOCK)
        assert not follower.reach_the_present(connection, 0.2)
    assert follower.reach_the_present(connection, 5.0)
    assert_equals_recount(connection)


def test_starting_over_gives_the_same(connection: Connection) -> None:
    """The whole log folded again says the same."""
    start(connection)
    write_batch(connection, one_event(learner=3))
    follower.catch_up(connection)
    before = rows(connection, KEPT_LEARNER_DAYS)
    follower.start_over(connection)
    follower.catch_up(connection)
    assert rows(connection, KEPT_LEARNER_DAYS) == before


def one_event(learner: int) -> Interactions:
    """One VIEW."""
    made = {name: getattr(Interactions.empty(), name) for name in Interactions.__dataclass_fields__}
    filled = {name: np.zeros(1, column.dtype) for name, column in made.items()}
    return Interactions(
        **{
            **filled,
            "learner": np.array([learner]),
            "at_ms": np.array([1_711_843_200_000 + learner * 3_600_000]),  # no row of an hour is shared
            "consent": np.array([3], np.int32),
            "dedupe_key": np.array([learner]),
        }
    )
