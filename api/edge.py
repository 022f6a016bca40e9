"""What happens to every request, whichever route serves it?  Identity, limits, metrics, and problems for the rest.

This stands outside the framework because a request that no route matches is a request too: it gets an id, is counted,
and is refused in the same shape.  Paths are handed on *undecoded*, so that a user id may contain an encoded slash.
The one hot route, a learner's recommendations, is answered here directly: the framework's way is twice as long.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import structlog

from api.access.access import Access
from api.access.callers import ANYBODY, NOBODY, Caller
from api.access.callers import Scope as Right
from api.access.cross_origin import allow, preflight
from api.access.rules import DENIAL, PROTECTED, permit
from api.ids import new_id
from api.limits import Limits, bounded_body, check_url_and_headers
from api.metrics import UNMATCHED, Metrics
from api.problems import Answer, Headers, ProblemError, problem, problem_answer
from projections import tracing

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
HotRoute = Callable[[Scope, dict[bytes, bytes]], Awaitable[Answer]]
"""(scope, headers) -> answer."""
AtOnce = Callable[[Scope, dict[bytes, bytes]], Answer | None]
"""The same, for what lies ready; None: it does not."""

HOT_PREFIX = b"/api/recommendations/"
HOT_PATTERN = "/api/recommendations/{user_id}"
HOT_ROUTE = "GET /api/recommendations/{user_id:str}"
"""The name of its rule."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}\Z")
_HOST = re.compile(rb"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?\Z")

_log = structlog.get_logger("api")


