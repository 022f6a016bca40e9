"""How are several lists asked for at once?  One question, answered from one turn of the event loop and one MGET."""

from __future__ import annotations

import asyncio

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.access.rules import reach
from api.contract.vocabulary import Body, Contract, Reply
from api.problems import Answer, ProblemError
from api.recommendations import Asked, Lists, context_of
from api.routes.exchange import HttpRequest, decoded_body, json_answer, no_parameters, route
from projections.reads.freshness import moment
from schemas.decode import JsonDecoder
from schemas.examples import content_answers, requests
from schemas.lists import BatchRequest, BatchResult, ListRequest, ListResult, RecommendationType
from schemas.problems import Problem

_BATCH: JsonDecoder[BatchRequest] = JsonDecoder(BatchRequest)
_items = msgspec.json.Decoder(tuple[msgspec.Raw, ...]).decode

_POST = Contract(
    summary="Several lists in one question",
    description="Each request is answered for itself, in order: a list, or the problem that it met.",
    tag="Recommendations",
    body=Body(type=BatchRequest, examples=requests.BATCH),
    replies={200: Reply(description="The lists.", type=BatchResult, examples=content_answers.BATCH_RESULT)},
)


def routes(lists: Lists) -> list[HTTPRouteHandler]:
    """The routes of this file."""

    async def batch(request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _BATCH)
        for each in asked.requests:
            reach(request.scope, each.user_id)
        results = await asyncio.gather(*(_one(lists, each) for each in asked.requests))
        return json_answer(BatchResult(results=tuple(results)), [(b"cache-control", b"private, no-cache")])

    return [route("POST", "/api/recommendations/batch", batch, _POST)]


async def _one(lists: Lists, asked: ListRequest) -> ListResult:
    kind = asked.type or RecommendationType.HYBRID
    try:
        context = context_of(asked.context) if asked.context else None
        wanted = Asked(asked.limit, kind.value, context)
        found, served = await lists.one_of_many(asked.user_id, wanted, usual=asked.type is None)
    except ProblemError as error:
        said = error.problem
        why = Problem(type=said.type, title=said.title, status=said.status, detail=said.detail)
        return ListResult(user_id=asked.user_id, type=kind, problem=why)
    ready = found.ready
    return ListResult(
        user_id=asked.user_id,
        type=RecommendationType(served),
        # The items lie ready as JSON: they go out as they are.
        recommendations=_items(ready.body(asked.limit)),  # type: ignore[arg-type]
        generated_at=moment(ready.generated_at_ms),
        as_of=moment(ready.as_of_ms) if ready.as_of_ms else None,
        position=found.applied_seq or None,
    )
