"""Do the tables of preferences, popularity, hours and active dates hold what the pure folds say?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import redis
from hypothesis import given, settings
from law_logs import LEARNERS, batched_logs, interactions

from models import active_dates, activity, preferences
from models import trending as trending_fold
from models.columns import Interactions
from models.decay import HOUR_MS
from personalize.stack import Endpoints
from projections import active_dates as dates_table
from projections import hourly_activity, trending
from projections import preferences as preference_table
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection, connect
from projections.stores.redis import Mirror, RedisAddress

EXAMPLES = settings(max_examples=200, deadline=None)
Logs = tuple[Interactions, list[Interactions]]


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """The database that the tests of this module share, with an identity for every learner and item of the logs."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute("INSERT INTO learners (user_id) SELECT 'u-' || n FROM generate_series(1, %s) AS n", (LEARNERS,))
        yield opened


def fold_into(connection: Connection, projection: Projection, batches: list[Interactions]) -> list[Effects]:
    """Empties the projection's tables and applies the batches; what each hands on."""
    for table in projection.tables:
        connection.execute(f"TRUNCATE {table}")
    handed = []
    for seq, batch in enumerate(batches, start=1):
        with connection.transaction():
            handed.append(Effects(applied_seq=seq))
            projection.apply(connection, batch, handed[-1])
    return handed


def rows(connection: Connection, query: str) -> list[np.ndarray]:
    """The columns of a query's rows."""
    found = connection.execute(query).fetchall()
    return [np.array(column) for column in zip(*found, strict=True)] if found else []


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_preference_rows_are_the_fold(connection: Connection, logs: Logs) -> None:
    """After any batches each row holds the sums and counts of the whole log."""
    fold_into(connection, preference_table.PROJECTION, logs[1])
    state = preferences.of(logs[0])
    kept = rows(
        connection,
        "SELECT learner_key, item_key, log_positive, log_negative, events, completions, "
        "(date_part('epoch', last_at) * 1000)::bigint FROM preference ORDER BY 1, 2",
    )
    for name, column in zip(preferences.Preferences._fields, kept, strict=False):
        np.testing.assert_allclose(column, getattr(state, name), rtol=0, atol=1e-9, err_msg=name)
    assert len(kept) == (7 if len(state.learner) else 0)


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_trending_rows_are_the_fold(connection: Connection, logs: Logs) -> None:
    """After any batches each row holds the sums of the whole log, and so do the values handed to Redis."""
    handed = fold_into(connection, trending.PROJECTION, logs[1])
    state = trending_fold.of(logs[0])
    kept = rows(connection, "SELECT log_1h, log_24h, log_7d, events FROM trending ORDER BY item_key")
    if len(state.item):
        np.testing.assert_allclose(np.array(kept[:3]), state.log_sums, rtol=0, atol=1e-9)
        assert kept[3].tolist() == state.events.tolist()
    mirrored = {row[0]: row[1:] for effects in handed for row in effects.mirror.get("trending", [])}
    for item, *sums in connection.execute(trending.SELECT_RANKS).fetchall():
        assert list(mirrored[item]) == sums


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_hourly_rows_are_the_fold(connection: Connection, logs: Logs) -> None:
    """After any batches each row holds the sums of the whole log."""
    fold_into(connection, hourly_activity.PROJECTION, logs[1])
    state = activity.of(logs[0])
    kept = rows(
        connection,
        f"SELECT (date_part('epoch', hour) * 1000)::bigint / {HOUR_MS}, content_type_key, interaction_type, events, "
        "clicks, completions, time_spent_seconds, score_sum FROM hourly_activity ORDER BY 1, 2, 3",
    )
    for name, column in zip(activity.HourlyActivity._fields, kept, strict=False):
        np.testing.assert_allclose(column, getattr(state, name), rtol=1e-9, err_msg=name)
    assert len(kept) == (8 if len(state.hour) else 0)


@EXAMPLES
@given(logs=batched_logs(25))
def test_the_active_dates_are_the_fold(connection: Connection, logs: Logs) -> None:
    """The multirange of a learner holds the maximal runs of the pure set."""
    fold_into(connection, dates_table.PROJECTION, logs[1])
    kept = connection.execute(
        "SELECT learner_key, lower(run), upper(run) - 1 FROM active_dates, unnest(days) AS run ORDER BY 1, 2"
    ).fetchall()
    assert kept == list(zip(*(column.tolist() for column in active_dates.of(logs[0])), strict=True))


