"""Where is the API described?  Its OpenAPI document, as the routes are registered, and a page that shows it.

The page is RapiDoc, kept beside this package with its licence; nothing is loaded from elsewhere, and the page's policy
forbids the browser to try.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from litestar.handlers import HTTPRouteHandler

from api.contract.parts import CACHE_CONTROL
from api.contract.vocabulary import Contract, Reply
from api.problems import Answer, Headers
from api.routes.exchange import HttpRequest, no_parameters, route

SCRIPT = Path(__file__).resolve().parents[1] / "vendored" / "rapidoc" / "rapidoc-min.js"
KEPT: Headers = [(b"cache-control", b"public, max-age=300")]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Personalization engine: API</title>
<link rel="icon" href="data:,">
<script type="module" src="/docs/rapidoc-min.js"></script>
</head>
<body>
<rapi-doc spec-url="/openapi.json" load-fonts="false" render-style="read" theme="light" show-header="false"
  schema-style="table" default-schema-tab="schema" allow-server-selection="false" allow-authentication="false"
  regular-font="system-ui, sans-serif" mono-font="ui-monospace, monospace" primary-color="#1d4ed8"></rapi-doc>
<noscript><p>This page needs JavaScript; <a href="/openapi.json">/openapi.json</a> does not.</p></noscript>
</body>
</html>
"""
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
_PAGE = Contract(
    summary="This document as a page",
    tag="Operations",
    replies={
        200: Reply(
            description="HTML.", media_type="text/html; charset=utf-8", examples=[PAGE[:15]], headers=(CACHE_CONTROL,)
        )
    },
)
_SCRIPT = Contract(
    summary="The script of that page",
    tag="Operations",
    replies={
        200: Reply(
            description="RapiDoc.",
            media_type="text/javascript; charset=utf-8",
            examples=["/* RapiDoc */"],
            headers=(CACHE_CONTROL,),
        )
    },
)


def routes(text: Callable[[], str]) -> list[HTTPRouteHandler]:
    """The routes of this file; ``text`` makes the document and is called once."""

    @cache
    def document() -> bytes:
        return text().encode()

    async def openapi(request: HttpRequest) -> Answer:
        no_parameters(request)
        return Answer(200, [(b"content-type", b"application/json"), *KEPT], document())

    async def page(request: HttpRequest) -> Answer:
        no_parameters(request)
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", POLICY.encode()), *KEPT]
        return Answer(200, [*headers, (b"referrer-policy", b"no-referrer")], PAGE.encode())

    async def script(request: HttpRequest) -> Answer:
        no_parameters(request)
        return Answer(200, [(b"content-type", b"text/javascript; charset=utf-8"), *KEPT], _script())

    return [
        route("GET", "/openapi.json", openapi, _OPENAPI),
        route("GET", "/docs", page, _PAGE),
        route("GET", "/docs/rapidoc-min.js", script, _SCRIPT),
    ]


@cache
def _script() -> bytes:
    return SCRIPT.read_bytes()
