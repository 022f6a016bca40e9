"""Shared pages, kudos and credentials over HTTP."""

from __future__ import annotations

import base64
import json
import stat
import uuid
from pathlib import Path

import httpx
import jwt
import pytest
from api_kit import Fold, interaction, problem_of, until
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.badges import BadKeyError, identity_hash, load_key

NO_WAIT = {"prefer": "wait=0"}


@pytest.fixture(scope="module")
def learner(api: httpx.Client, fold: Fold) -> str:
    """A learner who completed something and consents to share, and a peer."""
    user = f"holder-{uuid.uuid4().hex[:8]}"
    until(lambda: api.post("/api/interactions", json=interaction(f"peer-{user}")).status_code == 202)
    api.post("/api/interactions", json=interaction(user, interactionType="COMPLETE", occurredAt="2026-01-05T10:00:00Z"))
    api.post(f"/api/profile/{user}/consent", json={"purposes": {"share": True}}, headers=NO_WAIT)
    fold()
    return user


def carried_out(api: httpx.Client, fold: Fold, method: str, path: str, body: object = None) -> httpx.Response:
    """The verdict of a command."""
    asked = api.request(method, path, json=body, headers=NO_WAIT)
    assert asked.status_code == 202, asked.text
    fold()
    return api.get(f"/api/commands/{asked.json()['commandId']}")


def test_a_page_is_there_by_opt_in_and_gone_when_taken_back(api: httpx.Client, fold: Fold, learner: str) -> None:
    """It shows the name given for it and no id, forbids indexing and storing, and ends at once."""
    name = "Ada <script>alert(1)</script>"
    path = f"/api/achievements/{learner}/page"
    assert carried_out(api, fold, "POST", path, {"displayName": name}).json()["status"] == "applied"
    page = api.get(f"/api/achievements/{learner}").json()["page"]
    shown = api.get(page["path"])
    assert shown.status_code == 200
    assert shown.headers["content-type"].startswith("text/html")
    assert shown.headers["x-robots-tag"] == "noindex, nofollow"
    assert shown.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "<script>" not in shown.text
    assert learner not in shown.text
    assert "First finish" in shown.text
    token = page["path"].rsplit("/", 1)[1]
    assert len(base64.urlsafe_b64decode(token + "==")) == 24
    data = api.get(f"/api/shared-achievements/{token}").json()
    assert data["displayName"] == name
    assert {"First finish", "First steps"} <= {one["title"] for one in data["achievements"]}
    (held,) = (
        one for one in api.get(f"/api/achievements/{learner}").json()["unlocked"] if one["title"] == "First finish"
    )
    assert held["sharePath"] == f"{page['path']}/finisher"
    link = api.get(held["sharePath"])
    assert link.headers["x-robots-tag"] == "noindex, nofollow"
    assert "<h1>Ada &lt;script&gt;alert(1)&lt;/script&gt;: First finish</h1>" in link.text
    assert '<meta property="og:description" content="Complete different pieces of content.">' in link.text
    assert "First steps" not in link.text
    problem_of(api.get(f"{page['path']}/skill-master"))
    carried_out(api, fold, "DELETE", path)
    problem_of(api.get(page["path"]))
    problem_of(api.get(held["sharePath"]))
    assert api.get(f"/api/achievements/{learner}").json()["page"] is None


def test_withdrawn_consent_takes_the_page_away(api: httpx.Client, fold: Fold, learner: str) -> None:
    """The page is gone with the consent, and there again with it."""
    carried_out(api, fold, "POST", f"/api/achievements/{learner}/page", {"displayName": "Ada"})
    path = api.get(f"/api/achievements/{learner}").json()["page"]["path"]
    for agreed, status in ((False, 404), (True, 200)):
        carried_out(api, fold, "POST", f"/api/profile/{learner}/consent", {"purposes": {"share": agreed}})
        assert api.get(path).status_code == status


