"""Who may do what: every route for every kind of caller.  A route without a row here fails."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

import httpx
import pytest
from access_kit import AUDIENCE, ISSUER, Identity, bearer
from api_kit import Fold, interaction, problem_of, running, until
from litestar.routes import HTTPRoute

from api.access.callers import OF_LEARNERS, Scope
from api.access.rules import RULES, Learner
from api.access.web_tokens import WebTokenSettings
from api.app import create_app
from api.dependencies import ApiSettings, build
from projections import access_audit, api_keys
from projections.stores.postgres import connect

ME = f"self-{uuid.uuid4().hex[:8]}"
OTHER = f"other-{uuid.uuid4().hex[:8]}"
NO_WAIT = {"prefer": "wait=0"}
PATH = {"title": "T", "topic": "algebra", "level": "BEGINNER"}
MODULES = [{"id": "a", "title": "A", "type": "video", "duration": 60}]


class Call(NamedTuple):
    """How a route is called for a learner, in a way that is served when it is permitted."""

    path: str
    json: Any = None


class World(NamedTuple):
    """A running API that asks for credentials, and callers."""

    client: httpx.Client
    credentials: dict[str, str]
    """The credentials of each kind of caller; "none" has none."""
    calls: dict[str, dict[str, Call]]
    """By route, then by learner: how it is called."""
    database_url: str


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """An identity service."""
    return Identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def world(settings: ApiSettings, identity: Identity, fold: Fold) -> Iterator[World]:
    """The API with one key a scope, and two learners who have a path each."""
    credentials = {"self": identity.token(ME), "administrator": identity.token("boss", scope="admin")}
    with closing(connect(settings.database_url, autocommit=True)) as connection:
        for scope in Scope:
            credentials[scope.value] = api_keys.create(connection, scope.value, [scope.value]).secret
    closed = replace(
        settings,
        web_tokens=WebTokenSettings(issuer=ISSUER, audience=AUDIENCE, key_source=str(identity.file)),
    )
    with running(closed) as client:
        client.headers.update(NO_WAIT)
        admin = bearer(credentials["admin"])
        until(lambda: client.get("/api/trending", headers=admin).status_code == 200)
        until(lambda: client.post("/api/content", json=_content(), headers=admin).status_code == 202)
        commands = {}
        for user in (ME, OTHER):
            client.post("/api/interactions", json=interaction(user), headers=admin)
            made = client.post("/api/learning-paths", json={"userId": user, **PATH, "modules": MODULES}, headers=admin)
            commands[user] = made.json()["commandId"]
            client.post(f"/api/profile/{user}/consent", json={"purposes": {"share": True}}, headers=admin)
        fold()
        for user in (ME, OTHER):
            client.post(f"/api/achievements/{user}/page", json={"displayName": "Somebody"}, headers=admin)
        fold()
        yield World(client, credentials, _calls(client, admin, commands), settings.database_url)


def _content() -> dict[str, Any]:
    return {"contentId": "c-1", "contentType": "video", "title": "One"}


def _calls(client: httpx.Client, admin: dict[str, str], commands: dict[str, str]) -> dict[str, dict[str, Call]]:
    """Every route with a row: its call for each learner, or one call for both."""
    paths = {
        user: client.get("/api/learning-paths", params={"userId": user}, headers=admin).json()[0]["pathId"]
        for user in (ME, OTHER)
    }
    pages = {
        user: client.get(f"/api/achievements/{user}", headers=admin).json()["page"]["path"] for user in (ME, OTHER)
    }
    by_learner = {
        user: {
            "POST /api/interactions": Call("/api/interactions", [interaction(user)]),
            "POST /api/profile": Call("/api/profile", {"userId": user}),
            "GET /api/profile/{user_id:str}": Call(f"/api/profile/{user}"),
            "DELETE /api/profile/{user_id:str}": Call(f"/api/profile/{user}"),
            "GET /api/profile/{user_id:str}/export": Call(f"/api/profile/{user}/export"),
            "POST /api/profile/{user_id:str}/consent": Call(
                f"/api/profile/{user}/consent", {"purposes": {"personalise": True}}
            ),
            "POST /api/recommendations/batch": Call(
                "/api/recommendations/batch", {"requests": [{"userId": user}, {"userId": user, "limit": 3}]}
            ),
            "GET /api/stream": Call(f"/api/stream?userId={user}"),
            "GET /api/profile/{user_id:str}/skills": Call(f"/api/profile/{user}/skills"),
            "GET /api/recommendations/{user_id:str}": Call(f"/api/recommendations/{user}"),
            "POST /api/recommendations/{user_id:str}/feedback": Call(
                f"/api/recommendations/{user}/feedback", {"contentId": "c-1", "action": "clicked"}
            ),
            "POST /api/recommendations/{user_id:str}/overrides": Call(
                f"/api/recommendations/{user}/overrides", {"override": {"kind": "pin", "contentId": "c-1"}}
            ),
            "GET /api/achievements/{user_id:str}": Call(f"/api/achievements/{user}"),
            "POST /api/achievements/{user_id:str}/{achievement_id:str}/claim": Call(
                f"/api/achievements/{user}/completions/claim"
            ),
            "POST /api/streaks/{user_id:str}/freezes": Call(f"/api/streaks/{user}/freezes", {"source": "EARNED"}),
            "POST /api/streaks/{user_id:str}/repairs": Call(
                f"/api/streaks/{user}/repairs", {"missedDay": "2026-01-05"}
            ),
            "POST /api/achievements/{user_id:str}/page": Call(
                f"/api/achievements/{user}/page", {"displayName": "Somebody"}
            ),
            "DELETE /api/achievements/{user_id:str}/page": Call(f"/api/achievements/{user}/page"),
            "POST /api/achievements/{user_id:str}/{achievement_id:str}/kudos": Call(
                "/api/achievements/a-peer/finisher/kudos", {"giverId": user}
            ),
            "GET /api/achievements/{user_id:str}/{achievement_id:str}/credential": Call(
                f"/api/achievements/{user}/first-steps/credential"
            ),
            "GET /achievements/{page_token:str}": Call(pages[user]),
            "GET /achievements/{page_token:str}/{achievement_id:str}": Call(f"{pages[user]}/first-steps"),
            "GET /api/shared-achievements/{page_token:str}": Call(
                pages[user].replace("/achievements/", "/api/shared-achievements/")
            ),
            "GET /api/badges/issuer": Call("/api/badges/issuer"),
            "GET /api/badges/keys": Call("/api/badges/keys"),
            "POST /api/learning-paths": Call("/api/learning-paths", {"userId": user, **PATH, "modules": MODULES}),
            "GET /api/learning-paths": Call(f"/api/learning-paths?userId={user}"),
            "GET /api/learning-paths/{path_id:str}": Call(f"/api/learning-paths/{paths[user]}"),
            "PUT /api/learning-paths/{path_id:str}/progress": Call(
                f"/api/learning-paths/{paths[user]}/progress", {"moduleId": "a", "completionRate": 0.5}
            ),
            "GET /api/commands/{command_id:str}": Call(f"/api/commands/{commands[user]}"),
        }
        for user in (ME, OTHER)
    }
    shared = {
        "POST /api/content": Call("/api/content", _content()),
        "GET /api/content/{content_id:str}": Call("/api/content/c-1"),
        "DELETE /api/content/{content_id:str}": Call("/api/content/c-gone"),
        "GET /api/trending": Call("/api/trending"),
        "GET /api/learners": Call("/api/learners"),
        "GET /api/analytics": Call("/api/analytics"),
        "GET /api/experiments": Call("/api/experiments"),
        "GET /": Call("/"),
        "GET /page/static/{name:str}": Call("/page/static/page.css"),
        "GET /page/learner": Call(f"/page/learner?userId={ME}"),
        "GET /page/pipeline": Call("/page/pipeline"),
        "GET /page/ticker": Call("/page/ticker"),
        "GET /page/trending": Call("/page/trending"),
        "GET /page/experiments": Call("/page/experiments"),
        "GET /openapi.json": Call("/openapi.json"),
        "GET /docs": Call("/docs"),
        "GET /docs/rapidoc-min.js": Call("/docs/rapidoc-min.js"),
        "GET /livez": Call("/livez"),
        "GET /readyz": Call("/readyz"),
        "GET /metrics": Call("/metrics"),
        "POST /api/session": Call("/api/session"),
    }
    calls = {route: {user: by_learner[user][route] for user in (ME, OTHER)} for route in by_learner[ME]}
    return calls | {route: {ME: call, OTHER: call} for route, call in shared.items()}


def ask(world: World, route: str, user: str, caller: str) -> httpx.Response:
    """The answer that a caller gets on a route that is asked about a learner."""
    call = world.calls[route][user]
    world.client.cookies.clear()  # a session of an earlier call would speak for this one
    headers = bearer(world.credentials[caller]) if caller in world.credentials else {}
    with world.client.stream(route.partition(" ")[0], call.path, json=call.json, headers=headers) as response:
        if response.headers.get("content-type", "").partition(";")[0] != "text/event-stream":  # that one has no end
            response.read()
    return response


def expected(route: str, caller: str) -> set[int]:
    """What a caller is answered; "served" is any success."""
    if route == "POST /api/session":  # a session acts for a key
        return {401} if caller == "none" else {403} if caller.startswith(("self", "other", "administrator")) else SERVED
    rule = RULES[route]
    if rule.scope is None:
        return SERVED
    if caller == "none":
        return {401}
    if caller in {"self", "other"}:
        if rule.scope not in OF_LEARNERS:
            return {403}
        strange = caller == "other" and rule.learner is not Learner.NONE
        return SERVED if not strange else {404} if rule.learner is Learner.OWNER else {403}
    return SERVED if caller in {rule.scope.value, "admin", "administrator"} else {403}


SERVED = {200, 201, 202, 204}
CALLERS = ["none", "self", "other", "administrator", *[scope.value for scope in Scope]]


def test_every_route_has_a_row(settings: ApiSettings, world: World) -> None:
    """The rules and this matrix name exactly the routes that there are."""

    async def registered() -> set[str]:
        app = create_app(build(settings))
        return {
            f"{method} {route.path_format if route.path_format.count(':') else route.path}"
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for method in route.methods - {"OPTIONS", "HEAD"}
        }

    import asyncio

    assert asyncio.run(registered()) == set(RULES), "add the new route to api/access/rules.py"
    assert set(world.calls) == set(RULES), "add the new route to tests/api/test_authorization.py"


@pytest.mark.parametrize("route", RULES)
def test_matrix(world: World, route: str) -> None:
    """Each kind of caller is served or refused as the route's row says; a refusal has the one shape."""
    wrong = []
    for caller in CALLERS:
        response = ask(world, route, OTHER if caller == "other" else ME, "self" if caller == "other" else caller)
        if response.status_code not in expected(route, caller):
            wrong.append((caller, response.status_code))
        if response.status_code in {401, 403}:
            problem_of(response)
            assert (response.status_code == 401) == ("www-authenticate" in response.headers)
    assert wrong == []


