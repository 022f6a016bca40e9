"""Do ready lists hold what may be shown, best first, explained, and never the wrong learner's or an older state?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import redis
from law_logs import interactions

from models.columns import CONSENT_ANALYTICS
from models.list_ranking import TERMS
from personalize.stack import Endpoints
from projections import content_snapshot, engagement, erasure, preferences, recommendation_lists, trending
from projections.projection import Effects
from projections.reads import ready_list
from projections.stores.postgres import Connection, connect
from projections.stores.redis import Mirror, RedisAddress, decode, recommendations_key
from schemas.lists import Recommendation

FOLDS = (engagement, preferences, trending)
# (content_id, title, topics, prerequisites, withdrawn); the last is a stub.
CONTENT: list[tuple[str, str | None, list[str], list[str], bool]] = [
    ("a1", "Linear equations", ["algebra"], [], False),
    ("a2", "Quadratic equations", ["algebra"], ["a1"], False),
    ("a3", "Cubic equations", ["algebra"], ["a1", "a2"], False),
    ("w1", "Essay writing", ["writing"], [], False),
    ("w2", "Poetry writing", ["writing"], ["gone"], False),
    ("w3", "Letter writing", ["writing"], ["unknown"], False),
    ("gone", "Novel writing", ["writing"], [], True),
    ("stub", None, [], [], False),
]
ITEM = {entry[0]: place for place, entry in enumerate(CONTENT, start=1)}
LIKE, VIEW, COMPLETE, DISLIKE = 5, 0, 3, 6


@pytest.fixture
def connection(module_database_url: str) -> Iterator[Connection]:
    """A database with the CONTENT and six learners, and nothing else."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute(
            "TRUNCATE learners, content, learner_private, recommendations, preference, trending, engagement, "
            "stream_offset RESTART IDENTITY CASCADE"
        )
        opened.execute("INSERT INTO learners (user_id) SELECT 'u-' || n FROM generate_series(1, 6) AS n")
        for place, (content_id, title, topics, prerequisites, withdrawn) in enumerate(CONTENT):
            opened.execute(
                "INSERT INTO content (content_id, content_type, title, topics, prerequisites, withdrawn, is_stub, "
                "version, catalogue_position) VALUES (%s, 'video', %s, %s, %s, %s, %s, %s, %s)",
                (content_id, title, topics, prerequisites, withdrawn, title is None, place + 1, place),
            )
        yield opened


@pytest.fixture
def mirror(stack: Endpoints, redis_client: redis.Redis) -> Iterator[Mirror]:
    """The worker's writer, on the tests' own Redis database."""
    address = RedisAddress(host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, database=9)
    opened = Mirror(address)
    yield opened
    opened.close()


def fold(connection: Connection, *events: tuple[int, str, int], seq: int = 1) -> None:
    """(learner, content, type) a minute apart, folded as the transaction ``seq``."""
    log = interactions([(who, ITEM[what], how, place, 0, 0) for place, (who, what, how) in enumerate(events)])
    with connection.transaction():
        for module in FOLDS:
            module.apply(connection, log, Effects(applied_seq=seq))


def write(connection: Connection, mirror: Mirror, *learners: int) -> None:
    """Rewrites the lists of some learners with a fresh snapshot."""
    recommendation_lists.write_lists(connection, learners, content_snapshot.refresh(connection), mirror)
    assert mirror.flush()


def stored(connection: Connection, learner: int, kind: str = "hybrid") -> list[Recommendation]:
    """A list as Postgres gives it."""
    asked = {"user_id": f"u-{learner}", "type": kind}
    rows = connection.execute(recommendation_lists.SELECT_LIST, asked).fetchall()
    return recommendation_lists.of_stored(kind, rows)