def test_what_repeats_is_shown_once_with_how_often(api: httpx.Client, fold: Fold) -> None:
    """Two weeks of three days are one entry that says twice and the last week; each has a credential of its own."""
    user = f"weekly-{uuid.uuid4().hex[:8]}"
    for day in (5, 6, 7, 12, 13, 14):
        api.post("/api/interactions", json=interaction(user, occurredAt=f"2026-01-{day:02}T10:00:00Z"))
    fold()
    body = api.get(f"/api/achievements/{user}").json()
    (held,) = (one for one in body["unlocked"] if one["achievementId"] == "week-of-learning")
    what = ("tier", "repeat", "period", "times", "unclaimed", "claimedAt", "unlockedAt")
    assert [held[name] for name in what] == [1, "weekly", "2026-W03", 2, 2, None, "2026-01-14T10:00:00Z"]
    (ahead,) = (one for one in body["next"] if one["achievementId"] == "week-of-learning")
    assert (ahead["tier"], ahead["progress"], ahead["target"], ahead["times"]) == (1, 0, 3, 2)
    assert ahead["period"] > "2026-W03"

    claimed = carried_out(api, fold, "POST", f"/api/achievements/{user}/week-of-learning/claim")
    assert claimed.json()["status"] == "applied"
    (held,) = (
        one
        for one in api.get(f"/api/achievements/{user}").json()["unlocked"]
        if one["achievementId"] == held["achievementId"]
    )
    assert held["unclaimed"] == 0
    assert held["claimedAt"] is not None

    path = f"/api/achievements/{user}/week-of-learning/credential"
    ids = {
        jwt.decode(answer.text, options={"verify_signature": False})["id"]
        for answer in (api.get(path), api.get(path, params={"period": "2026-W02"}))
    }
    assert len(ids) == 2
    assert api.get(path, params={"period": "2026-W04"}).status_code == 404


def test_kudos_are_counted_and_shown(api: httpx.Client, fold: Fold, learner: str) -> None:
    """A peer's kudos stand beside the achievement; one's own are refused."""
    path = f"/api/achievements/{learner}/finisher/kudos"
    assert carried_out(api, fold, "POST", path, {"giverId": f"peer-{learner}"}).json()["status"] == "applied"
    refused = carried_out(api, fold, "POST", path, {"giverId": learner}).json()
    assert refused["problem"]["type"] == "/problems/own-kudos"
    held = api.get(f"/api/achievements/{learner}").json()["unlocked"]
    assert {one["achievementId"]: one["kudos"] for one in held}["finisher"] == 1
    assert {one["achievementId"]: one["kudos"] for one in held}["first-steps"] == 0


def test_a_credential_is_signed_and_names_nobody(api: httpx.Client, learner: str) -> None:
    """It verifies with the published key, says what was unlocked, and holds the learner's id as a salted hash only."""
    answer = api.get(f"/api/achievements/{learner}/finisher/credential")
    assert answer.headers["content-type"].startswith("application/vc+jwt")
    (key,) = jwt.PyJWKSet.from_dict(api.get("/api/badges/keys").json()).keys
    header = jwt.get_unverified_header(answer.text)
    assert (header["alg"], header["typ"], header["kid"]) == ("EdDSA", "vc+jwt", key.key_id)
    issuer = api.get("/api/badges/issuer").json()
    said = jwt.decode(answer.text, key.key, algorithms=["EdDSA"], issuer=issuer["id"])
    assert said["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert said["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert said["issuer"] == issuer
    assert said["validFrom"] == "2026-01-05T10:00:00Z"
    assert said["jti"] == said["id"]
    subject = said["credentialSubject"]
    assert subject["achievement"]["name"] == "First finish"
    (identity,) = subject["identifier"]
    assert identity["identityHash"] == identity_hash(learner, identity["salt"])
    assert learner not in base64.urlsafe_b64decode(answer.text.split(".")[1] + "==").decode()
    other = api.get(f"/api/achievements/{learner}/finisher/credential").text
    assert jwt.decode(other, options={"verify_signature": False})["id"] == said["id"]


def test_a_changed_credential_does_not_verify(api: httpx.Client, learner: str) -> None:
    """Neither another content nor another key passes."""
    signed = api.get(f"/api/achievements/{learner}/finisher/credential").text
    (key,) = jwt.PyJWKSet.from_dict(api.get("/api/badges/keys").json()).keys
    head, payload, signature = signed.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    said["credentialSubject"]["achievement"]["name"] = "Everything"
    forged = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(f"{head}.{forged}.{signature}", key.key, algorithms=["EdDSA"])
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(signed, Ed25519PrivateKey.generate().public_key(), algorithms=["EdDSA"])


def test_what_is_locked_has_no_credential(api: httpx.Client, learner: str) -> None:
    """Locked, unknown, or of an unknown learner: 404."""
    for path in (f"{learner}/sharer", f"{learner}/nothing", "nobody/finisher"):
        assert api.get(f"/api/achievements/{path}/credential").status_code == 404


def test_the_issuers_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """The second start reads the key of the first; only its owner may read it; other contents are refused."""
    path = tmp_path / "issuer-key.pem"
    first, second = load_key(path), load_key(path)
    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("not a key")
    with pytest.raises(BadKeyError, match=r"issuer-key\.pem"):
        load_key(path)