class Edge:
    """The outermost ASGI application.

    Args:
        app: the framework's application, for everything but the hot route.
        hot: answers ``GET /api/recommendations/:userId``.
        at_once: is asked before it.
        metrics: where requests are counted.
        limits: what requests are held to.
        hosts: names with a dot that the Host header may have, lower case.  A page that points its own name at this
            address (DNS rebinding) has another one; names without a dot are no public names and always good.
        access: finds out who asks; None: everybody may do everything.
        on_stop: called when the server is told to end, before it waits for the requests under way.
    """

    def __init__(
        self,
        app: Application,
        hot: HotRoute,
        at_once: AtOnce,
        metrics: Metrics,
        limits: Limits,
        hosts: frozenset[str] = frozenset(),
        *,
        access: Access | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self.app = app
        self._hot = hot
        self._at_once = at_once
        self._metrics = metrics
        self._limits = limits
        self._hosts = frozenset(host.encode() for host in hosts)
        self._access = access
        self._origins = access.origins if access is not None else frozenset[bytes]()
        self.on_stop = on_stop
        self._in_flight = 0
        metrics.watch("requests_in_flight", "Requests being served.", lambda: self._in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request (or the lifespan, which is the framework's)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not _REQUEST_ID.match(request_id):
            request_id = new_id().encode()
        caller = ANYBODY if self._access is None else NOBODY
        state = scope.setdefault("state", {})  # the server's copy for this request
        state["request_id"], state[PROTECTED] = request_id.decode(), caller
        response = _Response(send, request_id, allow(headers, self._origins))
        span = tracing.request(scope, headers) if tracing.is_on() else None
        self._in_flight += 1
        try:
            await self._serve(scope, headers, receive, response)
        finally:
            self._in_flight -= 1
            seconds = time.perf_counter() - started
            route = scope.get("path_template") or UNMATCHED
            self._metrics.observe(route, scope["method"], response.status, seconds)
            if span is not None:
                span.end(scope["method"], route, response.status)
            self._write_down(scope, state, route, response)

    async def _serve(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, response: _Response) -> None:
        try:
            if self._in_flight > self._limits.requests_in_flight:
                raise problem(
                    503,
                    "Too many requests are being served. Try again later.",
                    kind="overloaded",
                    title="Overloaded",
                    headers=[(b"retry-after", b"1")],
                )
            check_url_and_headers(self._limits, scope)
            self._check_host(headers.get(b"host"))
            asked = preflight(scope["method"], headers, self._origins)
            if asked is not None:
                await response.answer(asked)
                return
            if self._access is not None:
                await self._identify(self._access, scope, headers, response)
            raw_path: bytes = scope["raw_path"]
            hot = raw_path.startswith(HOT_PREFIX) and b"/" not in raw_path[len(HOT_PREFIX) :]
            if hot and scope["method"] == "GET" and len(raw_path) > len(HOT_PREFIX):
                scope["path_template"] = HOT_PATTERN
                permit(scope, HOT_ROUTE, {"user_id": raw_path[len(HOT_PREFIX) :]})
                await response.answer(self._at_once(scope, headers) or await self._hot(scope, headers))
                return
            scope["path"] = raw_path.decode("ascii", errors="replace")
            if scope["method"] not in {"GET", "HEAD"}:
                receive = bounded_body(self._limits, headers.get(b"content-length"), receive)
            await self.app(scope, receive, response.send)
        except ProblemError as error:
            await response.answer(problem_answer(error, response.request_id.decode()))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the last place that can still answer
            log_failure(error, scope, response.request_id.decode())
            await response.answer(problem_answer(problem(500), response.request_id.decode()))

    async def _identify(self, access: Access, scope: Scope, headers: dict[bytes, bytes], response: _Response) -> None:
        """Finds the caller and counts the request; raises the problem of one that is not to be served."""
        try:
            caller = await access.caller(scope, headers)
        except ProblemError:
            access.limits.check_stranger(scope)
            raise
        if caller is NOBODY:
            access.limits.check_stranger(scope)
        scope["state"][PROTECTED] = caller
        access.check_origin(scope, headers)
        if caller.limited:
            response.add(await access.limits.check(caller))

    def _write_down(self, scope: Scope, state: dict[str, Any], route: str, response: _Response) -> None:
        """Hands refusals, and what administrators do, to the audit log."""
        caller: Caller = state[PROTECTED]
        denial = state.get(DENIAL)
        if response.status == 401 and self._access is not None:
            self._access.limits.count_stranger(scope)
        if self._access is None or (denial is None and (caller is ANYBODY or Right.ADMIN not in caller.scopes)):
            return
        request_id = response.request_id.decode()
        self._access.audit.record(scope, route, caller, response.status, denial, request_id)

    def _check_host(self, host: bytes | None) -> None:
        if host is None or not _is_good(host, self._hosts):
            raise problem(
                400,
                "The Host header names no host that this API is served under. Ask for 127.0.0.1 or localhost.",
                kind="unknown-host",
                title="Unknown host",
            )


@lru_cache(maxsize=256)
def _is_good(host: bytes, hosts: frozenset[bytes]) -> bool:
    match = _HOST.match(host)
    return match is not None and (b"." not in match[1] or match[1].lower() in hosts)


class _Response:
    """Sends one response with the request's id, and remembers its status."""

    def __init__(self, send: Send, request_id: bytes, more: Headers) -> None:
        self._send = send
        self._more = more
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Any) -> None:
        """An ASGI ``send`` that adds what every response carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id),
                (b"x-content-type-options", b"nosniff"),
                *self._more,
            ]
        await self._send(message)

    def add(self, headers: Headers) -> None:
        """Adds headers to the response, which has not begun."""
        self._more = [*self._more, *headers]

    async def answer(self, answer: Answer) -> None:
        """Sends a whole response, unless one was begun."""
        if self.status:
            return
        headers = answer.headers
        if answer.status not in {204, 304}:
            headers = [*headers, (b"content-length", b"%d" % len(answer.body))]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": answer.body})


def log_failure(error: BaseException, scope: Scope, request_id: str) -> None:
    """Logs what nobody foresaw, by place and kind; its message may quote what was sent and is left out."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place is not None else ""
    _log.error(
        "request_failed",
        request_id=request_id,
        method=scope.get("method"),
        route=scope.get("path_template") or UNMATCHED,
        error=type(error).__name__,
        where=where,
    )