def test_a_known_day_writes_nothing(connection: Connection) -> None:
    """The second batch of a day leaves the learner's row, and its version, as they were."""
    log = interactions([(1, 1, 0, 120, 0, 0), (1, 2, 0, 180, 0, 0), (2, 1, 0, 200, 0, 0), (1, 1, 0, 1560, 0, 0)])
    fold_into(connection, dates_table.PROJECTION, [log.take(slice(n, n + 1)) for n in range(4)])
    versions = connection.execute("SELECT learner_key, applied_seq FROM active_dates ORDER BY 1").fetchall()
    assert versions == [(1, 4), (2, 3)]
    fold_into(connection, dates_table.PROJECTION, [log.take(slice(n, n + 1)) for n in range(3)])
    versions = connection.execute("SELECT learner_key, applied_seq FROM active_dates ORDER BY 1").fetchall()
    assert versions == [(1, 1), (2, 3)]


@pytest.fixture
def catalogue(connection: Connection) -> Iterator[None]:
    """Five items of two content types, one of them withdrawn."""
    with connection.transaction(force_rollback=True):
        connection.execute("TRUNCATE content RESTART IDENTITY CASCADE")
        connection.execute(
            "INSERT INTO content (content_id, content_type, title, topics, withdrawn) VALUES "
            "('c1', 'video', 'One', '{algebra}', false), ('c2', 'quiz', 'Two', '{algebra,graphs}', false), "
            "('c3', 'video', 'Three', '{graphs}', true), ('c4', 'video', NULL, '{}', false), "
            "('c5', 'quiz', 'Five', '{graphs}', false)"
        )
        yield


@pytest.mark.parametrize(
    ("window", "content_type", "topic", "expected"),
    [
        ("24h", None, None, ["c2", "c1", "c4"]),
        ("7d", None, None, ["c1", "c2", "c4"]),
        ("1h", None, None, ["c2", "c4", "c1"]),
        ("24h", "video", None, ["c1", "c4"]),
        ("24h", None, "algebra", ["c2", "c1"]),
        ("24h", "quiz", "graphs", ["c2"]),
        ("24h", "audio", None, []),
    ],
)
@pytest.mark.usefixtures("catalogue")
def test_the_most_popular(
    connection: Connection, window: str, content_type: str | None, topic: str | None, expected: list[str]
) -> None:
    """Ranks by window, content type and topic, without withdrawn content and without what was only disliked."""
    log = interactions(
        [(1, 1, 5, minute, 0, 0) for minute in range(4)]  # four likes, two days old
        + [(2, 2, 5, 2880, 0, 0), (3, 2, 5, 2881, 0, 0), (3, 3, 5, 2880, 0, 0)]
        + [(4, 4, 0, 2881, 0, 0), (4, 5, 6, 2881, 0, 0)]  # one look, one dislike
    )
    fold_into(connection, trending.PROJECTION, [log])
    asked = {"window": window, "content_type": content_type, "topic": topic, "limit": 10}
    found = [row[0] for row in connection.execute(trending.SELECT_TOP, asked).fetchall()]
    assert found == expected
    assert [row[0] for row in connection.execute(trending.SELECT_TOP, asked | {"limit": 1}).fetchall()] == expected[:1]


def test_the_sorted_sets_do_not_depend_on_order_or_repetition(
    connection: Connection, redis_client: redis.Redis, stack: Endpoints
) -> None:
    """Absolute values that come twice, late or in reverse leave the newest sums, best first."""
    log = interactions([(1, 1 + n % 4, n % 11, n * 37, 0, 0) for n in range(60)])
    handed = fold_into(connection, trending.PROJECTION, [log.take(slice(n, n + 6)) for n in range(0, 60, 6)])
    address = RedisAddress(host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, database=9)
    mirror = Mirror(address)
    for effects in [*reversed(handed), *handed[:3]]:
        trending.mirror(mirror, effects.mirror["trending"])
        assert mirror.flush()
    mirror.close()
    for place, window in enumerate(trending_fold.WINDOWS, start=1):
        expected = {row[0]: row[place] for row in connection.execute(trending.SELECT_RANKS).fetchall()}
        found = redis_client.zrange(trending.redis_key(window), 0, -1, desc=True, withscores=True)
        assert {int(item): score for item, score in found} == {k: v for k, v in expected.items() if np.isfinite(v)}


def test_the_sorted_sets_are_bounded(redis_client: redis.Redis, stack: Endpoints) -> None:
    """Of more items than are kept, the most popular stay."""
    address = RedisAddress(host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, database=9)
    mirror = Mirror(address)
    trending.mirror(mirror, [(item, float(item), 1.0, -np.inf) for item in range(trending.MIRRORED_ITEMS + 50)])
    assert mirror.flush()
    mirror.close()
    assert redis_client.zcard(trending.redis_key("1h")) == trending.MIRRORED_ITEMS
    assert redis_client.zrange(trending.redis_key("1h"), 0, 0) == [b"50"]
    assert redis_client.zcard(trending.redis_key("7d")) == 0
