"""Reads: what was folded, how new it is, and waiting for a write that the reader knows of."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import psycopg
import pytest
import redis
from api_kit import SECRET, Fold, interaction

from api.dependencies import ApiSettings
from api.tokens import Tokens
from projections.stores.redis import recommendations_key
from schemas.partitioning import partition_of

TOKENS = Tokens(SECRET)
FRESHNESS = ("x-as-of", "x-data-age-ms", "x-position", "x-consistency-token")
# A fixed name: it stands in the names of tests, and parallel processes must agree on those.
LEARNER = "reader-of-reads"


@pytest.fixture(scope="module", autouse=True)
def history(api: httpx.Client, fold: Fold) -> None:
    """A catalogue of twelve contents and one learner who used three of them."""
    catalogue = [
        {
            "contentId": f"c-{n}",
            "contentType": "quiz" if n % 2 else "video",
            "title": f"Part {n} of {'algebra' if n < 6 else 'poetry'}",
            "topics": ["algebra" if n < 6 else "poetry"],
            "durationSeconds": 600,
        }
        for n in range(12)
    ]
    assert api.post("/api/content", json=catalogue).json()["accepted"] == 12
    fold()
    now = dt.datetime.now(dt.UTC)
    events = [
        interaction(LEARNER, contentId="c-0", interactionType="COMPLETE", timeSpent=300, occurredAt=_at(now, 26)),
        interaction(LEARNER, contentId="c-2", interactionType="LIKE", occurredAt=_at(now, 2)),
        interaction(LEARNER, contentId="c-4", interactionType="VIEW", contentType="quiz", occurredAt=_at(now, 1)),
    ]
    assert api.post("/api/interactions", json=events).json()["accepted"] == 3
    fold()


def _at(now: dt.datetime, hours: int) -> str:
    return (now - dt.timedelta(hours=hours)).isoformat()


@pytest.fixture
def keys(settings: ApiSettings) -> Iterator[redis.Redis]:
    """A client of the Redis database that the API reads."""
    address = settings.redis
    assert address is not None
    with redis.Redis(host=address.host, port=address.port, password=address.password, db=address.database) as client:
        yield client


def key_of(settings: ApiSettings, name: str, kind: str = "hybrid") -> bytes:
    """Where a learner's list lies in Redis."""
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute("SELECT learner_key FROM learners WHERE user_id = %s", (name,)).fetchone()
    assert row is not None
    return recommendations_key(row[0], kind)


def test_a_profile(api: httpx.Client) -> None:
    """The profile shows engagement with its terms, sessions, streak, preferences and the newest interactions."""
    response = api.get(f"/api/profile/{LEARNER}")
    profile = response.json()
    assert profile["engagement"]["interactions"] == 3
    assert profile["engagement"]["score"] == pytest.approx(sum(profile["engagement"]["terms"].values()))
    assert 0 < profile["engagement"]["score"] < 100
    assert profile["sessions"]["count"] == 3
    assert profile["behaviour"]["types"] == {"VIEW": 1, "COMPLETE": 1, "LIKE": 1}
    assert sum(profile["behaviour"]["localHours"]) == 3
    assert (profile["behaviour"]["started"], profile["behaviour"]["completed"]) == (3, 1)
    assert profile["behaviour"]["pace"] == pytest.approx(0.5)
    assert profile["streak"]["activeDays"] in {2, 3}
    assert profile["preferences"][0]["topic"] == "algebra"
    assert [entry["contentId"] for entry in profile["recentInteractions"]] == ["c-4", "c-2", "c-0"]
    assert profile["recentInteractions"][0]["contentType"] == "quiz"
    assert profile["recentInteractions"][0]["title"] == "Part 4 of algebra"
    assert profile["freshness"]["position"] > 0
    assert profile["freshness"]["stale"] is False


@pytest.mark.parametrize(
    "path", [f"/api/profile/{LEARNER}", f"/api/achievements/{LEARNER}", "/api/trending", "/api/content/c-1"]
)
def test_every_read_says_how_new_it_is(api: httpx.Client, path: str) -> None:
    """Event time, age and position stand in headers, and a token with which a later read sees at least as much."""
    response = api.get(path)
    assert all(name in response.headers for name in FRESHNESS)
    assert "x-stale" not in response.headers
    part = partition_of(LEARNER.encode(), 8)
    assert f"interactions/{part}@" in response.headers["x-position"]
    assert TOKENS.read(response.headers["x-consistency-token"])[("interactions", part)] > 0
    as_of = dt.datetime.fromisoformat(response.headers["x-as-of"])
    assert dt.timedelta() < dt.datetime.now(dt.UTC) - as_of
    assert int(response.headers["x-data-age-ms"]) >= 0