def shown(connection: Connection, learner: int, kind: str = "hybrid") -> list[str]:
    """The content ids of a list, best first."""
    return [item.content_id for item in stored(connection, learner, kind)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], {"a1", "w1", "w2", "stub"}),
        ([("a1", VIEW)], {"a1", "w1", "w2", "stub"}),
        ([("a1", COMPLETE)], {"a2", "w1", "w2", "stub"}),
        ([("a1", COMPLETE), ("a2", COMPLETE)], {"a3", "w1", "w2", "stub"}),
        ([("a2", COMPLETE)], {"a1", "w1", "w2", "stub"}),
        ([(one, COMPLETE) for one in ("a1", "a2", "a3", "w1", "w2", "stub")], set()),
    ],
)
@pytest.mark.parametrize("kind", recommendation_lists.KINDS)
def test_what_may_be_shown(
    connection: Connection, mirror: Mirror, kind: str, events: list[tuple[str, int]], expected: set[str]
) -> None:
    """Lists hold all but completed, withdrawn and blocked content; a withdrawn prerequisite blocks nobody, an
    unknown one everybody."""
    fold(connection, *[(1, what, how) for what, how in events])
    write(connection, mirror, 1)
    assert set(shown(connection, 1, kind)) == expected


def test_likes_lead_and_dislikes_push_back(connection: Connection, mirror: Mirror) -> None:
    """Who finished algebra gets algebra first, who liked writing gets writing, who disliked it gets it last."""
    fold(connection, (1, "a1", COMPLETE), (2, "w1", LIKE), (3, "a1", COMPLETE), (3, "w1", DISLIKE))
    write(connection, mirror, 1, 2, 3)
    assert shown(connection, 1, "content_based")[0] == "a2"
    assert set(shown(connection, 2, "content_based")[:2]) == {"w1", "w2"}
    assert set(shown(connection, 3, "content_based")[-2:]) == {"w1", "w2"}


def test_terms_add_up_and_name_the_reason(connection: Connection, mirror: Mirror) -> None:
    """The terms of an item sum to its score, and the sentence follows from the largest."""
    fold(connection, (1, "a1", COMPLETE), (1, "a1", LIKE), (1, "w1", VIEW), (2, "w1", VIEW))
    write(connection, mirror, 1)
    for kind in recommendation_lists.KINDS:
        for rank, item in enumerate(stored(connection, 1, kind), start=1):
            assert list(item.terms) == list(TERMS)
            assert item.relevance_score == pytest.approx(min(1.0, max(0.0, sum(item.terms.values()))), abs=1e-4)
            assert 0 < item.confidence_score < 1
            assert item.rank == rank
    by_id = {item.content_id: item for item in stored(connection, 1)}
    assert by_id["a2"].reason == "Close to “Linear equations”, which you used."
    assert by_id["w1"].reason == "You began it and have not finished it."
    assert by_id["stub"].title == "stub"
    assert {item.reason for item in stored(connection, 1, "trending")[:1]} == {"Popular with other learners right now."}


def test_cold_learners_get_what_is_popular_or_declared(connection: Connection, mirror: Mirror) -> None:
    """Without history: popular first, then the catalogue's order; with declared interests: those first."""
    fold(connection, (2, "stub", LIKE), (2, "w1", VIEW))
    connection.execute("INSERT INTO learner_private (learner_key, interests, version) VALUES (3, '{Algebra}', 7)")
    write(connection, mirror, 1, 3)
    for kind in recommendation_lists.KINDS:
        assert shown(connection, 1, kind) == ["stub", "w1", "a1", "w2"]
    assert shown(connection, 3, "content_based")[0] == "a1"
    reasons = {item.content_id: item.reason for item in stored(connection, 3)}
    assert reasons["a1"] == "Fits the interests in your profile."
    assert reasons["stub"] == "Popular with other learners right now."


def test_without_consent_lists_are_not_personal(connection: Connection, mirror: Mirror) -> None:
    """A learner who takes the consent back gets what is popular, still without what is completed."""
    fold(connection, (1, "a1", COMPLETE), (1, "w1", LIKE), (2, "stub", LIKE))
    connection.execute("UPDATE learners SET consent = %s WHERE learner_key = 1", (CONSENT_ANALYTICS,))
    connection.execute("INSERT INTO learner_private (learner_key, interests, version) VALUES (1, '{writing}', 1)")
    write(connection, mirror, 1)
    for item in stored(connection, 1):
        assert item.terms["history"] == item.terms["interests"] == item.terms["dislikes"] == 0
    assert "a1" not in shown(connection, 1)


