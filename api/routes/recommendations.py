"""How does the framework reach the recommendations?  Mostly not at all: the edge answers them itself."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from api.problems import Answer
from api.recommendations import Lists
from api.routes.exchange import HttpRequest, request_headers, route


def routes(lists: Lists) -> list[HTTPRouteHandler]:
    """The routes of this file, so that they are listed and other methods are refused as everywhere."""

    async def recommendations(request: HttpRequest) -> Answer:
        return await lists.answer(request.scope, request_headers(request))

    return [route("GET", "/api/recommendations/{user_id:str}", recommendations)]