def test_recommendations(api: httpx.Client) -> None:
    """A list is a bare array, ranked, without what the learner has completed, of the type that was asked for."""
    response = api.get(f"/api/recommendations/{LEARNER}?limit=5")
    items = response.json()
    assert [item["rank"] for item in items] == [1, 2, 3, 4, 5]
    assert "c-0" not in {item["contentId"] for item in items}
    assert {item["type"] for item in items} == {"hybrid"}
    assert all(name in response.headers for name in FRESHNESS)
    assert response.headers["x-position"].startswith("applied@")
    by_content = api.get(f"/api/recommendations/{LEARNER}?type=content_based&limit=3").json()
    assert {item["type"] for item in by_content} == {"content_based"}
    popular = api.get(f"/api/recommendations/{LEARNER}?type=trending").json()
    assert {item["type"] for item in popular} == {"trending"}
    assert "c-0" not in {item["contentId"] for item in popular}


def test_redis_and_postgres_give_the_same_list(api: httpx.Client, settings: ApiSettings, keys: redis.Redis) -> None:
    """A list is served alike from Redis and from Postgres, which refills Redis; a longer one comes from Postgres."""
    path = f"/api/recommendations/{LEARNER}?limit=7"
    past_the_process = {"cache-control": "no-cache"}  # what lies ready in it would answer instead
    key = key_of(settings, LEARNER)
    assert keys.exists(key)
    mirrored = api.get(path, headers=past_the_process)
    keys.delete(key)
    stored = api.get(path, headers=past_the_process)
    assert stored.json() == mirrored.json()
    assert stored.headers["x-consistency-token"] == mirrored.headers["x-consistency-token"]
    assert keys.exists(key)
    assert api.get(path, headers=past_the_process).content == stored.content
    everything = api.get(f"/api/recommendations/{LEARNER}?limit=100").json()
    assert len(everything) == 11
    assert everything[:7] == stored.json()


def test_garbage_in_redis_is_passed_over(api: httpx.Client, settings: ApiSettings, keys: redis.Redis) -> None:
    """A value that this program did not write is not served."""
    path = f"/api/recommendations/{LEARNER}?limit=2"
    expected = api.get(path).json()
    for garbage in (b"x", b"0000000000000001", b"000000000000000fgarbage", b"f" * 16 + b"\x94", b"\xff" * 40):
        keys.set(key_of(settings, LEARNER), garbage)
        assert api.get(path).json() == expected


@pytest.mark.parametrize("query", ["", "?type=trending", "?type=content_based"])
def test_an_unknown_learner_gets_what_is_popular(api: httpx.Client, query: str) -> None:
    """A cold start is answered by the popular contents, those that nobody used last; never 404, never empty."""
    response = api.get(f"/api/recommendations/nobody{uuid.uuid4().hex}{query}")
    items = response.json()
    assert response.status_code == 200
    assert len(items) == 10
    assert {item["type"] for item in items} == {"trending"}
    assert {item["contentId"] for item in items[:3]} == {"c-0", "c-2", "c-4"}
    assert items[0]["relevanceScore"] == 1.0
    assert items[-1]["reason"] == "Next in the catalogue."
    assert "x-as-of" in response.headers


def test_a_learner_without_a_list_gets_what_is_popular_and_new(api: httpx.Client, fold: Fold) -> None:
    """Until the first list is written a known learner gets the popular contents without the completed ones."""
    name = f"new-{uuid.uuid4().hex[:8]}"
    done = interaction(name, contentId="c-2", interactionType="COMPLETE")
    token = api.post("/api/interactions", json=done).json()["token"]
    fold(lists=False)
    items = api.get(f"/api/recommendations/{name}", headers={"prefer": "wait=0"}).json()
    assert "c-2" not in {item["contentId"] for item in items}
    assert len(items) == 10
    stale = api.get(f"/api/recommendations/{name}", headers={"x-consistency-token": token, "prefer": "wait=0"})
    assert stale.headers["x-stale"] == "true"


