"""Does a running experiment change what is served, only for those who agree, and is it noted?"""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
from api_kit import Fold, interaction, until

from api.dependencies import ApiSettings
from models.columns import CONSENT_DEFAULT, CONSENT_EXPERIMENT
from projections import experiment_reports, experiments
from projections.stores.postgres import Connection, connect
from schemas.experiments import decode

DEFINITION = b"""{"key": "all-trends", "hypothesis": "Trends alone do.", "state": "running", "metric": "events",
 "variations": [{"name": "control", "weight": 0}, {"name": "trends", "weight": 1, "list": "trending"}]}"""


def kinds(api: httpx.Client, user: str, query: str = "") -> set[str]:
    """The types of the items that a learner is served."""
    answer = api.get(f"/api/recommendations/{user}{query}")
    assert answer.status_code == 200
    return {item["type"] for item in answer.json()}


def test_a_variation_is_served_and_noted(api: httpx.Client, settings: ApiSettings, fold: Fold) -> None:
    """Another list for who agrees to experiments; the exposure comes back over Kafka and shows in the profile."""
    events = [interaction(f"x-{n}", contentId=f"x-{n}-{m}") for n in range(2) for m in range(3)]
    assert api.post("/api/interactions", json=events).status_code == 202
    fold()
    with connect(settings.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE learners SET consent = %s WHERE user_id = 'x-0'", (CONSENT_DEFAULT | CONSENT_EXPERIMENT,)
        )
        experiments.put(connection, decode(DEFINITION))
        assert kinds(api, "x-0") == {"trending"}
        assert kinds(api, "x-0", "?type=content_based") != {"trending"}
        asked = [{"userId": "x-0"}, {"userId": "x-0", "type": "hybrid"}, {"userId": "x-1"}]
        batch = api.post("/api/recommendations/batch", json={"requests": asked}).json()["results"]
        assert [one["type"] for one in batch] == ["trending", "hybrid", "hybrid"]
        usual = kinds(api, "x-1")
        assert usual == kinds(api, "x-1", "?type=hybrid")

        def exposed() -> list[tuple[str, str]]:
            fold()
            return connection.execute(
                "SELECT l.user_id, x.variation FROM experiment_exposure x JOIN learners l USING (learner_key)"
            ).fetchall()

        assert until(exposed) == [("x-0", "trends")]
        assert api.get("/api/profile/x-0").json()["experiments"] == {"all-trends": "trends"}
        assert api.get("/api/profile/x-1").json()["experiments"] == {}


LOST = b"""{"key": "lost", "hypothesis": "<b>Bold</b>.", "state": "running", "metric": "events", "minimumLearners": 50,
 "guardrails": [{"metric": "active_days"}],
 "variations": [{"name": "control", "weight": 0.5}, {"name": "other", "weight": 0.5}]}"""


def test_reports_are_served_and_shown(api: httpx.Client, settings: ApiSettings) -> None:
    """First the alarm of a variation that loses its learners, without any figure; then the effect and its interval."""
    expose = (
        "INSERT INTO experiment_exposure SELECT 'lost', learner_key, %s, now(), false, 1 FROM learners"
        " WHERE user_id LIKE %s ON CONFLICT DO NOTHING"
    )
    with connect(settings.database_url, autocommit=True) as connection:
        for arm, count in (("c", 120), ("o", 20)):
            add_learners(connection, arm, 0, count)
        experiments.put(connection, decode(LOST))
        connection.execute(expose, ("control", "x-lost-c-%"))
        connection.execute(expose, ("other", "x-lost-o-%"))
        experiment_reports.refresh(connection, datetime.now(UTC))
        found = next(one for one in api.get("/api/experiments").json() if one["key"] == "lost")
        assert found["verdict"] == "ratio mismatch"
        assert found["variations"][1] == {**found["variations"][1], "learners": 20, "mean": None, "lift": None}
        shown = until(lambda: part(api, "lost"))
        assert "Sample ratio mismatch." in shown
        assert "&lt;b&gt;Bold&lt;/b&gt;" in shown
        assert 'class="interval' not in shown
        add_learners(connection, "o", 20, 110)
        connection.execute(expose, ("other", "x-lost-o-%"))
        connection.execute(
            "INSERT INTO learner_day (learner_key, day, events, clicks, completions, completion_rates,"
            " completion_rate_sum, time_spent_seconds, score_sum) SELECT learner_key, current_date,"
            " 2 + learner_key % 3, 0, 0, 0, 0, 0, 0 FROM learners WHERE user_id LIKE 'x-lost-%'"
        )
        experiment_reports.refresh(connection, datetime.now(UTC))
        found = next(one for one in api.get("/api/experiments").json() if one["key"] == "lost")
        assert found["verdict"] == "ready"
        other = found["variations"][1]
        assert other["liftLow"] < other["lift"] < other["liftHigh"]
        assert until(lambda: (shown := part(api, "lost")) and "bar interval" in shown)
        assert "Guardrail active days, other" in part(api, "lost")


def add_learners(connection: Connection, arm: str, first: int, last: int) -> None:
    """Learners who agree to everything."""
    connection.execute(
        "INSERT INTO learners (user_id, consent) SELECT 'x-lost-' || %s || '-' || n, 7"
        " FROM generate_series(%s::int, %s - 1) AS n",
        (arm, first, last),
    )


def part(api: httpx.Client, key: str) -> str:
    """What the page says of an experiment; what was kept for half a second may still be the one before."""
    page = api.get("/page/experiments").text
    return page[page.find(f'data-experiment="{key}"') :] if key in page else ""
