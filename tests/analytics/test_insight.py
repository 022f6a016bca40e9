"""Do groups of learners keep their ids, and does the daily job say who is at risk?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pytest

from models import segments
from projections import insight
from projections.stores.postgres import Connection, connect

LAST = dt.date(2026, 5, 31)
BUSY, IDLE = 30, 30


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """Learners who come every day, learners who came once three weeks ago, and one who does not agree."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute(
            "INSERT INTO learners (user_id, consent) SELECT 's-' || n, CASE WHEN n = 61 THEN 1 ELSE 3 END"
            " FROM generate_series(1, 61) AS n"
        )
        opened.execute(
            "INSERT INTO learner_day (learner_key, day, events, clicks, completions, completion_rates,"
            " completion_rate_sum, time_spent_seconds, score_sum, sessions, session_ms)"
            " SELECT n, %s::date - ago, 20 + n %% 3, 60, 2, 0, 0, 600, 6, 2, 1800000"
            " FROM generate_series(1, 30) AS n, generate_series(0, 27) AS ago"
            " UNION ALL SELECT n, %s::date - 21, 2, 3, 0, 0, 0, 10, .5, 1, 60000 + n FROM generate_series(31, 61) AS n",
            (LAST, LAST),
        )
        yield opened


def test_the_job_finds_groups_and_risks(connection: Connection) -> None:
    """Two groups with names of their own; those who stay away are at risk, with reasons; ids stay the next day."""
    for day in (LAST, LAST + dt.timedelta(days=1)):
        found = insight.look(connection, day)
        with connection.transaction():
            insight.write(connection, found, dt.datetime(2026, 6, 1, tzinfo=dt.UTC))
        groups = connection.execute("SELECT segment_id, name, learners FROM reporting.segments ORDER BY 1").fetchall()
        assert len({name for _, name, _ in groups}) == len(groups)
        rows = connection.execute(
            "SELECT learner_key, segment_id, risk, silent, reasons FROM learner_insight ORDER BY learner_key"
        ).fetchall()
        assert [row[0] for row in rows] == list(range(1, 61))
        assert {row[1] for row in rows[:BUSY]}.isdisjoint({row[1] for row in rows[BUSY:]})
        assert max(row[2] for row in rows[:BUSY]) < min(row[2] for row in rows[BUSY:])
        assert all(row[3] for row in rows[BUSY:])
        assert rows[-1][4][0].startswith("not seen for")
        if day == LAST:
            first = [row[1] for row in rows]
    assert [row[1] for row in rows] == first
    connection.execute("DELETE FROM segment")
    anew = insight.look(connection, LAST)
    assert set(anew.segments.tolist()).isdisjoint(first)  # numbers of groups that are gone are not given again
    listed = insight.learners_at_risk(connection, 100)
    assert {row[0] for row in listed} == {f"s-{n}" for n in range(31, 61)}
    bands = connection.execute("SELECT sum(learners) FROM reporting.at_risk").fetchone()
    assert bands == (60,)


def test_k_is_what_the_data_have() -> None:
    """Three clouds are three groups; a few learners are none."""
    rng = np.random.default_rng(0)
    clouds = np.concatenate([rng.normal(centre, 0.1, (40, 6)) for centre in (0.0, 3.0, 6.0)])
    found = segments.cluster(clouds)
    assert len(found.centroids) == 3
    assert found.silhouette > 0.8
    assert segments.cluster(clouds[:10]) is None


def test_ids_follow_their_groups_whatever_their_order() -> None:
    """A group that moved a little keeps its id; a new one continues none."""
    old = np.array([[0.0, 0.0], [5.0, 5.0]])
    new = np.array([[5.1, 5.0], [20.0, 20.0], [0.1, 0.0]])
    assert segments.stable_ids(new, old, np.array([3, 7]), np.ones(2)).tolist() == [7, 0, 3]
    assert segments.stable_ids(new, np.empty((0, 2)), np.empty(0, np.int64), np.ones(2)).tolist() == [0, 0, 0]
