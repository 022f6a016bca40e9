"""How do learners steer their own lists?  Rules and feedback: commands that hold from their verdict on, everywhere.

Once the worker has carried one out, the learner's ready lists are taken out of Redis under a version that no older list
can overwrite; until a new one is written, lists come from Postgres, which leaves out what the rules forbid.
"""

from __future__ import annotations

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.contract.parts import PREFER, verdicts
from api.contract.vocabulary import Body, Contract
from api.dependencies import Dependencies
from api.idempotency import repeatable
from api.parameters import identifier
from api.problems import Answer
from api.routes.commands import envelope, issue, segment
from api.routes.exchange import HttpRequest, decoded_body, no_parameters, request_headers, route
from projections.reads import recommendations
from projections.stores.redis import Versioned, recommendations_key
from schemas.commands import FeedbackGiven, FeedbackRequest, OverrideRequest, OverrideSet
from schemas.decode import JsonDecoder
from schemas.examples import requests
from schemas.lists import RecommendationType

TOMBSTONE_SECONDS = 3_600
_FEEDBACK: JsonDecoder[FeedbackRequest] = JsonDecoder(FeedbackRequest)
_OVERRIDE: JsonDecoder[OverrideRequest] = JsonDecoder(OverrideRequest)

_GIVE_FEEDBACK = Contract(
    summary="Say what a learner did with a recommendation",
    description="`hidden` and `dismissed` hold from the verdict on; all of it teaches the models.",
    tag="Recommendations",
    parameters=(PREFER,),
    body=Body(type=FeedbackRequest, examples=requests.FEEDBACK),
    replies=verdicts(),
    problems={404: "There is no such content."},
)
_SET_OVERRIDE = Contract(
    summary="Set or take back a learner's own rule",
    description="Rules win over every score, from the verdict on.",
    tag="Recommendations",
    parameters=(PREFER,),
    body=Body(type=OverrideRequest, examples=requests.OVERRIDE),
    replies=verdicts(),
    problems={404: "There is no such content.", 409: "The learner has as many rules as one may have."},
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    control = _Control(dependencies)
    return [
        route("POST", "/api/recommendations/{user_id:str}/feedback", control.give_feedback, _GIVE_FEEDBACK),
        route("POST", "/api/recommendations/{user_id:str}/overrides", control.set_override, _SET_OVERRIDE),
    ]


class _Control:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def give_feedback(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _FEEDBACK)
        user_id = identifier(request.path_params["user_id"], "userId")
        command_id = repeatable(request_headers(request), "feedback", user_id)
        command = FeedbackGiven(
            **msgspec.structs.asdict(asked), user_id=user_id, **envelope(self._dependencies, command_id)
        )
        return await self._issue(request, command)

    async def set_override(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _OVERRIDE)
        user_id = identifier(request.path_params["user_id"], "userId")
        command_id = repeatable(request_headers(request), "override", user_id)
        command = OverrideSet(
            **msgspec.structs.asdict(asked), user_id=user_id, **envelope(self._dependencies, command_id)
        )
        return await self._issue(request, command)

    async def _issue(self, request: HttpRequest, command: FeedbackGiven | OverrideSet) -> Answer:
        dependencies = self._dependencies
        answer = await issue(dependencies, request, command, f"/api/recommendations/{segment(command.user_id)}")
        needed = await recommendations.needed(dependencies.pool, command.user_id)
        if needed is not None and dependencies.redis is not None:
            for kind in RecommendationType:
                key = recommendations_key(needed.learner_key, kind.value)
                await dependencies.redis.put(key, Versioned(needed.applied_seq, b""), TOMBSTONE_SECONDS)
        return answer
