"""Learning paths over HTTP: made, refused, moved, read in the learner's order, on real servers."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from api_kit import Fold, interaction, problem_of


def user() -> str:
    """An id that no other test has."""
    return f"u-{uuid.uuid4().hex[:12]}"


def path_of(name: str, *modules: tuple[str, list[str]], **fields: Any) -> dict[str, Any]:
    """A request for a path of these modules (id, prerequisites), each of ten minutes."""
    described = [
        {"id": f"{name}/{module}", "title": module, "type": "video", "duration": 600, "prerequisites": before}
        for module, before in ((m, [f"{name}/{b}" for b in bs]) for m, bs in modules)
    ]
    return {"userId": name, "title": "Algebra", "topic": "algebra", "level": "BEGINNER", "modules": described, **fields}


def made(api: httpx.Client, fold: Fold, body: dict[str, Any]) -> str:
    """The id of a path after its creation was carried out."""
    with fold.meanwhile():
        response = api.post("/api/learning-paths", json=body, headers={"prefer": "wait=10"})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == response.json()["location"]
    return str(response.headers["location"].rsplit("/", 1)[1])


def test_a_path_from_its_making_to_its_end(api: httpx.Client, fold: Fold) -> None:
    """A path is made, moved by a report and by an interaction, read in order each time, and listed."""
    name = user()
    path_id = made(api, fold, path_of(name, ("c", ["b"]), ("b", ["a"]), ("a", [])))
    path = api.get(f"/api/learning-paths/{path_id}").json()
    assert [module["moduleId"].split("/")[1] for module in path["modules"]] == ["a", "b", "c"]
    assert [module["state"] for module in path["modules"]] == ["open", "blocked", "blocked"]
    assert path["modules"][1]["reason"] == f"after {name}/a"
    assert path["nextModules"] == [f"{name}/a"]
    assert (path["completion"], path["milestones"], path["estimatedDuration"]) == (0, [], 1800)
    assert path["finishEarliest"] <= path["finishDate"] <= path["finishLatest"]

    with fold.meanwhile():
        report = {"moduleId": f"{name}/a", "completionRate": 1, "timeSpent": 300, "score": 1}
        response = api.put(f"/api/learning-paths/{path_id}/progress", json=report, headers={"prefer": "wait=10"})
    assert response.status_code == 200
    path = api.get(f"/api/learning-paths/{path_id}").json()
    assert [module["state"] for module in path["modules"]] == ["open", "blocked", "completed"]
    assert path["milestones"] == [25]
    assert path["moved"][0] == {"moduleId": f"{name}/a", "before": 1, "after": None, "reason": "mastered"}
    assert 1.0 < path["modules"][0]["difficulty"] <= 1.15
    assert path["modules"][0]["estimate"]["seconds"] < 600

    api.post("/api/interactions", json=interaction(name, interactionType="COMPLETE", contentId=f"{name}/b"))
    fold()
    path = api.get(f"/api/learning-paths/{path_id}").json()
    assert path["milestones"] == [25, 50]
    assert path["nextModules"] == [f"{name}/c"]
    [listed] = api.get("/api/learning-paths", params={"userId": name}).json()
    assert (listed["pathId"], listed["modules"], listed["completed"]) == (path_id, 3, 2)
    assert abs(listed["completion"] - 2 / 3) < 1e-9


def test_pages_of_paths(api: httpx.Client, fold: Fold) -> None:
    """Pages together are all of a learner's paths, newest first, each once, whatever is added meanwhile."""
    name = user()
    ids = [made(api, fold, path_of(f"{name}-{n}", ("a", []), userId=name)) for n in range(5)]
    address, found = f"/api/learning-paths?userId={name}&limit=2", []
    while address:
        answer = api.get(address)
        assert answer.status_code == 200
        found += [path["pathId"] for path in answer.json()]
        if len(found) == 2:
            made(api, fold, path_of(f"{name}-later", ("a", []), userId=name))
        address = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert found == ids[::-1]
    assert len(api.get("/api/learning-paths", params={"userId": name}).json()) == 6
    for bad in ("%25", "a", "é", "kgGhYQ", "ks9__________6FhAA", "x" * 2000):
        refused = api.get("/api/learning-paths", params={"userId": name, "cursor": bad})
        assert refused.status_code == (200 if bad == "kgGhYQ" else 400), bad


