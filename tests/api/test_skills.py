"""What the API says of a learner's skills, gaps, reviews and habits, after real attempts."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest
from api_kit import Fold

from projections import learner_model

LEARNER = "skilled"
WAIT = {"Prefer": "wait=0"}


def at(days_ago: float) -> str:
    """A moment so many days ago, as it stands on the wire."""
    return (dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)).isoformat()


def attempt(content: str, days_ago: float, success: bool, **fields: Any) -> dict[str, Any]:
    """An attempt at a quiz."""
    return {
        "userId": LEARNER,
        "interactionType": "ATTEMPT",
        "contentType": "quiz",
        "contentId": content,
        "occurredAt": at(days_ago),
        "success": success,
        **fields,
    }


@pytest.fixture(scope="module", autouse=True)
def folded(api: httpx.Client, fold: Fold) -> None:
    """A learner who is good at equations, bad at fractions, has never tried primes, and has a path with all three."""
    learner_model.compile_fold()
    for name in ("equations", "fractions", "primes"):
        body = {"contentId": f"quiz-{name}", "contentType": "quiz", "title": f"Quiz: {name}", "skills": [name]}
        assert api.post("/api/content", json=body, headers=WAIT).status_code == 202
    profile = {"userId": LEARNER, "learningObjectives": ["Fractions without fear"]}
    assert api.post("/api/profile", json=profile, headers=WAIT).status_code == 202
    fold()
    modules = [
        {"id": f"quiz-{name}", "title": name, "type": "quiz", "duration": 600}
        for name in ("equations", "fractions", "primes")
    ]
    path = {"userId": LEARNER, "title": "Numbers", "topic": "numbers", "level": "BEGINNER", "modules": modules}
    assert api.post("/api/learning-paths", json=path, headers=WAIT).status_code == 202
    events = [attempt("quiz-equations", 40 - n, True) for n in range(16)]
    events += [attempt("quiz-fractions", 20 - n, False) for n in range(4)]
    assert api.post("/api/interactions", json=events).status_code == 202
    fold()


def test_the_profile_shows_the_skill_vector_and_the_consent(api: httpx.Client) -> None:
    """Each skill with its mastery and interval, the most practised first; habits only by consent."""
    profile = api.get(f"/api/profile/{LEARNER}").json()
    assert [skill["name"] for skill in profile["skills"]] == ["equations", "fractions"]
    good, bad = profile["skills"]
    assert bad["low"] < bad["mastery"] < bad["high"]
    assert bad["mastery"] < 0.5 < good["mastery"]
    assert good["uncertainty"] == pytest.approx((good["high"] - good["low"]) / 2)
    assert (good["attempts"], good["successes"], bad["successes"]) == (16, 16, 0)
    assert profile["consent"]["personalise"] is True
    assert profile["consent"]["personality"] is False
    assert profile["personality"] == []


def test_skills_have_a_history_for_a_chart(api: httpx.Client) -> None:
    """One point a day with attempts, oldest first, within the days asked for."""
    report = api.get(f"/api/profile/{LEARNER}/skills").json()
    history = {entry["skill"]["name"]: entry["history"] for entry in report["skills"]}
    assert [day["attempts"] for day in history["equations"]] == list(range(1, 17))
    assert history["equations"][-1]["mastery"] > history["equations"][0]["mastery"]
    assert history["fractions"][-1]["mastery"] < history["fractions"][0]["mastery"]
    lately = api.get(f"/api/profile/{LEARNER}/skills?days=35").json()
    assert len(lately["skills"][0]["history"]) < 16
    assert api.get(f"/api/profile/{LEARNER}/skills?days=0").status_code == 400
    assert api.get("/api/profile/nobody/skills").status_code == 404


def test_gaps_are_what_goals_and_paths_need_and_the_learner_lacks(api: httpx.Client) -> None:
    """The most needed first: a goal and a path need fractions, only the path needs primes."""
    gaps = {gap["skill"]: gap for gap in api.get(f"/api/profile/{LEARNER}/skills").json()["gaps"]}
    assert list(gaps)[:2] == ["fractions", "primes"]
    assert gaps["fractions"]["reason"] == "low mastery"
    assert gaps["fractions"]["neededBy"] == ["Fractions without fear", "Numbers"]
    assert gaps["primes"]["reason"] == "never tried"


def test_reviews_fall_due(api: httpx.Client) -> None:
    """What was failed weeks ago is due with little recall; what was practised often is due later."""
    report = api.get(f"/api/profile/{LEARNER}/skills").json()
    first = report["reviews"][0]
    assert (first["contentId"], first["title"], first["skills"]) == ("quiz-fractions", "Quiz: fractions", ["fractions"])
    assert 0 < first["recall"] < 0.9
    assert first["dueAt"] < report["freshness"]["generatedAt"]


def test_a_path_follows_mastery(api: httpx.Client) -> None:
    """The mastered module stands last, the others by how well they fit; the newest day of attempts moved them."""
    (summary,) = api.get(f"/api/learning-paths?userId={LEARNER}").json()
    path = api.get(f"/api/learning-paths/{summary['pathId']}").json()
    modules = {module["moduleId"]: module for module in path["modules"]}
    assert path["modules"][-1]["moduleId"] == "quiz-equations"
    assert modules["quiz-equations"]["reason"] == "you master its skills already"
    assert modules["quiz-equations"]["expectedSuccess"] > 0.7
    assert modules["quiz-fractions"]["expectedSuccess"] < modules["quiz-primes"]["expectedSuccess"]
    assert (path["completion"], path["milestones"]) == (0, [])
