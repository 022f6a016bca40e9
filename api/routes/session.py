"""How does a page begin a session?  With an API key, or without one where none is asked for; from its own origin."""

from __future__ import annotations

import time

from litestar.handlers import HTTPRouteHandler

from api.access.callers import ANYBODY, NOBODY, forbidden, unauthorized
from api.access.rules import caller_of, deny
from api.access.sessions import set_cookie
from api.contract.parts import CACHE_CONTROL
from api.contract.vocabulary import Contract, Header, Reply
from api.dependencies import Dependencies
from api.problems import Answer
from api.routes.exchange import HttpRequest, no_parameters, request_headers, route

_KEY = "key:"
_LOOPBACK = (b"localhost", b"127.", b"[::1]")


_SESSION = Contract(
    summary="Begin the session of a page",
    tag="Operations",
    description="The cookie lets a page of this origin do what the API key grants, for 15 minutes.",
    replies={
        204: Reply(
            description="It has begun.",
            media_type=None,
            headers=(
                CACHE_CONTROL,
                Header(name="Set-Cookie", description="The session's cookie.", schema={"type": "string"}),
            ),
        )
    },
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""

    async def begin(request: HttpRequest) -> Answer:
        no_parameters(request)
        caller = caller_of(request.scope)
        if caller is NOBODY:
            raise deny(request.scope, "no-credentials", unauthorized("Send the API key that the session acts for."))
        if caller is not ANYBODY and not caller.name.startswith(_KEY):
            raise deny(request.scope, "scope", forbidden("A session acts for an API key; send web tokens as they are."))
        key_id = "" if caller is ANYBODY else caller.name.removeprefix(_KEY)
        token = dependencies.access.sessions.make(key_id, time.time())
        host = request_headers(request).get(b"host", b"")
        cookie = set_cookie(token, secure=not host.startswith(_LOOPBACK))
        return Answer(204, [(b"set-cookie", cookie), (b"cache-control", b"no-store")], b"")

    return [route("POST", "/api/session", begin, _SESSION)]
