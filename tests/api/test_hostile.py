"""Hostile input: whatever is sent, the answer is below 500, is a problem when it is a refusal, and tells nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
from api_kit import raw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RELAXED = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
FEWER = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

PATHS = [
    "/api/profile/{}",
    "/api/recommendations/{}",
    "/api/achievements/{}",
    "/api/content/{}",
    "/api/commands/{}",
]
NASTY = st.sampled_from(
    [
        "' OR 1=1 --",
        "'; DROP TABLE learners; --",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%s%s%s%n",
        "{user_id:str}",
        "${jndi:ldap://x}",
        "<script>alert(1)</script>",
        "\r\nX-Injected: 1",
        "\u202e\ufeff",
        "a" * 128,
        "-1",
        "NaN",
        "1e309",
    ]
)
texts = st.one_of(NASTY, st.text(st.characters(exclude_categories=["Cs"]), max_size=140))
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), texts
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.sampled_from(["userId", "interactionType", "contentId", "eventId", "context"]), texts),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)


def check(response: httpx.Response) -> None:
    """The answer is no failure, and a refusal has the one shape."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert "Traceback" not in response.text
    assert "x-injected" not in response.headers


@given(st.sampled_from(PATHS), texts)
@RELAXED
def test_any_id(api: httpx.Client, path: str, text: str) -> None:
    """Any text as an id is found, not found, or refused."""
    check(api.get(path.format(quote(text, safe="")), headers={"prefer": "wait=0"}))


@given(
    st.sampled_from(["/api/trending", "/api/recommendations/u", "/api/profile/u", "/readyz", "/api/interactions"]),
    st.dictionaries(
        st.one_of(st.sampled_from(["limit", "type", "window", "topic", "contentType", "token"]), texts),
        texts,
        max_size=4,
    ),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
)
@RELAXED
def test_any_query(api: httpx.Client, path: str, parameters: dict[str, str], method: str) -> None:
    """Any query under any method is served or refused."""
    response = api.request(method, path, params=parameters)
    if method == "HEAD":
        assert response.status_code < 500
    else:
        check(response)


@given(
    st.sampled_from(["/api/interactions", "/api/content", "/api/profile", "/api/achievements/u/x/claim"]),
    st.one_of(json_values.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200)),
    st.sampled_from(["application/json", "application/x-ndjson", "text/html", "", "application/json;charset=utf-7"]),
)
@RELAXED
def test_any_body(api: httpx.Client, path: str, body: bytes, kind: str) -> None:
    """Any body under any media type is taken or refused."""
    check(api.post(path, content=body, headers={"content-type": kind, "prefer": "wait=0"}))


@given(
    st.dictionaries(
        st.sampled_from(
            ["x-consistency-token", "prefer", "x-request-id", "content-length", "traceparent", "accept", "cookie"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200).map(str.strip),
        max_size=4,
    )
)
@FEWER
def test_any_header(api: httpx.Client, headers: dict[str, Any]) -> None:
    """Any value of the headers that mean something is used, ignored, or refused."""
    headers.pop("content-length", None)
    check(api.get("/api/profile/u", headers=headers))
    check(api.get("/api/recommendations/u", headers=headers))


@given(st.binary(min_size=1, max_size=300))
@FEWER
def test_any_bytes(api: httpx.Client, data: bytes) -> None:
    """Any bytes on a connection are answered below 500 or not at all, and the server goes on."""
    answer = raw(api, data + b"\r\n\r\n", seconds=0.05)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert api.get("/livez").status_code == 200
