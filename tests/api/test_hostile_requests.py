"""Hostile requests by the thousand: none is a 5xx, none learns anything, and the process does not grow.

`make hostile` sends 10,000; the usual tests a few hundred.  Oversized, malformed, slow, traversal, injection into every
parameter of every route, forged credentials: all against a process of its own that asks for credentials.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest
from access_kit import AUDIENCE, ISSUER, Identity
from api_kit import create_topics, interaction

from api.access.rules import RULES
from personalize.stack import Endpoints
from projections import api_keys
from projections.stores.postgres import connect

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = int(os.environ.get("PERSONALIZE_HOSTILE", "400"))
MOST_GROWTH_BYTES = 48_000_000
SECRET = "a secret of the hostile tests"
VICTIM = f"victim-{uuid.uuid4().hex}"
ADDRESSES = [f"127.0.0.{n}" for n in range(2, 26)]
NASTY = [
    "' OR 1=1 --",
    "'; DROP TABLE learners; --",
    "$1; SELECT pg_sleep(9)",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "\x00",
    "%00",
    "%n%s%x",
    "${jndi:ldap://x/y}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "\r\nX-Injected: 1\r\n\r\n",
    "\u202e\ufeff\u0000",
    "\U0001f600" * 64,
    "a" * 129,
    "a" * 7_000,
    "NaN",
    "1e309",
    "-1",
    "9" * 40,
    "true",
    "[]",
    "*",
    "\\x27",
    "__proto__",
]
VALUES: list[Any] = [*NASTY, None, True, -1, 10**30, 1e308, [], [[]], {}, {"$gt": ""}, ["x"] * 50, {"a": {"b": {}}}]
PARAMETERS = ("userId", "limit", "type", "context", "token", "window", "topic", "topics", "cursor", "prefix", "metric")
FIELDS = (
    "userId",
    "contentId",
    "interactionType",
    "contentType",
    "modules",
    "requests",
    "override",
    "purposes",
    "title",
)
HEADERS = ("x-consistency-token", "prefer", "idempotency-key", "traceparent", "cookie", "x-request-id", "if-none-match")
LEAKS = ("Traceback", 'File "', "psycopg", "SELECT ", "postgresql://", SECRET, VICTIM, "root:x:", "litestar")


@dataclass(frozen=True)
class Target:
    """The process under attack, and good credentials for some of the attackers."""

    port: int
    pid: int
    key: str
    secrets: tuple[str, ...]
    identity: Identity


@pytest.fixture(scope="module")
def target(stack: Endpoints, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """`personalize api` as a process of its own, with keys and web tokens."""
    create_topics(stack.kafka)
    folder = tmp_path_factory.mktemp("hostile")
    identity = Identity(folder)
    with closing(connect(module_database_url, autocommit=True)) as connection:
        key = api_keys.create(connection, "attacker inside", ["admin"], requests_per_minute=0).secret
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    environment = {
        **inherited,
        **stack.environment(),
        "DATABASE_URL": module_database_url,
        "PERSONALIZE_HOME": str(folder),
        "TOKEN_SECRET": SECRET,
        "PORT": str(port),
        "JWT_KEYS": str(identity.file),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "personalize.cli", "api"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 60
            while not _lives(port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield Target(port, process.pid, key, (key, str(stack.redis_password)), identity)
        finally:
            process.terminate()
            process.wait(60)
    assert process.returncode == 0
    written = (folder / "log").read_text()
    assert "request_failed" not in written
    assert VICTIM not in written


def _lives(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Attack:
    """Sends requests and looks at what comes back."""

    target: Target
    seed: int
    clients: list[httpx.Client]
    seen: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._learners = [self.target.identity.token(f"learner-{n}") for n in range(60)]

    def judge(self, status: int, text: str) -> None:
        """No failure, no leak."""
        self.seen[status] += 1
        assert status < 500, text[:2_000]
        for leak in (*LEAKS, *self.target.secrets):
            assert leak not in text, leak

    def well_formed(self) -> None:
        """Any route, with anything in its path, query, headers and body, by anybody."""
        choice = self._random
        route = choice.choice(sorted(set(RULES) - {"GET /api/stream", "GET /docs/rapidoc-min.js", "GET /metrics"}))
        method, path = route.split(" ")
        if choice.random() < 0.15:
            method = choice.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
        for name in ("user_id", "content_id", "achievement_id", "path_id", "command_id"):
            path = path.replace("{" + name + ":str}", quote(choice.choice([*NASTY, VICTIM]), safe=""))
        if choice.random() < 0.1:
            path = (
                choice.choice(["/../..", "//", "/api/%2e%2e/%2e%2e", "/static/../../etc/passwd", "/.git/config"]) + path
            )
        if choice.random() < 0.5:
            query = "&".join(
                f"{choice.choice(PARAMETERS)}={quote(choice.choice(NASTY), safe='')}"
                for _ in range(choice.randint(1, 3))
            )
            path += "?" + query
        headers = {"prefer": "wait=0", **self._credentials()}
        if choice.random() < 0.3:
            headers[choice.choice(HEADERS)] = _printable(choice.choice(NASTY))
        content = None
        if method not in {"GET", "DELETE", "OPTIONS", "TRACE"}:
            content, headers["content-type"] = self._body()
        response = choice.choice(self.clients).request(method, path, content=content, headers=headers)
        self.judge(response.status_code, response.text)
        assert "x-injected" not in response.headers

    def _credentials(self) -> dict[str, str]:
        choice = self._random
        token = choice.choice(self._learners)
        kind = choice.random()
        if kind < 0.4:
            return {"x-api-key": self.target.key}
        if kind < 0.6:
            return {"authorization": f"Bearer {token}"}
        head, claims, signature = token.split(".")
        forged = [
            "",
            self.target.key[:-5] + "AAAAA",
            f"{head}.{claims}.",
            f"{head}.{claims}.{signature[::-1]}",
            f"{head[:-4]}.{claims}.{signature}",
            "eyJhbGciOiJub25lIn0." + claims + ".",
            "x." * 2_000,
            _printable(choice.choice(NASTY)),
        ]
        bad = choice.choice(forged)
        name = choice.choice(["authorization", "x-api-key", "cookie"])
        prefix = {"authorization": "Bearer ", "x-api-key": "", "cookie": "personalize_session="}[name]
        return {name: (prefix + bad).strip()} if bad else {}

    def _body(self) -> tuple[bytes, str]:
        choice = self._random
        kind = choice.choice(
            ["application/json"] * 4 + ["application/x-ndjson", "text/xml", "application/json;charset=x"]
        )
        value: Any = interaction(VICTIM)
        for _ in range(choice.randint(0, 4)):
            value[choice.choice(FIELDS)] = choice.choice(VALUES)
        shape = choice.random()
        if shape < 0.1:
            return b"[" * choice.choice([10, 5_000, 100_000]), kind
        if shape < 0.2:
            return choice.randbytes(choice.randint(0, 2_000)), kind
        if shape < 0.25:
            return b'{"userId":"' + b"x" * 300_000 + b'"}', kind
        text = json.dumps([value] * 20 if shape < 0.35 else value)
        return text.encode("utf-8", "surrogatepass"), kind

    def raw(self) -> None:
        """Bytes that are no HTTP, or too much of it."""
        choice = self._random
        data = choice.choice(
            [
                b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 9_000),
                b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 150 + b"\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
                b"GET / HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /api/interactions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
                b"POST /api/interactions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx",
                b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                choice.randbytes(choice.randint(1, 400)) + b"\r\n\r\n",
            ]
        )
        with socket.create_connection(("127.0.0.1", self.target.port), timeout=5) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while select.select([connection], [], [], 5)[0]:
                try:
                    block = connection.recv(65_536)
                except ConnectionResetError:
                    break
                if not block:
                    break
                answer += block
        if answer:
            self.judge(int(answer.split(b" ", 2)[1]), answer.decode("latin-1"))

    def slow(self) -> socket.socket:
        """A request that is never finished; the connection, for the caller to close."""
        connection = socket.create_connection(("127.0.0.1", self.target.port), timeout=5)
        connection.sendall(
            b"POST /api/interactions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"[: self._random.randint(1, 60)]
        )
        return connection


def _printable(text: str) -> str:
    return "".join(letter for letter in text if 32 < ord(letter) < 127) or "x"


def test_hostile_requests(target: Target) -> None:
    """As the module says."""
    with ExitStack() as open_now:
        clients = [
            open_now.enter_context(
                httpx.Client(
                    base_url=f"http://127.0.0.1:{target.port}",
                    timeout=30,
                    transport=httpx.HTTPTransport(local_address=address),
                )
            )
            for address in ADDRESSES
        ]
        attack = Attack(target, seed=7, clients=clients)
        process = psutil.Process(target.pid)
        warm, before = REQUESTS // 4, 0
        for number in range(REQUESTS):
            if number == warm:
                before = process.memory_info().rss
            if number % 10 == 0:
                attack.raw()
            elif number % 50 == 1:
                open_now.enter_context(attack.slow())
            else:
                attack.well_formed()
        grown = process.memory_info().rss - before
        print(f"\n{REQUESTS} requests, by status {dict(sorted(attack.seen.items()))}, grown by {grown / 1e6:.1f} MB")
        assert grown < MOST_GROWTH_BYTES
        assert {200, 400, 401, 404} <= set(attack.seen)
        assert clients[0].get("/livez").status_code == 200
