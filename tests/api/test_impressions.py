"""Served lists are told to Kafka, and what comes of them is counted, joined by `recommendationId`."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from api_kit import Fold, interaction, running, until

from api import impressions as published
from api.dependencies import ApiSettings
from api.impressions import Impressions, Shown
from api.publisher import KafkaAwayError, Outgoing
from projections import erasure, impression_recount
from projections.reads import ready_list
from projections.stores.postgres import connect
from schemas.decode import decode_impression
from schemas.impressions import ImpressionServed


def _told(fold: Fold, name: str) -> list[dict[str, Any]]:
    records = [r for r in fold.records() if r.topic == "impressions"]
    return [value for r in records if (value := json.loads(r.value))["userId"] == name]


def _rows(settings: ApiSettings) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.database_url) as connection:
        return connection.execute(
            "SELECT list_type, arm, rank, servings, impressions, clicks, conversions, likes, dislikes"
            " FROM recommendation_outcome ORDER BY 1, 2, 3"
        ).fetchall()


def _catalogue(api: httpx.Client, name: str) -> list[str]:
    items = [f"i-{name}-{n}" for n in range(4)]
    api.post("/api/content", json=[{"contentId": one, "contentType": "video", "title": one} for one in items])
    return items


@pytest.fixture
def learner(api: httpx.Client, fold: Fold) -> str:
    """A learner with one interaction and a list."""
    name = f"u-{uuid.uuid4().hex[:12]}"
    items = _catalogue(api, name)
    api.post("/api/interactions", json=interaction(name, contentId=items[0]))
    fold()
    return name


def test_what_is_served_and_what_follows_is_counted(
    api: httpx.Client, settings: ApiSettings, fold: Fold, learner: str
) -> None:
    """One record a serving; a click and a completion, by recommendationId, are counted once, whatever is repeated."""
    served = api.get(f"/api/recommendations/{learner}", params={"limit": "3"}).json()
    again = api.get(f"/api/recommendations/{learner}", params={"limit": "3"}).json()
    assert [one["recommendationId"] for one in served] == [one["recommendationId"] for one in again]
    told = until(lambda: (found := _told(fold, learner)) and len(found) == 2 and found)
    assert told[0]["listId"] != told[1]["listId"]
    for record in told:
        assert [item["contentId"] for item in record["items"]] == [one["contentId"] for one in served]
        assert [item["rank"] for item in record["items"]] == [1, 2, 3]
        assert {item["arm"] for item in record["items"]} == {"hybrid"}
        assert {item["propensity"] for item in record["items"]} == {1.0}
    click = interaction(
        learner,
        contentId=served[1]["contentId"],
        interactionType="CLICK",
        recommendationId=served[1]["recommendationId"],
    )
    api.post("/api/interactions", json=[click, {**click, "eventId": f"{learner}-twice"}])
    done = {
        "contentId": served[2]["contentId"],
        "action": "completed",
        "recommendationId": served[2]["recommendationId"],
    }
    with fold.meanwhile():
        api.post(f"/api/recommendations/{learner}/feedback", json=done, headers={"prefer": "wait=10"})
    fold()
    assert _rows(settings) == [
        ("hybrid", "hybrid", 1, 2, 1, 0, 0, 0, 0),
        ("hybrid", "hybrid", 2, 2, 1, 1, 0, 0, 0),
        ("hybrid", "hybrid", 3, 2, 1, 1, 1, 0, 0),
    ]
    found = impression_recount.recount(settings.database_url)
    assert (found.lists, found.differences) == (1, 0)
    before = _rows(settings)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("UPDATE recommendation_outcome SET clicks = clicks + 7 WHERE rank = 1")
    assert impression_recount.recount(settings.database_url).differences == 1
    assert _rows(settings) == before


def test_a_stranger_is_told_of_and_not_kept(api: httpx.Client, settings: ApiSettings, fold: Fold) -> None:
    """A list that an unknown user was served makes no learner and no row."""
    name = f"stranger-{uuid.uuid4().hex}"
    assert api.get(f"/api/recommendations/{name}").status_code == 200
    (record,) = until(lambda: _told(fold, name))
    assert {item["arm"] for item in record["items"]} == {"popular"}
    fold()
    with psycopg.connect(settings.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM learners WHERE user_id = %s", (name,)).fetchone() == (0,)


def test_an_erased_learner_has_no_row(api: httpx.Client, settings: ApiSettings, fold: Fold, learner: str) -> None:
    """Erasing a learner deletes the rows of his lists; the sums, which name nobody, stay."""
    api.get(f"/api/recommendations/{learner}")
    until(lambda: _told(fold, learner))
    fold()
    query = "SELECT count(*) FROM impression WHERE learner_key = %s"
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        (key,) = connection.execute("SELECT learner_key FROM learners WHERE user_id = %s", (learner,)).fetchone() or (
            0,
        )
        assert connection.execute(query, (key,)).fetchone() == (1,)
        sums = _rows(settings)
        with connect(settings.database_url) as erasing:
            erasure.forget(erasing, key)
        assert connection.execute(query, (key,)).fetchone() == (0,)
        assert _rows(settings) == sums


class _Away:
    """A publisher whose Kafka is away until it comes back."""

    def __init__(self) -> None:
        self.away = True
        self.refused: set[int] = set()
        self.sent: list[Outgoing] = []

    async def publish_packed(self, _topic: str, records: dict[int, list[Outgoing]]) -> list[int]:
        if self.away:
            raise KafkaAwayError([])
        done = [partition for partition in records if partition not in self.refused]
        for partition in done:
            self.sent += records[partition]
        return done


ITEM = json.dumps({"title": "A", "contentId": 'a \u00e9 "b"', "recommendationId": "x-1"}).encode()


def _shown(user: str, **slot: Any) -> Shown:
    ready = msgspec.structs.replace(ready_list.pack([ITEM] * 6, generated_at_ms=0, as_of_ms=0), **slot)
    return Shown(user, "hybrid", "hybrid", ready, ready.body(6))


def _impressions(publisher: _Away, **how: Any) -> Impressions:
    return Impressions(publisher, lambda key: key[-1] % 2, **how)  # type: ignore[arg-type]


def test_lists_wait_for_kafka_in_a_bounded_buffer() -> None:
    """While Kafka is away lists wait, and those that find no room are counted; afterwards those that wait are sent."""

    async def run() -> None:
        publisher = _Away()
        impressions = _impressions(publisher, most_waiting=3)
        for user in range(5):
            impressions.note(_shown(f"u-{user}"), 1)
        assert impressions.dropped == 2
        await impressions.close()
        assert (impressions.published, impressions.waiting) == (0, 3)
        publisher.away, publisher.refused = False, {0}
        await impressions.close()
        assert (impressions.published, impressions.waiting) == (1, 2)
        publisher.refused = set()
        await impressions.close()
        assert (impressions.published, impressions.waiting) == (3, 0)
        assert sorted(record.key for record in publisher.sent) == [b"u-0", b"u-1", b"u-2"]

    asyncio.run(run())


def test_a_crash_loses_what_was_noted_since_the_last_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was noted leaves with the next flush; only what came after it is gone when the process is killed."""
    monkeypatch.setattr(published, "FLUSH_SECONDS", 0.001)

    async def run() -> list[Outgoing]:
        publisher = _Away()
        publisher.away = False
        impressions = _impressions(publisher)
        impressions.open()
        for serving in range(250):
            impressions.note(_shown("before"), serving)
        while impressions.waiting:
            await asyncio.sleep(0.001)
        impressions.note(_shown("after"), 250)
        return [*publisher.sent]  # here the process dies; the loop still ends its turn

    sent = asyncio.run(run())
    assert [msgspec.json.decode(record.value or b"")["servedAt"] for record in sent] == [*range(250)]
    assert {record.key for record in sent} == {b"before"}