def test_redis_holds_the_beginning_of_the_stored_list(
    connection: Connection, mirror: Mirror, redis_client: redis.Redis
) -> None:
    """The ready list in Redis is byte for byte what Postgres gives, under the version that it reflects."""
    connection.execute(
        "INSERT INTO content (content_id, content_type, title, version, is_stub) "
        "SELECT 'n' || n, 'quiz', 'Number ' || n, 100 + n, false FROM generate_series(1, 150) AS n"
    )
    fold(connection, (1, "a1", COMPLETE), (2, "w1", LIKE), seq=41)
    write(connection, mirror, 1, 2)
    for learner in (1, 2):
        found = decode(redis_client.get(recommendations_key(learner, "hybrid")))
        assert found is not None
        ready = ready_list.decode(found.payload)
        whole = stored(connection, learner)
        assert (found.version, ready.complete, len(ready.ends), len(whole)) == (41, False, ready_list.MOST_ITEMS, 100)
        assert ready.body(20) == msgspec.json.encode(whole[:20])
        assert decode(redis_client.get(recommendations_key(learner, "trending"))) is None


def test_an_older_list_never_replaces_a_newer_one(connection: Connection, mirror: Mirror) -> None:
    """A list that reflects an earlier transaction than the stored one is not written."""
    fold(connection, (1, "a1", COMPLETE), seq=9)
    write(connection, mirror, 1)
    connection.execute("UPDATE recommendations SET applied_seq = 10, item_keys = '{1}'")
    write(connection, mirror, 1)
    assert connection.execute("SELECT DISTINCT item_keys FROM recommendations").fetchall() == [([1],)]
    fold(connection, (1, "a1", VIEW), seq=11)
    write(connection, mirror, 1)
    assert connection.execute("SELECT DISTINCT applied_seq FROM recommendations").fetchall() == [(11,)]