def test_trending(api: httpx.Client) -> None:
    """Trending ranks by window, and within a content type or topic."""
    everything = api.get("/api/trending?window=7d").json()
    assert {entry["contentId"] for entry in everything} >= {"c-0", "c-2", "c-4"}
    assert [entry["rank"] for entry in everything] == list(range(1, len(everything) + 1))
    scores = [entry["score"] for entry in everything]
    assert scores == sorted(scores, reverse=True)
    assert {entry["halfLifeSeconds"] for entry in everything} == {7 * 86_400}
    assert api.get("/api/trending").json()[0]["halfLifeSeconds"] == 86_400
    assert api.get("/api/trending?contentType=podcast").json() == []
    assert {entry["contentType"] for entry in api.get("/api/trending?contentType=video").json()} == {"video"}
    assert api.get("/api/trending?topic=poetry").json() == []
    assert len(api.get("/api/trending?topic=algebra&limit=2").json()) == 2


def test_achievements(api: httpx.Client) -> None:
    """Unlocked tiers and the next of each rule are shown with how far the learner is."""
    body = api.get(f"/api/achievements/{LEARNER}").json()
    assert body["userId"] == LEARNER
    assert body["unlocked"]
    assert all(entry["unlockedAt"] and entry["claimedAt"] is None for entry in body["unlocked"])
    assert all(entry["progress"] < entry["target"] for entry in body["next"])
    nearness = [entry["progress"] / entry["target"] for entry in body["next"]]
    assert nearness == sorted(nearness, reverse=True)


def test_a_token_is_waited_for(api: httpx.Client, fold: Fold) -> None:
    """A read with a write's token sees that write: profile and lists wait until it has been folded."""
    name = f"waiter-{uuid.uuid4().hex[:8]}"
    for number in range(1, 3):
        token = api.post("/api/interactions", json=interaction(name, contentId=f"c-{number}")).json()["token"]
        with fold.meanwhile():
            listed = api.get(
                f"/api/recommendations/{name}", headers={"x-consistency-token": token, "prefer": "wait=10"}
            )
            profile = api.get(f"/api/profile/{name}?token={token}", headers={"prefer": "wait=10"})
        assert "x-stale" not in listed.headers
        assert {item["type"] for item in listed.json()} == {"hybrid"}
        assert profile.json()["engagement"]["interactions"] == number
        assert TOKENS.read(listed.headers["x-consistency-token"]).items() >= TOKENS.read(token).items()


def test_a_token_that_is_not_reached_makes_the_answer_stale(api: httpx.Client) -> None:
    """When the wait ends too early the newest there is comes with X-Stale, and the token stays with the reader."""
    part = partition_of(LEARNER.encode(), 8)
    future = TOKENS.make({("interactions", part): 1 << 40})
    headers = {"x-consistency-token": future, "prefer": "wait=0"}
    for path in (f"/api/profile/{LEARNER}", f"/api/achievements/{LEARNER}", "/api/trending"):
        response = api.get(path, headers=headers)
        assert response.status_code == 200
        assert response.headers["x-stale"] == "true"
        assert TOKENS.read(response.headers["x-consistency-token"])[("interactions", part)] == 1 << 40
        if isinstance(response.json(), dict):
            assert response.json()["freshness"]["stale"] is True
    assert api.get(f"/api/recommendations/{LEARNER}", headers=headers).headers["x-stale"] == "true"


def test_other_partitions_are_not_waited_for(api: httpx.Client) -> None:
    """A learner's read waits only for what concerns the learner: a token of another partition holds nobody up."""
    other = (partition_of(LEARNER.encode(), 8) + 1) % 8
    token = TOKENS.make({("interactions", other): 1 << 40, ("somewhere", 0): 5})
    began = time.monotonic()
    response = api.get(f"/api/profile/{LEARNER}", headers={"x-consistency-token": token, "prefer": "wait=10"})
    assert "x-stale" not in response.headers
    assert time.monotonic() - began < 9


def test_an_id_with_every_kind_of_character(api: httpx.Client, fold: Fold) -> None:
    """Ids are opaque: slashes, dots, percent signs, spaces and emoji work in every path."""
    name = "a/b\\c ?#%2F&=+.. ü漢🙂\n" + uuid.uuid4().hex[:6]
    assert api.post("/api/interactions", json=interaction(name)).status_code == 202
    fold()
    path = quote(name, safe="")
    assert api.get(f"/api/profile/{path}").json()["userId"] == name
    assert api.get(f"/api/achievements/{path}").json()["userId"] == name
    assert {item["type"] for item in api.get(f"/api/recommendations/{path}").json()} == {"hybrid"}