def test_a_learner_listens_to_nobody_else(world: World) -> None:
    """Without a userId the stream is about everybody, which a learner's token does not reach."""
    for path in ("/api/stream", "/api/stream?topics=profile", f"/api/stream?userId={OTHER}&userId={ME}"):
        assert problem_of(world.client.get(path, headers=bearer(world.credentials["self"])))["status"] in {400, 403}


def test_one_item_for_somebody_else_refuses_the_body(world: World) -> None:
    """A learner's token cannot slip another learner's event into a batch."""
    items = [interaction(ME), interaction(OTHER)]
    response = world.client.post("/api/interactions", json=items, headers=bearer(world.credentials["self"]))
    assert problem_of(response)["status"] == 403


@pytest.mark.parametrize("path", ["/api/learning-paths", "/api/learning-paths?userId=%ff", "/api/profile/%00"])
def test_malformed_ids_are_no_way_in(world: World, path: str) -> None:
    """What names no learner is refused as before, not served."""
    response = world.client.get(path, headers=bearer(world.credentials["self"]))
    assert problem_of(response)["status"] in {400, 403}


@pytest.mark.parametrize(
    "path",
    ["/api/profile/{}/", "/api//profile/{}", "/api/profile/{}%2f", "/API/profile/{}", "/api/recommendations/{}/"],
)
def test_detours_are_no_way_in(world: World, path: str) -> None:
    """Other spellings of another learner's address are refused or not found."""
    response = world.client.get(path.format(OTHER), headers=bearer(world.credentials["self"]))
    assert response.status_code in {400, 403, 404}


