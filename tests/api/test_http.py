"""Every refusal has one shape (RFC 9457) and every answer an id, whoever refuses and however early."""

from __future__ import annotations

import json
import uuid

import httpx
import pytest
from api_kit import interaction, problem_of, raw

from api.server import NotLoopbackError, check_host

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/recommendations", 404),
        ("GET", "/api/recommendations/", 404),
        ("GET", "/api/recommendations/a/b", 404),
        ("GET", "/api/profile/nobody", 404),
        ("GET", "/api/achievements/nobody", 404),
        ("GET", "/api/content/nothing", 404),
        ("GET", "/api/commands/nothing", 404),
        ("PUT", "/api/interactions", 405),
        ("DELETE", "/api/recommendations/u-1", 405),
        ("POST", "/api/trending", 405),
        ("GET", "/api/trending?page=2", 400),
        ("GET", "/api/trending?window=2h", 400),
        ("GET", "/api/trending?limit=101", 400),
        ("GET", "/api/recommendations/u-1?limit=0", 400),
        ("GET", "/api/recommendations/u-1?type=best", 400),
        ("GET", "/api/recommendations/u-1?context=x", 400),
        ("GET", "/api/recommendations/%ff", 400),
        ("GET", "/api/profile/%00", 400),
        ("GET", "/api/profile/" + "a" * 129, 400),
        ("GET", "/api/profile/u-1?token=forged", 400),
        ("GET", "/api/recommendations/u-1?token=forged", 400),
        ("POST", "/api/interactions?dry=1", 400),
        ("POST", "/api/interactions", 415),
        ("POST", "/api/profile", 415),
        ("GET", "/api/profile/" + "a" * 9000, 414),
        ("GET", "/readyz?x=1", 400),
    ],
)
def test_refusals(api: httpx.Client, method: str, path: str, status: int) -> None:
    """What cannot be served is a problem with its status, a detail and the request's id."""
    response = api.request(method, path)
    assert problem_of(response)["status"] == status
    assert response.status_code == status
    if status == 405:
        assert "GET" in response.headers["allow"] or "POST" in response.headers["allow"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 400, ""),
        (b"{", 400, ""),
        (b"[", 400, None),
        (b"[1,]", 400, None),
        (b"\xff\xfe", 400, ""),
        (b"[" * 100_000, 400, None),
        (b"{}", 422, "/userId"),
        (b"[]", 422, None),
        (b"7", 422, ""),
        (b"null", 422, ""),
        (json.dumps(interaction(completionRate=85)).encode(), 422, "/completionRate"),
        (json.dumps([interaction(interactionType="GAZE")]).encode(), 422, "/0/interactionType"),
        (json.dumps([interaction(timezone="Mars/Olympus")] * 2).encode(), 422, "/0/timezone"),
        (json.dumps(interaction(occurredAt="1970-01-01T00:00:00Z")).encode(), 422, "/occurredAt"),
        (b'{"userId":"u","interactionType":"VIEW","contentType":"v","contentId":"c","score":NaN}', 400, ""),
    ],
)
def test_bodies_that_cannot_be_used(api: httpx.Client, body: bytes, status: int, pointer: str | None) -> None:
    """A body that is no JSON is 400, one that breaks a rule 422 with a pointer to the field."""
    problem = problem_of(api.post("/api/interactions", content=body, headers=JSON))
    assert problem["status"] == status
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer
        assert problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/plain", 415),
        ("application/json; charset=latin-1", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=UTF-8", 422),
        ("APPLICATION/JSON", 422),
        ("application/x-ndjson", 422),
    ],
)
def test_media_types(api: httpx.Client, kind: str, status: int) -> None:
    """Only JSON and NDJSON in UTF-8 are taken; what the header says decides, not what the body looks like."""
    assert problem_of(api.post("/api/interactions", content=b"{}", headers={"content-type": kind}))["status"] == status


def test_a_compressed_body_is_refused(api: httpx.Client) -> None:
    """Content-Encoding is not taken: a small body could otherwise become a large one."""
    response = api.post("/api/interactions", content=b"x", headers={**JSON, "content-encoding": "gzip"})
    assert problem_of(response)["status"] == 415


def test_a_body_may_have_16_megabytes(api: httpx.Client) -> None:
    """A longer body is refused by its announced length, and while it is read when it announces none."""
    announced = api.post("/api/interactions", content=b"[" + b" " * (16 << 20), headers=JSON)
    assert problem_of(announced)["status"] == 413

    def chunks() -> object:
        for _ in range(18):
            yield b" " * (1 << 20)

    try:
        unannounced = api.post("/api/interactions", content=chunks(), headers=JSON)  # type: ignore[arg-type]
    except httpx.WriteError:
        return  # refused and closed while we were still sending
    assert problem_of(unannounced)["status"] == 413


def test_request_ids(api: httpx.Client) -> None:
    """A given id is echoed, a missing or unsuitable one is replaced by a UUIDv7."""
    assert api.get("/livez", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for unsuitable in ("", "a b", "x" * 129, "<script>"):
        made = api.get("/livez", headers={"x-request-id": unsuitable}).headers["x-request-id"]
        assert uuid.UUID(made).version == 7


def test_unknown_hosts_are_refused(api: httpx.Client) -> None:
    """A page that points its own name at this address (DNS rebinding) gets nothing."""
    assert problem_of(api.get("/api/trending", headers={"host": "evil.example"}))["type"] == "/problems/unknown-host"
    assert api.get("/livez", headers={"host": "LOCALHOST:3009"}).status_code == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header: x\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 40_000 + b"\r\nConnection: close\r\n\r\n", b"431"),
        (b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: 1\r\n" * 200 + b"Connection: close\r\n\r\n", b"431"),
        (b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000, b"431"),
        (b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
    ],
)
def test_bad_http(api: httpx.Client, data: bytes, status: bytes) -> None:
    """What is not HTTP, or too much of it, is answered by a problem and a closed connection."""
    answer = raw(api, data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == int(status)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_it_does_not_listen_beyond_loopback(host: str) -> None:
    """Without keys the API refuses an address that other machines can reach, and says what to do."""
    with pytest.raises(NotLoopbackError, match="nothing would tell who asks"):
        check_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_it_listens_on_loopback(host: str) -> None:
    """Loopback addresses are fine."""
    check_host(host)


def test_health_and_metrics(api: httpx.Client) -> None:
    """The API is alive and ready, and counts its requests by route pattern."""
    assert api.get("/livez").json() == {"status": "ok"}
    ready = api.get("/readyz")
    assert ready.json() == {
        "status": "ready",
        "checks": {"postgres": "ok", "migrations": "ok", "kafka": "ok", "redis": "ok"},
    }
    api.get("/api/profile/somebody-secret")
    api.get("/api/recommendations/somebody-secret")
    exposition = api.get("/metrics").text
    assert 'personalize_api_requests_total{method="GET",route="/api/profile/{user_id}",status="404"}' in exposition
    assert 'route="/api/recommendations/{user_id}",status="200"' in exposition
    assert "personalize_api_request_duration_seconds_bucket" in exposition
    assert "somebody-secret" not in exposition