def test_an_orderly_end_loses_nothing(settings: ApiSettings, fold: Fold) -> None:
    """Every list that was served stands in the topic when the server has ended."""
    name = f"last-{uuid.uuid4().hex[:8]}"
    with running(settings) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        for _ in range(40):
            assert client.get(f"/api/recommendations/{name}").status_code == 200
    told = _told(fold, name)
    assert len({record["listId"] for record in told}) == len(told) == 40


def test_a_record_is_what_its_schema_says() -> None:
    """Made of parts, it decodes to the message, whatever the ids hold, each time with an id and time of its own."""
    shown = _shown('u "\\ \u00e9')
    for served_ms in (1_790_000_000_000, 1_790_000_000_001):
        message = decode_impression(shown.record(f"list-{served_ms}", served_ms).value)
        assert isinstance(message, ImpressionServed)
        assert (message.list_id, message.user_id) == (f"list-{served_ms}", 'u "\\ \u00e9')
        assert (message.served_at, message.list_type, message.experiments) == (served_ms, "hybrid", {})
        assert [(item.content_id, item.recommendation_id) for item in message.items] == [('a \u00e9 "b"', "x-1")] * 6
        assert [item.rank for item in message.items] == [1, 2, 3, 4, 5, 6]
    ready = ready_list.pack([ITEM], generated_at_ms=0, as_of_ms=0)
    other = decode_impression(
        Shown("u", "trending", "popular", ready, ready.body(1), {"e": "a"}).record("x", 1_790_000_000_000).value
    )
    assert isinstance(other, ImpressionServed)
    assert (other.list_type, other.items[0].arm, other.experiments) == ("trending", "popular", {"e": "a"})


def test_the_explored_place_says_its_propensity() -> None:
    """Only the place that exploration decides about has a propensity below 1, and its own arm if it was explored."""
    for explored in (False, True):
        shown = _shown("u", slot_rank=5, explored=explored, propensity=0.25)
        message = decode_impression(shown.record("list", 1_790_000_000_000).value)
        assert isinstance(message, ImpressionServed)
        assert [item.propensity for item in message.items] == [1.0, 1.0, 1.0, 1.0, 0.25, 1.0]
        assert message.items[4].arm == ("exploration" if explored else "hybrid")
        assert {item.arm for place, item in enumerate(message.items) if place != 4} == {"hybrid"}
