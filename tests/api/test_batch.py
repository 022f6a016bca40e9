"""Several lists in one question: each as it is answered alone, and what is wrong with one harms no other."""

from __future__ import annotations

import httpx
from api_kit import Fold, interaction, problem_of


def test_a_batch_is_its_parts(api: httpx.Client, fold: Fold) -> None:
    """Results come in the order asked for, equal to single answers; strangers get what is popular."""
    api.post("/api/interactions", json=[interaction("b/1", contentId=f"c-{n}") for n in range(5)])
    fold()
    asked = [
        {"userId": "b/1", "limit": 2},
        {"userId": "b/1", "type": "trending", "context": "neither this nor that"},
        {"userId": "stranger", "type": "trending", "limit": 3},
    ]
    answer = api.post("/api/recommendations/batch", json={"requests": asked})
    assert answer.status_code == 200
    first, second, third = answer.json()["results"]
    alone = api.get("/api/recommendations/b%2F1", params={"limit": 2})
    assert first["recommendations"] == alone.json()
    assert len(first["recommendations"]) == 2
    assert f"applied@{first['position']}" == alone.headers["x-position"]
    assert second["problem"]["type"] == "/problems/bad-parameter"
    assert "recommendations" not in second
    assert [item["rank"] for item in third["recommendations"]] == [1, 2, 3]


def test_bad_batches(api: httpx.Client) -> None:
    """A batch that is none is refused as a whole, with a pointer."""
    refused = problem_of(api.post("/api/recommendations/batch", json={"requests": [{"userId": "u", "limit": 0}]}))
    assert refused["errors"][0]["pointer"] == "/requests/0/limit"
    for body in ({}, {"requests": []}, {"requests": [{"userId": "u"}] * 101}):
        assert problem_of(api.post("/api/recommendations/batch", json=body))["status"] == 422


def test_a_learner_may_be_called_batch(api: httpx.Client) -> None:
    """The path of batches takes no id away."""
    assert api.get("/api/recommendations/batch").status_code == 200
