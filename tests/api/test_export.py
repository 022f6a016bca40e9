"""Everything that is held about a learner is exported, and nothing about others."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import psycopg
from api_kit import Fold, interaction, problem_of, until

from api.dependencies import ApiSettings
from api.routes import export as route
from projections.reads import export

EVERY_TABLE = """
SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attname = 'learner_key' AND NOT a.attisdropped
"""


def _lines(api: httpx.Client, user_id: str) -> list[dict[str, Any]]:
    answer = api.get(f"/api/profile/{user_id}/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["cache-control"] == "private, no-store"
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert found[-1] == {"kind": "end", "data": {"lines": len(found) - 1}}
    return found


def _of(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line["data"] for line in lines if line["kind"] == kind]


def test_no_table_is_left_out(settings: ApiSettings) -> None:
    """Every table with a row a learner is exported."""
    with psycopg.connect(settings.database_url) as connection:
        tables = {name for (name,) in connection.execute(EVERY_TABLE).fetchall()}
    assert {*export.TABLES, "learners", "interaction_log"} == tables


def test_all_that_is_held_is_exported(api: httpx.Client, fold: Fold, monkeypatch: Any) -> None:
    """What was declared, said and done, what was derived and served; interactions in order, page by page."""
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(export, "TRANSACTIONS_AT_ONCE", 1)
    name, peer = f"x-{uuid.uuid4().hex[:8]}", f"peer-{uuid.uuid4().hex[:8]}"
    items = [f"i-{name}-{n}" for n in range(4)]
    api.post("/api/content", json=[{"contentId": one, "contentType": "video", "title": one} for one in items])
    done = [
        interaction(
            name, contentId=items[n % 2], interactionType="COMPLETE", score=n / 10, timeSpent=60 + n, eventId=f"e-{n}"
        )
        for n in range(8)
    ]
    done[0]["feedback"] = "I liked the second half"
    api.post("/api/profile", json={"userId": name, "age": 31, "interests": ["chess"], "timezone": "Europe/Lisbon"})
    api.post("/api/interactions", json=[*done, interaction(peer, contentId=items[3])])
    fold()
    api.post(f"/api/recommendations/{name}/overrides", json={"override": {"kind": "hide", "contentId": items[2]}})
    api.post(f"/api/achievements/{name}/first-steps/kudos", json={"giverId": peer})
    assert api.get(f"/api/recommendations/{name}").status_code == 200
    until(lambda: any(r.topic == "impressions" and r.key == name.encode() for r in fold.records()))
    fold()
    lines = _lines(api, name)
    assert lines[0]["kind"] == "learner"
    assert (lines[0]["data"]["userId"], lines[0]["data"]["timezone"]) == (name, "Europe/Lisbon")
    (declared,) = _of(lines, "learnerPrivate")
    assert (declared["age"], declared["interests"]) == (31, ["chess"])
    assert [text["feedback"] for text in _of(lines, "learnerPrivateText")] == ["I liked the second half"]
    events = _of(lines, "interaction")
    assert [(event["contentId"], event["timeSpent"]) for event in events] == [(items[n % 2], 60 + n) for n in range(8)]
    assert {event["interactionType"] for event in events} == {"COMPLETE"}
    assert events[0]["rating"] is None
    assert {one["contentId"] for one in _of(lines, "preference")} == set(items[:2])
    assert [one["contentId"] for one in _of(lines, "learnerOverride")] == [items[2]]
    for kind in ("engagement", "behaviour", "recommendations", "impression", "achievementUnlock", "commandResult"):
        assert _of(lines, kind), kind
    said = json.dumps(lines)
    assert peer not in said
    assert "learnerKey" not in said
    assert len(_lines(api, peer)) > 3


def test_who_is_unknown_and_too_many_at_once(api: httpx.Client, monkeypatch: Any) -> None:
    """An unknown learner is a 404, one export too many is told to come back."""
    assert problem_of(api.get("/api/profile/nobody-at-all/export"))["status"] == 404
    monkeypatch.setattr(route, "MOST_AT_ONCE", 0)
    refused = api.get("/api/profile/nobody-at-all/export")
    assert problem_of(refused)["type"] == "/problems/overloaded"
    assert refused.headers["retry-after"] == "5"
