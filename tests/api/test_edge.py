"""The edge: limits on time and number, unforeseen failures, and a log that names nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from api_kit import interaction, problem_of, raw, running, until
from structlog.testing import capture_logs

import api.server
from api.dependencies import ApiSettings
from api.edge import Edge
from api.ids import new_id
from api.limits import Limits
from api.metrics import Metrics
from api.problems import Answer

HEADERS = [(b"host", b"localhost")]


def scope(path: bytes = b"/api/recommendations/secret-learner", method: str = "GET") -> dict[str, Any]:
    """An ASGI scope."""
    return {
        "type": "http",
        "method": method,
        "path": path.decode(),
        "raw_path": path,
        "query_string": b"",
        "headers": HEADERS,
        "state": {},
    }


async def ask(edge: Edge, asked: dict[str, Any]) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of what an ASGI application answers."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await edge(asked, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """A framework that is not asked."""
    raise AssertionError


def never(_scope: Any, _headers: Any) -> Answer | None:
    """Nothing lies ready."""
    return None


def test_an_unforeseen_failure_is_a_500_that_tells_nothing() -> None:
    """The answer is a problem with the request's id; the log has the place and the kind of the failure, no more."""

    async def fails(_scope: Any, _headers: Any) -> Answer:
        raise RuntimeError("secret-learner said something private")

    metrics = Metrics()
    with capture_logs() as logs:
        status, headers, body = asyncio.run(ask(Edge(nothing, fails, never, metrics, Limits()), scope()))
    problem = json.loads(body)
    assert (status, problem["type"], problem["title"]) == (500, "/problems/internal", "Internal error")
    assert problem["requestId"].encode() == headers[b"x-request-id"]
    assert [entry["error"] for entry in logs] == ["RuntimeError"]
    assert "fails" in logs[0]["where"]
    assert logs[0]["request_id"] == problem["requestId"]
    assert "secret" not in json.dumps(logs) + body.decode() + metrics.exposition().decode()


def test_too_many_requests_at_once_are_refused() -> None:
    """Beyond the limit a request is answered 503 with Retry-After at once; those under way are finished."""

    async def main() -> None:
        gate = asyncio.Event()

        async def slow(_scope: Any, _headers: Any) -> Answer:
            await gate.wait()
            return Answer(200, [], b"[]")

        edge = Edge(nothing, slow, never, Metrics(), Limits(requests_in_flight=2))
        under_way = [asyncio.create_task(ask(edge, scope())) for _ in range(2)]
        await asyncio.sleep(0)
        status, headers, body = await ask(edge, scope())
        assert (status, headers[b"retry-after"]) == (503, b"1")
        assert json.loads(body)["type"] == "/problems/overloaded"
        gate.set()
        assert [(await task)[0] for task in under_way] == [200, 200]
        assert (await ask(edge, scope()))[0] == 200

    asyncio.run(main())


def test_a_slow_body_is_refused(settings: ApiSettings) -> None:
    """A body that does not arrive in time is a 408, and the connection is closed."""
    with running(replace(settings, limits=Limits(body_seconds=0.3))) as client:
        head = b"POST /api/interactions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        answer = raw(client, head + b"Content-Length: 100\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in answer.lower()
        assert client.get("/livez").status_code == 200


def test_requests_under_way_are_finished_at_the_end(settings: ApiSettings) -> None:
    """A request whose body is half here when the server is told to end is answered before it ends."""
    body = json.dumps(interaction("last", eventId="last")).encode()
    head = b"POST /api/interactions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with contextlib.ExitStack() as open_now:
        with running(settings) as client:
            until(lambda: client.post("/api/interactions", json=interaction("first")).status_code == 202)
            address = (client.base_url.host, client.base_url.port or 80)
            connection = open_now.enter_context(socket.create_connection(address, timeout=15))
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
            until(lambda: "personalize_api_requests_in_flight 2.0" in client.get("/metrics").text)

            def rest() -> None:
                # The server is ending once it takes no new connections.
                with contextlib.suppress(OSError):
                    while True:
                        socket.create_connection(address, timeout=1).close()
                        time.sleep(0.01)
                connection.sendall(body[5:])

            thread = threading.Thread(target=rest)
            thread.start()
        thread.join(15)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 202")


def test_a_slow_head_is_refused(settings: ApiSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that connects and does not finish its headers is sent away; one that waits between requests is not."""
    monkeypatch.setattr(api.server, "HEAD_SECONDS", 0.3)
    with running(settings) as client:
        assert raw(client, b"").startswith(b"HTTP/1.1 408")
        assert raw(client, b"GET /livez HTTP/1.1\r\nHost: 127.").startswith(b"HTTP/1.1 408")
        assert client.get("/livez").status_code == 200
        time.sleep(0.6)
        assert client.get("/livez").status_code == 200


def test_requests_on_one_connection_do_not_mix(api: httpx.Client) -> None:
    """Pipelined requests are answered in order, each with its own id."""
    request = b"GET /api/recommendations/p-%d?limit=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: id-%d\r\n%s\r\n"
    answer = raw(api, b"".join(request % (n, n, b"Connection: close\r\n" if n == 4 else b"") for n in range(5)))
    ids = [line.split(b": ")[1] for line in answer.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert ids == [b"id-%d" % n for n in range(5)]


def test_ids_sort_by_time() -> None:
    """Ids made one after the other in different milliseconds are in order."""
    first = new_id()
    time.sleep(0.002)
    assert first < new_id()


def test_a_refusal_is_no_failure_in_the_log(api: httpx.Client) -> None:
    """What a client did wrong is answered, not logged."""
    with capture_logs() as logs:
        problem_of(api.get("/api/profile/nobody?x=1"))
    assert logs == []
