"""How does a learner protect a streak?  Freezes put by for a missed day, and repairs afterwards: both are commands."""

from __future__ import annotations

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.access.callers import forbidden
from api.access.rules import caller_of, deny
from api.contract.parts import IDEMPOTENCY_KEY, PREFER, verdicts
from api.contract.vocabulary import Body, Contract
from api.dependencies import Dependencies
from api.idempotency import repeatable
from api.parameters import identifier
from api.problems import Answer
from api.routes.commands import envelope, issue, segment
from api.routes.exchange import HttpRequest, decoded_body, no_parameters, request_headers, route
from schemas.decode import JsonDecoder
from schemas.examples import requests
from schemas.recognition import (
    FreezeRequest,
    FreezeSource,
    RepairRequest,
    StreakFreezeTaken,
    StreakRepaired,
)

_FREEZE_BODY: JsonDecoder[FreezeRequest] = JsonDecoder(FreezeRequest)
_REPAIR_BODY: JsonDecoder[RepairRequest] = JsonDecoder(RepairRequest)

_TAKE_FREEZE = Contract(
    summary="Put a streak freeze by",
    description="It covers one missed day later on; at most two are held, and seven active days earn one.",
    tag="Achievements",
    parameters=(PREFER, IDEMPOTENCY_KEY),
    body=Body(type=FreezeRequest, examples=requests.FREEZE),
    replies=verdicts(),
    problems={409: "Two are held already, or the next one is not earned yet."},
)
_REPAIR = Contract(
    summary="Repair a missed day of a streak",
    description="One of the last three days, once in seven days.",
    tag="Achievements",
    parameters=(PREFER, IDEMPOTENCY_KEY),
    body=Body(type=RepairRequest, examples=requests.REPAIR),
    replies=verdicts(),
    problems={409: "The day was active or lies too far back, or the last repair was within seven days."},
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    streaks = _Streaks(dependencies)
    return [
        route("POST", "/api/streaks/{user_id:str}/freezes", streaks.take_freeze, _TAKE_FREEZE),
        route("POST", "/api/streaks/{user_id:str}/repairs", streaks.repair, _REPAIR),
    ]


class _Streaks:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def take_freeze(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _FREEZE_BODY)
        user_id = identifier(request.path_params["user_id"], "userId")
        if asked.source is FreezeSource.BOUGHT and caller_of(request.scope).subject is not None:
            raise deny(request.scope, "scope", forbidden("Only the platform's shop says what was bought."), user_id)
        command_id = repeatable(request_headers(request), "freeze", user_id)
        command = StreakFreezeTaken(
            **msgspec.structs.asdict(asked), user_id=user_id, **envelope(self._dependencies, command_id)
        )
        return await issue(self._dependencies, request, command, f"/api/achievements/{segment(user_id)}")

    async def repair(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _REPAIR_BODY)
        user_id = identifier(request.path_params["user_id"], "userId")
        command_id = repeatable(request_headers(request), "repair", user_id)
        command = StreakRepaired(
            **msgspec.structs.asdict(asked), user_id=user_id, **envelope(self._dependencies, command_id)
        )
        return await issue(self._dependencies, request, command, f"/api/achievements/{segment(user_id)}")