def test_only_the_shop_sells_freezes(world: World) -> None:
    """A learner's token cannot say that something was bought; the platform's key can."""
    path, body = f"/api/streaks/{ME}/freezes", {"source": "BOUGHT"}
    assert world.client.post(path, json=body, headers=bearer(world.credentials["self"])).status_code == 403
    assert world.client.post(path, json=body, headers=bearer(world.credentials["profiles:write"])).status_code == 202


def test_denials_are_in_the_audit_log(world: World) -> None:
    """Each refusal, and what administrators do, is written down without a name; the chain is whole."""
    request_id = uuid.uuid4().hex
    headers = {**bearer(world.credentials["self"]), "x-request-id": request_id}
    assert world.client.get(f"/api/profile/{OTHER}", headers=headers).status_code == 403
    boss = {**bearer(world.credentials["administrator"]), "x-request-id": request_id + "-boss"}
    assert world.client.get(f"/api/profile/{OTHER}", headers=boss).status_code == 200
    assert world.client.get("/api/trending", headers={"x-request-id": request_id + "-none"}).status_code == 401
    with closing(connect(world.database_url, autocommit=True)) as connection:

        def entries() -> dict[str, dict[str, Any]]:
            found = [json.loads(entry) for _, entry, _ in access_audit.read_all(connection)]
            return {entry["requestId"]: entry for entry in found if entry["requestId"].startswith(request_id)}

        found = until(lambda: entries() if len(entries()) == 3 else None)
        text = "".join(entry for _, entry, _ in access_audit.read_all(connection))
        verified = access_audit.verify(access_audit.read_all(connection))
    denied = found[request_id]
    assert (denied["outcome"], denied["reason"], denied["status"]) == ("denied", "other-learner", 403)
    assert denied["route"] == "/api/profile/{user_id}"
    assert denied["actor"].startswith("learner:")
    assert found[request_id + "-boss"]["outcome"] == "allowed"
    assert found[request_id + "-none"]["reason"] == "no-credentials"
    assert ME not in text
    assert OTHER not in text
    assert verified.broken_seq is None


