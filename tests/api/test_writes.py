"""Writes: checked item by item, published once with their ids, and answered by what the worker made of them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest
from api_kit import Fold, interaction, lines, problem_of

from schemas.decode import decode_interaction
from schemas.interactions import Interaction
from schemas.partitioning import partition_of

NDJSON = {"content-type": "application/x-ndjson"}


def user() -> str:
    """An id that no other test has."""
    return f"u-{uuid.uuid4().hex[:12]}"


def records_of(fold: Fold, name: str) -> list[Any]:
    """The records that stand in the log for a learner, in order."""
    return [record for record in fold.records() if record.key == name.encode()]


def test_one_interaction(api: httpx.Client, fold: Fold) -> None:
    """An interaction is published as it was sent, with an eventId, under its learner's key and partition."""
    name = user()
    sent = interaction(name, somethingNew={"kept": True}, eventId=None)
    response = api.post("/api/interactions", json=sent, headers={"x-request-id": "req-7", "traceparent": "0" * 55})
    assert response.status_code == 202
    receipt = response.json()
    assert (receipt["accepted"], receipt["rejected"], receipt["duplicates"]) == (1, [], 0)
    assert receipt["token"] == response.headers["x-consistency-token"]
    [record] = records_of(fold, name)
    assert record.partition == partition_of(name.encode(), 8)
    assert ("request-id", b"req-7") in record.headers
    assert ("traceparent", b"0" * 55) in record.headers
    published = decode_interaction(record.value)
    assert isinstance(published, Interaction)
    assert published.event_id == receipt["eventIds"][0]
    assert uuid.UUID(published.event_id).version == 7
    assert json.loads(record.value)["somethingNew"] == {"kept": True}


def test_an_array_with_bad_items(api: httpx.Client, fold: Fold) -> None:
    """Good items are published in order, bad ones are named by their place, pointer and reason."""
    name = user()
    body = [
        interaction(name, eventId="e-0"),
        interaction(name, rating=9),
        {"userId": name},
        "text",
        interaction(name, eventId="e-4"),
    ]
    receipt = api.post("/api/interactions", json=body).json()
    assert receipt["accepted"] == 2
    assert receipt["eventIds"] == ["e-0", "e-4"]
    assert [(r["index"], r["pointer"], r["reasonCode"]) for r in receipt["rejected"]] == [
        (1, "/rating", "out-of-range"),
        (2, "/interactionType", "missing-field"),
        (3, "", "wrong-type"),
    ]
    assert [json.loads(record.value)["eventId"] for record in records_of(fold, name)] == ["e-0", "e-4"]


def test_lines_with_bad_ones(api: httpx.Client, fold: Fold) -> None:
    """In NDJSON a bad line is named by its number; blank lines are passed over, an overlong one is refused alone."""
    name = user()
    long = json.dumps(interaction(name, context={"x": "y" * 65_536})).encode()
    body = lines(interaction(name, eventId="e-1"), b"", b"{broken", long, b"\xff", interaction(name, eventId="e-6"))
    response = api.post("/api/interactions", content=body + b"\r\n", headers=NDJSON)
    assert response.status_code == 202
    receipt = response.json()
    assert receipt["eventIds"] == ["e-1", "e-6"]
    assert [(r["line"], r["reasonCode"]) for r in receipt["rejected"]] == [
        (3, "not-json"),
        (4, "too-large"),
        (5, "not-json"),
    ]
    assert len(records_of(fold, name)) == 2


def test_a_repeated_event_id_counts_once(api: httpx.Client, fold: Fold) -> None:
    """Within a body a repeated eventId is left out; across requests the worker drops it."""
    name = user()
    event = interaction(name, eventId="same")
    first = api.post("/api/interactions", json=[event, event, interaction(name, eventId="other")]).json()
    assert (first["accepted"], first["duplicates"]) == (2, 1)
    api.post("/api/interactions", json=event)
    fold()
    assert api.get(f"/api/profile/{name}").json()["engagement"]["interactions"] == 2


def test_too_many_items(api: httpx.Client) -> None:
    """A body of more items than the limit is refused whole."""
    assert (
        problem_of(
            api.post(
                "/api/interactions", content=b"[" + b"1," * 50_000 + b"1]", headers={"content-type": "application/json"}
            )
        )["type"]
        == "/problems/too-many-items"
    )


def test_waiting_until_folded(api: httpx.Client, fold: Fold) -> None:
    """With `Prefer: wait` the answer comes once the worker has passed the records, or says that it has not."""
    name = user()
    late = api.post("/api/interactions", json=interaction(name), headers={"prefer": "wait=0"})
    assert late.headers["x-stale"] == "true"
    assert late.status_code == 202
    with fold.meanwhile():
        response = api.post("/api/interactions", json=interaction(name), headers={"prefer": "wait=10"})
    assert "x-stale" not in response.headers
    assert response.headers["preference-applied"] == "wait=10"
    assert api.get(f"/api/profile/{name}").json()["engagement"]["interactions"] == 2


