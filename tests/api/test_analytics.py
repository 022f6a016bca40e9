"""Does `GET /api/analytics` count what the log holds, and keep small groups to itself?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import httpx
import pytest
from api_kit import Fold, interaction, problem_of

from api.dependencies import ApiSettings
from projections.analytics import follower
from projections.stores.postgres import Connection, connect

TODAY = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
LEARNERS = 12


@pytest.fixture(scope="module")
def database(api: httpx.Client, settings: ApiSettings, fold: Fold) -> Iterator[Connection]:
    """A log of three days: 12 learners today (three of them with quizzes), 6 two days ago, 8 in the period before."""
    days = ((0, LEARNERS), (2, 6), (9, 8))
    events = [
        interaction(
            f"a-{n}",
            eventId=f"{back}-{n}-{kind}",
            occurredAt=(TODAY - dt.timedelta(days=back)).isoformat(),
            interactionType=kind,
            timeSpent=60,
            completionRate=0.5,
            contentType="quiz" if n < 3 and back == 0 else "video",
        )
        for back, count in days
        for n in range(count)
        for kind in ("VIEW", "COMPLETE")
    ]
    assert api.post("/api/interactions", json=events).status_code == 202
    modules = [{"id": f"m-{n}", "title": f"M {n}", "type": "video", "duration": 60} for n in range(2)]
    for n in range(6):
        path = {"userId": f"a-{n}", "title": "P", "topic": "t", "level": "BEGINNER", "modules": modules}
        assert api.post("/api/learning-paths?", json=path, headers={"Prefer": "wait=0"}).status_code == 202
    fold()
    with connect(settings.database_url, autocommit=True) as connection:
        follower.catch_up(connection)
        yield connection


def ask(api: httpx.Client, period: str, metric: str) -> dict:
    """The answer."""
    answer = api.get("/api/analytics", params={"period": period, "metric": metric})
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.usefixtures("database")
def test_users(api: httpx.Client) -> None:
    """Distinct learners over days, those who are new, visits; beside the week before."""
    found = ask(api, "7d", "users")
    figures = found["figures"]
    assert figures["activeLearners"] == {"value": LEARNERS, "previous": 8, "change": 0.5}
    # Eight were there the week before, so four are new: too few to say, and the rest would say it.
    assert figures["newLearners"]["value"] is None
    assert figures["returningLearners"]["value"] is None
    assert figures["sessions"]["value"] == LEARNERS + 6
    assert figures["activeDaysPerLearner"]["value"] == pytest.approx((LEARNERS + 6) / LEARNERS)
    assert figures["completions"]["value"] == LEARNERS + 6
    assert figures["meanCompletionRate"]["value"] == 0.5
    assert [point["values"]["activeLearners"] for point in found["series"]] == [0, 0, 0, 0, 6, 0, LEARNERS]
    assert found["freshness"]["position"] > 0


@pytest.mark.usefixtures("database")
def test_engagement(api: httpx.Client) -> None:
    """Sums and groups; three learners with quizzes are withheld, and so are the videos that would tell."""
    found = ask(api, "1d", "engagement")
    assert found["figures"]["events"]["value"] == 2 * LEARNERS
    assert found["interval"] == "hour"
    assert sum(point["values"]["events"] for point in found["series"]) == 2 * LEARNERS
    assert {cell["name"]: cell["values"]["events"] for cell in found["groups"]["contentType"]} == {
        "video": None,
        "quiz": None,
    }
    assert {cell["name"]: cell["values"]["events"] for cell in found["groups"]["interactionType"]} == {
        "VIEW": LEARNERS,
        "COMPLETE": LEARNERS,
    }


@pytest.mark.usefixtures("database")
def test_learning_paths(api: httpx.Client) -> None:
    """Paths made today, none begun."""
    found = ask(api, "7d", "learning_paths")
    assert found["figures"]["pathsMade"]["value"] == 6
    assert found["figures"]["completionShare"]["value"] is None
    assert found["groups"]["funnel"][0] == {"name": "made", "values": {"paths": 6, "share": 1}}
    assert found["series"][-1]["values"]["pathsMade"] == 6


def test_recommendations(api: httpx.Client, database: Connection) -> None:
    """Sums of the recommender's own evaluation, made into precision, recall and F1."""
    database.execute(
        "INSERT INTO recommender_evaluation VALUES"
        " (%s, 'hybrid', 'same', 60, 30, 20), (%s, 'hybrid', 'new', 40, 10, 5)",
        (TODAY, TODAY),
    )
    database.execute("INSERT INTO recommender_coverage VALUES (%s, 7, 30, 40)", (TODAY,))
    for n in range(6):
        arms = ["hybrid", "exploration"] if n < 2 else ["hybrid", "hybrid"]
        database.execute(
            "INSERT INTO impression (learner_key, list_key, list_type, first_day, places, ranks, item_keys, arms,"
            " propensities, servings, outcomes, applied_seq) SELECT learner_key, %s, 'hybrid', %s::date - '1970-01-01',"
            " '{1,2}', '{1,2}', '{1,2}', %s, '{1,1}', '{1,1}', '{0,0}', 1 FROM learners WHERE user_id = %s",
            (n, TODAY.date(), arms, f"a-{n}"),
        )
    database.execute(
        "INSERT INTO recommendation_outcome VALUES (%s, 'hybrid', 'hybrid', 1, 12, 10, 4, 2, 3, 1, 10, 4),"
        " (%s, 'hybrid', 'exploration', 2, 2, 2, 1, 0, 0, 0, 20, 10)",
        (TODAY.date(), TODAY.date()),
    )
    found = ask(api, "30d", "recommendations")
    figures = found["figures"]
    assert figures["impressions"]["value"] == 12
    assert figures["clickThroughRate"]["value"] == pytest.approx(5 / 12)
    assert figures["weightedClickThroughRate"]["value"] == pytest.approx(14 / 30)
    assert figures["conversionRate"]["value"] == pytest.approx(2 / 12)
    assert figures["satisfaction"]["value"] == 0.75
    assert found["series"][-1]["values"]["clicks"] == 5
    # Two learners saw the explored items: withheld, and so is the rest that would tell.
    assert {cell["name"]: cell["values"]["clicks"] for cell in found["groups"]["arm"]} == {
        "hybrid/hybrid": None,
        "hybrid/exploration": None,
    }
    assert figures["recallAt10"]["value"] == 0.4
    assert figures["precisionAt10"]["value"] == pytest.approx(0.04)
    assert figures["f1At10"]["value"] == pytest.approx(2 * 0.4 * 0.04 / 0.44)
    assert figures["ndcgAt10"]["value"] == 0.25
    assert figures["coverageAt10"]["value"] == 0.75


def test_what_is_not_known_is_refused(api: httpx.Client) -> None:
    """With the values there are."""
    assert "1d, 7d, 30d, 90d" in problem_of(api.get("/api/analytics?period=2d"))["errors"][0]["detail"]
    assert api.get("/api/analytics?since=1").status_code == 400
