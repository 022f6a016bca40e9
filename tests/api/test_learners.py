"""Operators find learners page by page; a learner consents, and is erased, over HTTP."""

from __future__ import annotations

import httpx
from api_kit import Fold, interaction, problem_of

NAMES = ["l-1", "l-10", "l-2", "l-é", "l-\U0010ffff", "L-1", "l", "m-1"]


def test_learners_are_found_by_prefix(api: httpx.Client, fold: Fold) -> None:
    """Pages together are all learners with the prefix, ascending by bytes, each once."""
    api.post("/api/interactions", json=[interaction(name) for name in NAMES])
    fold(lists=False)
    found: list[str] = []
    address = "/api/learners?prefix=l-&limit=2"
    pages = 0
    while True:
        answer = api.get(address)
        assert answer.status_code == 200
        page = answer.json()
        found += [learner["userId"] for learner in page["learners"]]
        pages += 1
        if page["nextCursor"] is None:
            assert "link" not in answer.headers
            break
        address = answer.headers["link"].partition(">")[0].removeprefix("<")
        assert page["nextCursor"] in address
    assert found == ["l-1", "l-10", "l-2", "l-é", "l-\U0010ffff"]
    assert pages == 3
    everybody = [learner["userId"] for learner in api.get("/api/learners?limit=500").json()["learners"]]
    assert set(NAMES) <= set(everybody)
    assert everybody == sorted(everybody, key=str.encode)
    for bad in ("%25", "a", "é", "AA"):
        assert problem_of(api.get("/api/learners", params={"cursor": bad}))["status"] == 400


def test_consent_and_erasure(api: httpx.Client, fold: Fold) -> None:
    """Consent is a command with a verdict; after an erasure the learner is not known."""
    with fold.meanwhile():
        assert api.post("/api/profile", json={"userId": "gone"}, headers={"prefer": "wait=9"}).status_code == 201
        body = {"purposes": {"sentiment": True}}
        assert api.post("/api/profile/gone/consent", json=body, headers={"prefer": "wait=9"}).status_code == 200
        refused = api.post("/api/profile/gone/consent", json={"purposes": {"spying": True}})
        assert problem_of(refused)["status"] == 422
        assert api.get("/api/profile/gone").status_code == 200
        assert api.delete("/api/profile/gone", headers={"prefer": "wait=9"}).status_code == 200
        assert api.get("/api/profile/gone").status_code == 404