def test_content(api: httpx.Client, fold: Fold) -> None:
    """Content is published to the catalogue under its id, readable once taken over, and can be withdrawn."""
    content_id = f"c/{uuid.uuid4().hex}"
    path = "/api/content/" + content_id.replace("/", "%2F")
    body = [{"contentId": content_id, "contentType": "video", "title": "Sets", "topics": ["logic"]}, {"title": "no id"}]
    response = api.post("/api/content", json=body)
    assert response.status_code == 202
    assert response.json()["accepted"] == 1
    assert [r["pointer"] for r in response.json()["rejected"]] == ["/contentId"]
    assert api.get(path, headers={"prefer": "wait=0"}).status_code == 404
    fold()
    read = api.get(path, headers={"x-consistency-token": response.headers["x-consistency-token"]})
    assert (read.json()["title"], read.json()["topics"], read.json()["withdrawn"]) == ("Sets", ["logic"], False)
    assert "x-stale" not in read.headers
    withdrawn = api.delete(path)
    assert withdrawn.status_code == 202
    fold()
    assert api.get(path).json()["withdrawn"] is True


def test_a_profile_gets_its_verdict(api: httpx.Client, fold: Fold) -> None:
    """A profile is created with 201 and replaced whole with 200, once the worker has carried it out."""
    name = "ü/" + user()
    path = "/api/profile/" + name.replace("/", "%2F")
    body = {"userId": name, "age": 30, "learningStyle": "VISUAL", "interests": ["algebra"], "timezone": "Europe/Lisbon"}
    pending = api.post("/api/profile", json=body, headers={"prefer": "wait=0"})
    assert pending.status_code == 202
    assert pending.json()["status"] == "pending"
    location = pending.headers["location"]
    assert location == pending.json()["location"]
    waiting = api.get(location)
    assert (waiting.status_code, waiting.json()["status"]) == (200, "pending")
    fold()
    assert api.get(location).json()["status"] == "applied"
    read = api.get(path).json()
    assert (read["userId"], read["age"], read["interests"], read["timezone"]) == (
        name,
        30,
        ["algebra"],
        "Europe/Lisbon",
    )
    assert read["engagement"] is None

    with fold.meanwhile():
        replaced = api.post("/api/profile", json={"userId": name, "age": 31}, headers={"prefer": "wait=10"})
    assert (replaced.status_code, replaced.json()["status"]) == (200, "applied")
    read = api.get(path, headers={"x-consistency-token": replaced.headers["x-consistency-token"]}).json()
    assert (read["age"], read["interests"], read["timezone"]) == (31, [], "UTC")


def test_a_new_profile_is_created(api: httpx.Client, fold: Fold) -> None:
    """The first profile of a learner is a 201 with the place where it can be read."""
    name = user()
    with fold.meanwhile():
        created = api.post("/api/profile", json={"userId": name}, headers={"prefer": "wait=10"})
    assert created.status_code == 201
    assert api.get(created.headers["location"]).json()["userId"] == name


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/userId"),
        ({"userId": "u", "age": 3}, "/age"),
        ({"userId": "u", "interests": [""]}, "/interests/0"),
        ({"userId": "u", "timezone": "UTC+2"}, "/timezone"),
        ([], ""),
    ],
)
def test_profiles_that_cannot_be_used(api: httpx.Client, body: Any, pointer: str) -> None:
    """A profile that breaks a rule is a 422 with a pointer; nothing is published."""
    problem = problem_of(api.post("/api/profile", json=body))
    assert (problem["status"], problem["errors"][0]["pointer"]) == (422, pointer)


def test_claiming_an_achievement(api: httpx.Client, fold: Fold) -> None:
    """A claim is 200 once unlocked, 409 before and a second time, 404 when there is no such achievement."""
    name = user()
    api.post("/api/interactions", json=interaction(name))
    fold()

    def claim(achievement_id: str) -> httpx.Response:
        with fold.meanwhile():
            return api.post(f"/api/achievements/{name}/{achievement_id}/claim", headers={"prefer": "wait=10"})

    held = api.get(f"/api/achievements/{name}").json()
    unlocked = held["unlocked"][0]["achievementId"]
    locked = next(entry["achievementId"] for entry in held["next"] if entry["progress"] == 0)
    assert claim(unlocked).status_code == 200
    assert api.get(f"/api/achievements/{name}").json()["unlocked"][0]["claimedAt"] is not None
    assert problem_of(claim(unlocked))["type"] == "/problems/already-claimed"
    assert problem_of(claim(locked))["type"] == "/problems/not-unlocked"
    refused = problem_of(claim("no-such"))
    assert (refused["status"], refused["type"]) == (404, "/problems/unknown-achievement")
    assert api.get(refused["instance"]).json()["status"] == "refused"