def test_a_crash_before_the_last_flush_leaves_no_older_list_in_redis(
    connection: Connection, mirror: Mirror, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit and the flush Redis holds nothing for the learner, so that readers go to Postgres."""
    fold(connection, (1, "a1", VIEW), seq=3)
    write(connection, mirror, 1)
    fold(connection, (1, "w1", LIKE), seq=4)

    def die(*_arguments: object) -> None:
        raise SystemExit

    monkeypatch.setattr(recommendation_lists, "_mirror", die)  # the first thing behind the commit
    with pytest.raises(SystemExit):
        recommendation_lists.write_lists(connection, [1], content_snapshot.refresh(connection), mirror)
    assert decode(redis_client.get(recommendations_key(1, "hybrid"))) is None
    assert recommendation_lists.stale_learners(connection) == []


def test_stale_learners_are_those_whose_lists_lag(connection: Connection, mirror: Mirror) -> None:
    """Missing lists and lists behind the last fold or the declared profile are found, the newest change first."""
    assert recommendation_lists.stale_learners(connection) == []
    fold(connection, (1, "a1", VIEW), (2, "a1", VIEW), (3, "a1", VIEW), seq=5)
    connection.execute("INSERT INTO learner_private (learner_key, version) VALUES (4, 6)")
    assert set(recommendation_lists.stale_learners(connection)) == {1, 2, 3, 4}
    write(connection, mirror, 1, 2, 3, 4)
    assert recommendation_lists.stale_learners(connection) == []
    fold(connection, (2, "a1", VIEW), seq=8)
    connection.execute("UPDATE learner_private SET version = 9")
    connection.execute("DELETE FROM recommendations WHERE learner_key = 1 AND type = 'trending'")
    assert recommendation_lists.stale_learners(connection) == [4, 2, 1]


def test_an_erased_learner_gets_no_list_again(
    connection: Connection, mirror: Mirror, redis_client: redis.Redis
) -> None:
    """A tick that still names an erased learner writes no row, and Redis holds only the tombstone."""
    fold(connection, (1, "a1", VIEW), (2, "a1", VIEW))
    write(connection, mirror, 1, 2)
    with connection.transaction():
        erasure.forget(connection, 1)
    write(connection, mirror, 1, 2)
    recommendation_lists.forget_mirrored(mirror, [1])
    assert mirror.flush()
    assert connection.execute("SELECT DISTINCT learner_key FROM recommendations").fetchall() == [(2,)]
    assert decode(redis_client.get(recommendations_key(1, "hybrid"))) is None
    mirror.put(recommendations_key(1, "hybrid"), 1_000_000, b"a late writer")
    assert mirror.flush()
    assert decode(redis_client.get(recommendations_key(1, "hybrid"))) is None


def test_a_list_that_is_written_during_an_erasure_goes_with_the_learner(connection: Connection) -> None:
    """A row that slips in after the erasure has passed the table is gone when the learner is."""
    with connection.transaction():
        for statement in recommendation_lists.FORGET:
            connection.execute(statement, {"learner_key": 5})
        connection.execute(
            "INSERT INTO recommendations VALUES (5, 'hybrid', '{}', '{}', '{}', '{}', 0, now(), now(), 1)"
        )
        connection.execute("DELETE FROM learners WHERE learner_key = 5")
    assert connection.execute("SELECT count(*) FROM recommendations").fetchone() == (0,)


def test_withdrawn_after_writing_is_left_out_when_read(connection: Connection, mirror: Mirror) -> None:
    """A stored list does not show what the catalogue has withdrawn since, and its ranks close up."""
    fold(connection, (1, "a1", LIKE))
    write(connection, mirror, 1)
    connection.execute("UPDATE content SET withdrawn = true WHERE content_id = 'a1'")
    left = stored(connection, 1)
    assert [item.content_id for item in left] == ["w1", "w2", "stub"]
    assert [item.rank for item in left] == [1, 2, 3]


def test_the_snapshot_follows_the_catalogue(connection: Connection) -> None:
    """An unchanged catalogue is not read again; stubs are added, changes read anew; busy changes are rationed."""
    first = content_snapshot.refresh(connection)
    assert content_snapshot.refresh(connection, first) is first
    idle = {"loaded_at": first.loaded_at - 3600}
    connection.execute("INSERT INTO content (content_id, content_type) VALUES ('new', 'video')")
    stubbed = content_snapshot.refresh(connection, _changed(first, **idle))
    assert (stubbed.content_id[-1], len(stubbed), stubbed.vectors.shape[0]) == ("new", 9, 9)
    assert stubbed.text is first.text
    connection.execute("UPDATE content SET title = 'Sets', is_stub = false, version = 99 WHERE content_id = 'new'")
    busy = _changed(stubbed, load_seconds=1000.0)
    assert content_snapshot.refresh(connection, busy) is busy
    renewed = content_snapshot.refresh(connection, _changed(stubbed, **idle))
    assert (renewed.title[-1], renewed.version) == ("Sets", 99)
    assert "sets" in renewed.text.vocabulary


def test_a_large_catalogue_is_compared_without_a_square_matrix(
    connection: Connection, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit for the dense matrix, lists are the same."""
    fold(connection, (1, "a1", COMPLETE), (2, "w1", LIKE))
    write(connection, mirror, 1, 2)
    expected = shown(connection, 1), shown(connection, 2)
    monkeypatch.setattr(content_snapshot, "DENSE_ITEMS", 0)
    assert content_snapshot.refresh(connection).similar is None
    write(connection, mirror, 1, 2)
    assert (shown(connection, 1), shown(connection, 2)) == expected


def test_an_empty_catalogue_writes_nothing(connection: Connection, mirror: Mirror) -> None:
    """Before there is any content, the tick is a no-op."""
    connection.execute("TRUNCATE content CASCADE")
    write(connection, mirror, 1)
    assert connection.execute("SELECT count(*) FROM recommendations").fetchone() == (0,)


def test_many_learners_are_written_in_chunks(
    connection: Connection, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lists of learners in several chunks are those that each would get alone."""
    fold(connection, *[(1 + n % 6, sorted(ITEM)[n % 8], n % 6) for n in range(40)])
    write(connection, mirror, 1, 2, 3, 4, 5, 6)
    together = [shown(connection, learner) for learner in range(1, 7)]
    monkeypatch.setattr(recommendation_lists, "LEARNERS_AT_ONCE", 2)
    write(connection, mirror, 6, 5, 4, 3, 2, 1, 4)
    assert [shown(connection, learner) for learner in range(1, 7)] == together
    assert all(np.array(together, object))


def _changed(snapshot: content_snapshot.Catalogue, **fields: Any) -> content_snapshot.Catalogue:
    from dataclasses import replace

    return replace(snapshot, **fields)
