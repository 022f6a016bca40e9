"""How is something asked for?  A command is published, carried out by the worker, and answered with its verdict."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import quote

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.access.rules import reach, reaches_owner
from api.contract.parts import CACHE_CONTROL, PREFER, PROFILE_LINK, READ_TOKEN, RETRY_AFTER, verdicts
from api.contract.vocabulary import Body, Contract, Reply
from api.dependencies import Dependencies
from api.freshness import TOKEN_HEADER
from api.idempotency import repeatable
from api.ids import new_id
from api.parameters import TOKEN, identifier, query
from api.problems import Answer, Headers, ProblemDetails, ProblemError, problem
from api.publisher import Outgoing
from api.routes.exchange import (
    HttpRequest,
    decoded_body,
    json_answer,
    no_parameters,
    request_headers,
    request_id,
    route,
)
from api.writes import publish
from projections.reads import command_results
from projections.reads.command_results import Verdict
from projections.reads.freshness import moment, relevant
from projections.stores.postgres_pool import Unavailable
from schemas.commands import Command, ProfileRequest, ProfileSet
from schemas.decode import JsonDecoder
from schemas.examples import receipts, requests
from schemas.problems import Problem
from schemas.receipts import CommandReceipt, CommandStatus
from schemas.recognition import AchievementClaimed
from schemas.topics import LEARNER_COMMANDS

_PROFILE: JsonDecoder[ProfileRequest] = JsonDecoder(ProfileRequest)

_SET_PROFILE = Contract(
    summary="Declare a learner's profile, whole",
    description="What is absent is unset, not kept.",
    tag="Learners",
    parameters=(PREFER,),
    body=Body(type=ProfileRequest, examples=requests.PROFILE),
    replies=verdicts("The learner's first profile.", PROFILE_LINK),
)
_CLAIM = Contract(
    summary="Claim an unlocked achievement",
    tag="Achievements",
    parameters=(PREFER,),
    replies=verdicts(),
    problems={404: "There is no such achievement.", 409: "It is not unlocked, or was claimed before."},
)
_VERDICT = Contract(
    summary="What became of a command",
    tag="Commands",
    parameters=(*READ_TOKEN, PREFER),
    replies={
        200: Reply(
            description="The verdict, or `pending` while the presented token is not reached.",
            type=CommandReceipt,
            examples=receipts.COMMAND,
            headers=(CACHE_CONTROL, RETRY_AFTER),
        )
    },
    problems={404: "No such command has been carried out."},
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    commands = _Commands(dependencies)
    return [
        route("POST", "/api/profile", commands.set_profile, _SET_PROFILE),
        route("POST", "/api/achievements/{user_id:str}/{achievement_id:str}/claim", commands.claim, _CLAIM),
        route("GET", "/api/commands/{command_id:str}", commands.verdict, _VERDICT),
    ]


class _Commands:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def set_profile(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _PROFILE)
        reach(request.scope, asked.user_id)
        command_id = repeatable(request_headers(request), "profile", asked.user_id)
        command = ProfileSet(**msgspec.structs.asdict(asked), **envelope(self._dependencies, command_id))
        return await issue(self._dependencies, request, command, f"/api/profile/{segment(asked.user_id)}")

    async def claim(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        user_id = identifier(request.path_params["user_id"], "userId")
        achievement_id = identifier(request.path_params["achievement_id"], "achievementId")
        command_id = repeatable(request_headers(request), "claim", user_id, achievement_id)
        command = AchievementClaimed(
            user_id=user_id, achievement_id=achievement_id, **envelope(self._dependencies, command_id)
        )
        return await issue(self._dependencies, request, command, f"/api/achievements/{segment(user_id)}")

    async def verdict(self, request: HttpRequest) -> Answer:
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], frozenset({TOKEN}))
        command_id = identifier(request.path_params["command_id"], "commandId")
        headers = request_headers(request)
        presented = relevant(dependencies.freshness.presented(headers, parameters), None)
        # Without Prefer the answer comes at once: whoever polls does the waiting.
        seconds = dependencies.freshness.wait_seconds(headers) if b"prefer" in headers else 0.0
        passed = await dependencies.waiting.for_positions(presented, seconds, patient=True) is not None
        verdict = await command_results.read(dependencies.pool, command_id)
        if verdict is None and presented and not passed:
            pending = CommandReceipt(command_id=command_id, status=CommandStatus.PENDING)
            return json_answer(pending, [*_NO_STORE, (b"retry-after", b"1")])
        if verdict is None or not reaches_owner(request.scope, verdict.user_id or ""):
            raise problem(404, "No such command has been carried out. Ask at the Location that its answer gave.")
        refused = verdict.status >= 400
        receipt = CommandReceipt(
            command_id=command_id,
            status=CommandStatus.REFUSED if refused else CommandStatus.APPLIED,
            problem=verdict.problem,
        )
        return json_answer(receipt, _NO_STORE)


_NO_STORE: Headers = [(b"cache-control", b"no-store")]


def envelope(dependencies: Dependencies, command_id: str | None = None) -> dict[str, Any]:
    """What every command carries besides what was asked for."""
    return {"command_id": command_id or new_id(), "issued_at": moment(dependencies.now_ms())}


async def issue(
    dependencies: Dependencies,
    request: HttpRequest,
    command: Command,
    made: str,
) -> Answer:
    """Publishes a command and answers with its verdict, or 202 when there is none in time."""
    headers = request_headers(request)
    seconds = dependencies.freshness.wait_seconds(headers)
    record = Outgoing(command.user_id.encode(), msgspec.json.encode(command))
    positions = await publish(dependencies, LEARNER_COMMANDS.name, [record], headers, request_id(request))
    token = dependencies.freshness.token(positions)
    answer: Headers = [*_NO_STORE, (TOKEN_HEADER, token.encode())]
    verdict = None
    patient = dependencies.freshness.is_patient(headers)
    if seconds and await dependencies.waiting.for_positions(positions, seconds, patient=patient) is not None:
        with contextlib.suppress(Unavailable):  # the command is in the log: its verdict can be asked for later
            verdict = await command_results.read(dependencies.pool, command.command_id)
    where = f"/api/commands/{command.command_id}?token={token}"
    if verdict is None:
        receipt = CommandReceipt(
            command_id=command.command_id, status=CommandStatus.PENDING, location=where, token=token
        )
        return json_answer(receipt, [*answer, (b"location", where.encode()), (b"retry-after", b"1")], 202)
    if verdict.status >= 400:
        raise _refused(verdict, f"/api/commands/{command.command_id}", answer)
    receipt = CommandReceipt(command_id=command.command_id, status=CommandStatus.APPLIED, location=made, token=token)
    if verdict.status == 201:
        answer.append((b"location", made.encode()))
    return json_answer(receipt, answer, verdict.status)


def _refused(verdict: Verdict, instance: str, headers: Headers) -> ProblemError:
    found = verdict.problem or Problem(status=verdict.status, title="Refused")
    details = ProblemDetails(
        type=found.type,
        title=found.title,
        status=verdict.status if 400 <= verdict.status <= 599 else 500,
        detail=found.detail,
        instance=instance,
    )
    return ProblemError(details, headers)


def segment(user_id: str) -> str:
    """An id as a segment of a path."""
    return quote(user_id, safe="")
