"""Does a running experiment change what is served, only for those who agree, and is it noted?"""

from __future__ import annotations

import httpx
from api_kit import Fold, interaction, until

from api.dependencies import ApiSettings
from models.columns import CONSENT_DEFAULT, CONSENT_EXPERIMENT
from projections import experiments
from projections.stores.postgres import connect
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