def test_revoked_expired_and_rotated_keys(world: World) -> None:
    """A rotated key works beside its successor, then ends; a revoked one ends at once."""
    with closing(connect(world.database_url, autocommit=True)) as connection:
        old = api_keys.create(connection, "to rotate", ["recommendations:read"])
        rotated = api_keys.rotate(connection, old.key_id, 3_600)
        assert rotated is not None
        assert api_keys.rotate(connection, old.key_id, 3_600) is None
        short = api_keys.create(connection, "to rotate away", ["recommendations:read"])
        gone = api_keys.rotate(connection, short.key_id, 0)
        assert gone is not None

        def status(secret: str) -> int:
            return world.client.get("/api/trending", headers={"x-api-key": secret}).status_code

        assert until(lambda: status(rotated.successor.secret) == 200 and status(gone.successor.secret) == 200)
        assert status(old.secret) == 200
        assert status(short.secret) == 401
        assert api_keys.revoke(connection, rotated.successor.key_id)
        assert not api_keys.revoke(connection, "aaaaaaaaaaaa")
        assert until(lambda: status(rotated.successor.secret) == 401)
        stored = repr(connection.execute("SELECT * FROM api_key").fetchall())
    secret = old.secret.partition(f"{old.key_id}_")[2]  # which may itself have an underscore
    assert len(secret) > 20
    assert secret not in stored


def test_credentials_that_are_refused(world: World, identity: Identity) -> None:
    """Bad credentials are a 401 everywhere, also where none are needed, and are not repeated."""
    good = world.credentials["recommendations:read"]
    for bad in (good[:-1] + "!", good[:-4] + "AAAA", good + "x", "personalize_", "x", identity.token(exp=1)):
        response = world.client.get("/api/trending", headers=bearer(bad))
        assert problem_of(response)["status"] == 401
        assert bad not in response.text or len(bad) < 20
    assert world.client.get("/livez", headers=bearer("x")).status_code == 401
    assert world.client.get("/api/trending", headers={"authorization": "Basic eDp5"}).status_code == 401


def test_the_session_of_a_page(world: World) -> None:
    """A session acts for its key, from its own origin only, and ends with the key."""
    base = str(world.client.base_url).rstrip("/")
    with closing(connect(world.database_url, autocommit=True)) as connection:
        key = api_keys.create(connection, "page", ["events:write", "recommendations:read"])

        def begin() -> httpx.Response:
            return world.client.post("/api/session", headers={"x-api-key": key.secret, "origin": base})

        until(lambda: begin().status_code == 204)
        cookie = begin().headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        headers = {"cookie": cookie.partition(";")[0]}
        post = {"json": interaction(ME)}
        own = {**headers, "origin": base}
        world.client.cookies.clear()
        assert world.client.get("/api/trending", headers=headers).status_code == 200
        assert world.client.post("/api/interactions", **post, headers=own).status_code == 202
        assert world.client.post("/api/interactions", **post, headers=headers).status_code == 401
        foreign = {**headers, "origin": "https://evil.example"}
        assert world.client.post("/api/interactions", **post, headers=foreign).status_code == 403
        assert world.client.get(f"/api/profile/{ME}", headers=headers).status_code == 403
        forged = {"cookie": headers["cookie"][:-4] + "AAAA", "origin": base}
        assert world.client.post("/api/interactions", **post, headers=forged).status_code == 401
        api_keys.revoke(connection, key.key_id)
        assert until(lambda: world.client.get("/api/trending", headers=headers).status_code == 401)
    world.client.cookies.clear()


def test_time_passes(world: World) -> None:
    """A session is short."""
    from api.access.sessions import SECONDS, Sessions

    sessions = Sessions("a secret of sixteen")
    now = time.time()
    token = sessions.make("abc", now)
    assert sessions.read(token, now + SECONDS - 2) == "abc"
    assert sessions.read(token, now + SECONDS + 1) is None
    assert Sessions("another secret of 16").read(token, now) is None
