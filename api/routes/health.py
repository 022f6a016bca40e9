"""Is the API alive, and can it serve?  For supervisors, load balancers and Prometheus."""

from __future__ import annotations

import asyncio
import time
from typing import Any, LiteralString

from litestar.handlers import HTTPRouteHandler

from api.dependencies import Dependencies
from api.metrics import CONTENT_TYPE
from api.parameters import query
from api.problems import Answer, Headers
from api.routes.exchange import HttpRequest, json_answer, route
from projections.stores.postgres_pool import Unavailable

REVISION: LiteralString = "SELECT version_num FROM alembic_version"
ASKED_SECONDS = 1.0
"""Checks are asked at most once in this time, whoever asks and however often."""
NOTHING = frozenset[str]()
_NO_STORE: Headers = [(b"cache-control", b"no-store")]


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    health = _Health(dependencies)
    return [
        route("GET", "/livez", health.livez),
        route("GET", "/readyz", health.readyz),
        route("GET", "/metrics", health.metrics),
    ]


class _Health:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._checks: dict[str, str] = {}
        self._asked_at = -1e9
        self._asking = asyncio.Lock()

    async def livez(self, request: HttpRequest) -> Answer:
        query(request.scope["query_string"], NOTHING)
        return json_answer({"status": "ok"}, _NO_STORE)

    async def readyz(self, request: HttpRequest) -> Answer:
        query(request.scope["query_string"], NOTHING)
        async with self._asking:
            if time.monotonic() - self._asked_at >= ASKED_SECONDS:
                self._checks = await self._ask()
                self._asked_at = time.monotonic()
        # Without Redis everything works, only slower: it is shown but does not count.
        ready = all(state == "ok" for name, state in self._checks.items() if name != "redis")
        body: dict[str, Any] = {"status": "ready" if ready else "not ready", "checks": self._checks}
        headers = _NO_STORE if ready else [*_NO_STORE, (b"retry-after", b"1")]
        return json_answer(body, headers, 200 if ready else 503)

    async def metrics(self, request: HttpRequest) -> Answer:
        query(request.scope["query_string"], NOTHING)
        return Answer(
            200, [(b"content-type", CONTENT_TYPE.encode()), *_NO_STORE], self._dependencies.metrics.exposition()
        )

    async def _ask(self) -> dict[str, str]:
        redis = self._dependencies.redis
        postgres, kafka, mirrored = await asyncio.gather(
            self._postgres(),
            self._dependencies.publisher.answers(),
            redis.answers() if redis is not None else _true(),
        )
        return {
            **postgres,
            "kafka": "ok" if kafka else "does not answer",
            "redis": "ok" if mirrored else "does not answer (lists come from Postgres)",
        }

    async def _postgres(self) -> dict[str, str]:
        try:
            row = await self._dependencies.pool.row(REVISION)
        except Unavailable:
            return {"postgres": "does not answer", "migrations": "unknown"}
        except Exception:  # noqa: BLE001 - no such table: nothing was migrated
            return {"postgres": "ok", "migrations": "missing; run `personalize migrate`"}
        at_head = row is not None and row[0] == self._dependencies.settings.migration_head
        return {"postgres": "ok", "migrations": "ok" if at_head else "behind; run `personalize migrate`"}


async def _true() -> bool:
    return True
