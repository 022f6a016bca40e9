"""Where is the API described?  Its OpenAPI document, as the routes are registered."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from litestar.handlers import HTTPRouteHandler

from api.contract.parts import CACHE_CONTROL
from api.contract.vocabulary import Contract, Reply
from api.parameters import query
from api.problems import Answer
from api.routes.exchange import HttpRequest, route

NOTHING = frozenset[str]()
_OPENAPI = Contract(
    summary="This document",
    tag="Operations",
    replies={
        200: Reply(
            description="OpenAPI 3.1.",
            type=dict[str, Any],
            examples=[{"openapi": "3.1.1", "info": {"title": "Personalization engine", "version": "0.1.0"}}],
            headers=(CACHE_CONTROL,),
        )
    },
)


def routes(text: Callable[[], str]) -> list[HTTPRouteHandler]:
    """The routes of this file; ``text`` makes the document and is called once."""

    @cache
    def body() -> bytes:
        return text().encode()

    async def openapi(request: HttpRequest) -> Answer:
        query(request.scope["query_string"], NOTHING)
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")]
        return Answer(200, headers, body())

    return [route("GET", "/openapi.json", openapi, _OPENAPI)]
