"""Pages of listed sites may call, others may not; every kind of refusal stands in the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
from access_kit import bearer
from api_kit import interaction, running, until

from api.dependencies import ApiSettings
from projections import access_audit, api_keys
from projections.stores.postgres import connect

LISTED, OTHER = "https://learn.example", "https://evil.example"
ASK = {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}


@pytest.fixture(scope="module")
def open_to_a_site(settings: ApiSettings) -> Iterator[httpx.Client]:
    """An API whose answers the pages of one other site may read."""
    with running(replace(settings, origins=frozenset({LISTED}))) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        yield client


def test_a_browser_asks_first(open_to_a_site: httpx.Client) -> None:
    """A listed site is told what its pages may send; another one is told nothing."""
    told = open_to_a_site.options("/api/interactions", headers={"origin": LISTED, **ASK})
    assert told.status_code == 204
    assert told.headers["access-control-allow-origin"] == LISTED
    assert "POST" in told.headers["access-control-allow-methods"]
    assert "X-API-Key" in told.headers["access-control-allow-headers"]
    assert told.headers["vary"] == "Origin"
    silent = open_to_a_site.options("/api/interactions", headers={"origin": OTHER, **ASK})
    assert not [name for name in silent.headers if name.startswith("access-control")]


def test_who_may_read_and_change(open_to_a_site: httpx.Client) -> None:
    """Answers name the listed site alone, cookies are never asked for, and changes from elsewhere are refused."""
    for path in ("/api/trending", "/api/recommendations/somebody", "/api/profile/nobody"):
        read = open_to_a_site.get(path, headers={"origin": LISTED})
        assert read.headers["access-control-allow-origin"] == LISTED
        assert "X-Consistency-Token" in read.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in read.headers
        other = open_to_a_site.get(path, headers={"origin": OTHER})
        assert "access-control-allow-origin" not in other.headers
        assert other.headers["vary"] == "Origin"
    posts = [
        open_to_a_site.post("/api/interactions", json=interaction(), headers={"origin": o}) for o in (LISTED, OTHER)
    ]
    assert posts[1].status_code == 403
    assert posts[1].json()["type"] == "/problems/forbidden"
    assert posts[0].status_code in {202, 403}


def test_every_kind_of_refusal_is_written_down(settings: ApiSettings, open_to_a_site: httpx.Client) -> None:
    """Without credentials, with bad ones, without the scope, from a foreign page: an entry each, none with an id.

    The last of this module: from now on its database asks for keys.
    """
    with closing(connect(settings.database_url, autocommit=True)) as connection:
        secret = api_keys.create(connection, "reader", ["catalogue:read"]).secret
        ask = open_to_a_site.get
        until(lambda: ask("/api/trending").status_code == 401)
        sent = {
            "no-credentials": ask("/api/profile/a-person"),
            "bad-key": ask("/api/profile/a-person", headers=bearer(secret[:-4] + "AAAA")),
            "scope": ask("/api/profile/a-person", headers=bearer(secret)),
            "foreign-origin": open_to_a_site.post(
                "/api/interactions", json=[], headers={"origin": OTHER, **bearer(secret)}
            ),
        }
        assert [answer.status_code for answer in sent.values()] == [401, 401, 403, 403]
        ids = {answer.headers["x-request-id"]: reason for reason, answer in sent.items()}

        def written() -> dict[str, str] | None:
            entries = [json.loads(entry) for _, entry, _ in access_audit.read_all(connection)]
            assert "a-person" not in json.dumps(entries)
            found = {ids[one["requestId"]]: one["reason"] for one in entries if one.get("requestId") in ids}
            return found if len(found) == len(ids) else None

        assert until(written) == {reason: reason for reason in ids.values()}
