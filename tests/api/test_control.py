"""Rules and feedback over HTTP: verdicts, and lists that respect them from the verdict on."""

from __future__ import annotations

import uuid

import httpx
from api_kit import Fold, interaction, problem_of


def user() -> str:
    """An id that no other test has."""
    return f"u-{uuid.uuid4().hex[:12]}"


def shown(api: httpx.Client, name: str, **parameters: str) -> list[str]:
    """The content ids of a learner's list."""
    answer = api.get(f"/api/recommendations/{name}", params={"limit": "100", **parameters})
    assert answer.status_code == 200, answer.text
    return [item["contentId"] for item in answer.json()]


def test_hidden_content_is_gone_with_the_verdict(api: httpx.Client, fold: Fold) -> None:
    """After the answer to `hide`, no read shows the content, whatever lay ready; taken back, it may be shown again."""
    name = user()
    items = [f"c-{name}-{n}" for n in range(4)]
    for item in items:
        api.post("/api/content", json={"contentId": item, "contentType": "video", "title": f"Title {item}"})
    api.post("/api/interactions", json=interaction(name, contentId=items[0]))
    fold()
    assert items[1] in shown(api, name)
    tag = api.get(f"/api/recommendations/{name}").headers["etag"]
    rule = {"override": {"kind": "hide", "contentId": items[1]}}
    with fold.meanwhile():
        answer = api.post(f"/api/recommendations/{name}/overrides", json=rule, headers={"prefer": "wait=10"})
    assert answer.status_code == 200, answer.text
    for kind in ("hybrid", "content_based", "trending"):
        assert items[1] not in shown(api, name, type=kind)
    # Who holds the older answer is not told that it is still good.
    assert api.get(f"/api/recommendations/{name}", headers={"if-none-match": tag}).status_code == 200
    with fold.meanwhile():
        api.post(
            f"/api/recommendations/{name}/overrides", json={**rule, "active": False}, headers={"prefer": "wait=10"}
        )
    fold()
    assert items[1] in shown(api, name)


def test_feedback_gets_its_verdict(api: httpx.Client, fold: Fold) -> None:
    """Feedback is 200, on unknown content 404, with an unknown action 422; disliked content is shown no more."""
    name = user()
    item = f"d-{name}"
    api.post("/api/content", json={"contentId": item, "contentType": "video", "title": "Some title"})
    api.post("/api/interactions", json=interaction(name))
    fold()

    def give(content_id: str, action: str) -> httpx.Response:
        with fold.meanwhile():
            return api.post(
                f"/api/recommendations/{name}/feedback",
                json={"contentId": content_id, "action": action},
                headers={"prefer": "wait=10"},
            )

    assert give(item, "disliked").status_code == 200
    assert item not in shown(api, name)
    assert problem_of(give("no-such-content", "liked"))["type"] == "/problems/unknown-content"
    assert give(item, "adored").status_code == 422


def test_a_context_is_checked(api: httpx.Client, fold: Fold) -> None:
    """A context that is neither `topic:…` nor JSON is a 400 that names the parameter."""
    name = user()
    api.post("/api/interactions", json=interaction(name))
    fold()
    assert shown(api, name, context="topic:algebra")
    refused = problem_of(api.get(f"/api/recommendations/{name}", params={"context": "{"}))
    assert refused["status"] == 400
    assert refused["errors"][0]["parameter"] == "context"
