"""How does the framework reach the recommendations?  Mostly not at all: the edge answers them itself."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from api.contract.parts import FEEDBACK_LINK, PREFER, READ_TOKEN, choice_parameter, fresh, number_parameter
from api.contract.vocabulary import Contract, Parameter
from api.problems import Answer
from api.recommendations import BEST, LARGEST_LIMIT, TYPES, USUAL_LIMIT, Lists
from api.routes.exchange import HttpRequest, request_headers, route
from schemas.examples import content_answers
from schemas.lists import Recommendation

_RECOMMENDATIONS = Contract(
    summary="What a learner may do next",
    description="A bare array, best first. A learner without a list gets what is popular: never a 404.",
    tag="Recommendations",
    parameters=(
        number_parameter("limit", "Items at most.", USUAL_LIMIT, 1, LARGEST_LIMIT),
        choice_parameter("type", "Which list.", BEST, TYPES),
        Parameter(
            name="context",
            where="query",
            description="What the learner is doing; reorders the list. `field:value`, or JSON with topic, contentType, "
            "contentId, device.",
            schema={"type": "string", "format": "recommendation-context"},
            example="topic:algebra",
        ),
        *READ_TOKEN,
        PREFER,
    ),
    replies={200: fresh("Best first.", tuple[Recommendation, ...], [content_answers.RECOMMENDATION], FEEDBACK_LINK)},
)


def routes(lists: Lists) -> list[HTTPRouteHandler]:
    """The routes of this file, so that they are listed and other methods are refused as everywhere."""

    async def recommendations(request: HttpRequest) -> Answer:
        return await lists.answer(request.scope, request_headers(request))

    return [route("GET", "/api/recommendations/{user_id:str}", recommendations, _RECOMMENDATIONS)]
