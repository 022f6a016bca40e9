"""Is the API alive, and can it serve?  For supervisors, load balancers and Prometheus."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Literal, LiteralString

from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from api.contract.parts import CACHE_CONTROL, RETRY_AFTER
from api.contract.vocabulary import Contract, Reply
from api.dependencies import Dependencies
from api.metrics import CONTENT_TYPE
from api.problems import Answer, Headers
from api.routes.exchange import HttpRequest, json_answer, no_parameters, route
from projections.stores.postgres_pool import Unavailable

REVISION: LiteralString = "SELECT version_num FROM alembic_version"
ASKED_SECONDS = 1.0
"""Checks are asked at most once in this time, whoever asks and however often."""
_NO_STORE: Headers = [(b"cache-control", b"no-store")]


class Liveness(Struct, frozen=True, kw_only=True):
    """Whether the process answers."""

    status: Literal["ok"]


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether what the API needs answers."""

    status: Literal["ready", "not ready"]
    checks: Annotated[dict[str, str], Meta(description="What was asked, and `ok` or what is wrong and the fix.")]


_CHECKS = {"postgres": "ok", "migrations": "ok", "kafka": "ok", "redis": "ok"}
_LIVEZ = Contract(
    summary="Whether the process answers",
    tag="Operations",
    replies={
        200: Reply(description="It does.", type=Liveness, examples=[{"status": "ok"}], headers=(CACHE_CONTROL,)),
    },
)
_READYZ = Contract(
    summary="Whether the API can serve",
    tag="Operations",
    replies={
        200: Reply(
            description="It can. Redis may be away: then lists come from Postgres.",
            type=Readiness,
            examples=[{"status": "ready", "checks": _CHECKS}],
            headers=(CACHE_CONTROL,),
        ),
        503: Reply(
            description="It cannot; `checks` says why.",
            type=Readiness,
            examples=[{"status": "not ready", "checks": {**_CHECKS, "kafka": "does not answer"}}],
            headers=(CACHE_CONTROL, RETRY_AFTER),
        ),
    },
)
_METRICS = Contract(
    summary="Metrics for Prometheus",
    tag="Operations",
    replies={
        200: Reply(
            description="The text format of Prometheus.",
            media_type=CONTENT_TYPE,
            examples=['personalize_api_requests_total{method="GET",route="/livez",status="200"} 1.0\n'],
            headers=(CACHE_CONTROL,),
        )
    },
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    health = _Health(dependencies)
    return [
        route("GET", "/livez", health.livez, _LIVEZ),
        route("GET", "/readyz", health.readyz, _READYZ),
        route("GET", "/metrics", health.metrics, _METRICS),
    ]


class _Health:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._checks: dict[str, str] = {}
        self._asked_at = -1e9
        self._asking = asyncio.Lock()

    async def livez(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        return json_answer(Liveness(status="ok"), _NO_STORE)

    async def readyz(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        async with self._asking:
            if time.monotonic() - self._asked_at >= ASKED_SECONDS:
                self._checks = await self._ask()
                self._asked_at = time.monotonic()
        # Without Redis everything works, only slower: it is shown but does not count.
        ready = all(state == "ok" for name, state in self._checks.items() if name != "redis")
        body = Readiness(status="ready" if ready else "not ready", checks=self._checks)
        headers = _NO_STORE if ready else [*_NO_STORE, (b"retry-after", b"1")]
        return json_answer(body, headers, 200 if ready else 503)

    async def metrics(self, request: HttpRequest) -> Answer:
        no_parameters(request)
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
