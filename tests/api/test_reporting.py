"""The schema `reporting` answers operators' questions and shows neither a person nor what one wrote."""

from __future__ import annotations

import httpx
import psycopg
from api_kit import Fold, interaction

from api.dependencies import ApiSettings

PERSONAL = {"learner_key", "user_id", "feedback", "record_key", "record_value", "age", "interests", "dedupe_key"}


def test_every_view_answers_and_names_nobody(api: httpx.Client, settings: ApiSettings, fold: Fold) -> None:
    """Each view can be queried, says in a comment what it answers, and has no column that holds personal data."""
    catalogue = [{"contentId": "r-1", "contentType": "video", "title": "Rows", "topics": ["sql"]}]
    assert api.post("/api/content", json=catalogue).status_code == 202
    events = [interaction(f"report-{n}", contentId="r-1") for n in range(6)]
    assert api.post("/api/interactions", json=events).status_code == 202
    fold()
    with psycopg.connect(settings.database_url) as connection:
        views = connection.execute(
            "SELECT c.relname, obj_description(c.oid) FROM pg_class c WHERE c.relnamespace = 'reporting'::regnamespace"
        ).fetchall()
        assert {name for name, _ in views} >= {"content_popularity", "hourly_activity", "learners", "pipeline"}
        for name, comment in views:
            assert comment
            cursor = connection.execute(
                psycopg.sql.SQL("SELECT * FROM reporting.{}").format(psycopg.sql.Identifier(name))
            )
            assert not PERSONAL & {column.name for column in cursor.description or ()}
            rows = cursor.fetchall()
            assert "report-" not in str(rows)
        popular = connection.execute(
            "SELECT score_1h, score_24h, events FROM reporting.content_popularity WHERE content_id = 'r-1'"
        ).fetchone()
        assert popular is not None
        assert 0 < popular[0] <= popular[1]
        assert popular[2] == 6
        active = connection.execute("SELECT active_1d FROM reporting.learners").fetchone()
        assert active is not None
        assert active[0] >= 6


def test_small_groups_are_left_out(api: httpx.Client, settings: ApiSettings, fold: Fold) -> None:
    """A day on which fewer than five learners were active has no row."""
    for learners, day in ((4, "2020-03-01"), (5, "2020-03-02")):
        events = [interaction(f"group-{n}-{day}", occurredAt=f"{day}T12:00:00Z") for n in range(learners)]
        assert api.post("/api/interactions", json=events).status_code == 202
    fold()
    with psycopg.connect(settings.database_url) as connection:
        days = connection.execute(
            "SELECT day::text, learners FROM reporting.daily_sessions WHERE day < '2020-04-01'"
        ).fetchall()
    assert days == [("2020-03-02", 5)]