def test_a_cycle_is_printed(api: httpx.Client, fold: Fold) -> None:
    """A circle of prerequisites is refused with the circle in the problem."""
    name = user()
    with fold.meanwhile():
        response = api.post(
            "/api/learning-paths", json=path_of(name, ("a", ["b"]), ("b", ["a"])), headers={"prefer": "wait=10"}
        )
    found = problem_of(response)
    assert (found["status"], found["type"]) == (422, "/problems/prerequisite-cycle")
    assert f"{name}/a → {name}/b → {name}/a" in found["detail"]
    assert api.get("/api/learning-paths", params={"userId": name}).json() == []


def test_a_repeated_report_counts_once(api: httpx.Client, fold: Fold) -> None:
    """The same Idempotency-Key is the same command: the second report adds no time, the verdict is the first one's."""
    name = user()
    path_id = made(api, fold, path_of(name, ("a", [])))
    report = {"moduleId": f"{name}/a", "completionRate": 0.5, "timeSpent": 60}
    headers = {"idempotency-key": "report-1", "prefer": "wait=10"}
    with fold.meanwhile():
        answers = [api.put(f"/api/learning-paths/{path_id}/progress", json=report, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["commandId"] == answers[1].json()["commandId"]
    [module] = api.get(f"/api/learning-paths/{path_id}").json()["modules"]
    assert (module["completion"], module["timeSpentSeconds"]) == (0.5, 60)


def test_a_report_about_the_path_just_made(api: httpx.Client, fold: Fold) -> None:
    """Whoever presents the token of the creation can report at once; without the path there is a 404."""
    name = user()
    body = path_of(name, ("a", []))
    pending = api.post("/api/learning-paths", json=body, headers={"prefer": "wait=0", "idempotency-key": "k"})
    assert pending.status_code == 202
    with fold.meanwhile():
        again = api.post("/api/learning-paths", json=body, headers={"prefer": "wait=10", "idempotency-key": "k"})
        location = again.json()["location"]
        response = api.put(
            f"{location}/progress",
            json={"moduleId": f"{name}/a", "completionRate": 1},
            headers={"prefer": "wait=10", "x-consistency-token": pending.json()["token"]},
        )
    assert (again.status_code, response.status_code) == (201, 200)
    assert len(api.get("/api/learning-paths", params={"userId": name}).json()) == 1


def test_what_is_not_there(api: httpx.Client, fold: Fold) -> None:
    """Unknown paths and learners are 404, an unknown module is 422, a missing userId and a broken body are refused."""
    assert problem_of(api.get("/api/learning-paths/nowhere"))["status"] == 404
    assert problem_of(api.get("/api/learning-paths", params={"userId": user()}))["status"] == 404
    assert problem_of(api.get("/api/learning-paths"))["errors"][0]["parameter"] == "userId"
    good = {"moduleId": "a", "completionRate": 1}
    assert problem_of(api.put("/api/learning-paths/nowhere/progress", json=good))["status"] == 404
    assert problem_of(api.put("/api/learning-paths/nowhere/progress", json={"moduleId": "a"}))["status"] == 422
    name = user()
    path_id = made(api, fold, path_of(name, ("a", [])))
    with fold.meanwhile():
        response = api.put(f"/api/learning-paths/{path_id}/progress", json=good, headers={"prefer": "wait=10"})
    assert problem_of(response)["type"] == "/problems/unknown-module"


def test_reports_at_once_and_again_end_in_the_same_state(api: httpx.Client, fold: Fold) -> None:
    """Eight writers report all modules at the same moment, every report twice under its key: each counts once."""
    name = user()
    modules = ["a", "b", "c", "d"]
    path_id = made(api, fold, path_of(name, *((module, []) for module in modules)))

    def report(turn: int) -> int:
        body = {"moduleId": f"{name}/{modules[turn % 4]}", "completionRate": 1 - turn // 4 / 8, "timeSpent": 60}
        headers = {"prefer": "wait=0", "idempotency-key": f"{name}-{turn}"}
        return api.put(f"/api/learning-paths/{path_id}/progress", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as writers:
        assert set(writers.map(report, [*range(32), *range(32)])) == {202}
    fold()
    path = api.get(f"/api/learning-paths/{path_id}").json()
    assert (path["completion"], path["milestones"]) == (1, [25, 50, 75, 100])
    assert [module["timeSpentSeconds"] for module in path["modules"]] == [480] * 4
