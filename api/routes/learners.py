"""What can be done about a learner as a whole?  Operators find one; a learner consents, and is erased."""

from __future__ import annotations

import msgspec
from litestar.handlers import HTTPRouteHandler

from api import cursors
from api.contract.parts import (
    CACHE_CONTROL,
    NEXT_PAGE,
    PREFER,
    cursor_parameter,
    number_parameter,
    text_parameter,
    verdicts,
)
from api.contract.vocabulary import Body, Contract, Reply
from api.dependencies import Dependencies
from api.parameters import bad_cursor, identifier, query, text, whole_number
from api.problems import Answer, Headers
from api.routes.commands import envelope, issue, segment
from api.routes.exchange import HttpRequest, decoded_body, json_answer, no_parameters, route
from projections.reads import learners
from schemas.commands import ConsentRequest, ConsentSet, EraseRequested
from schemas.decode import JsonDecoder
from schemas.examples import learner_answers, requests
from schemas.fields import MAX_ID_LENGTH
from schemas.read_models import LearnerEntry, LearnerPage

SEARCH = frozenset({"prefix", "cursor", "limit"})
USUAL_LIMIT = 50
LARGEST_LIMIT = 500
_CONSENT: JsonDecoder[ConsentRequest] = JsonDecoder(ConsentRequest)

_SEARCH = Contract(
    summary="Learners by the beginning of their id",
    description="For operators. Ids ascend in the order of their UTF-8 bytes.",
    tag="Learners",
    parameters=(
        text_parameter("prefix", "What the id begins with.", MAX_ID_LENGTH, "u-"),
        cursor_parameter("learner-cursor", "`nextCursor` of the page before.", "pHUtMTc"),
        number_parameter("limit", "Learners at most.", USUAL_LIMIT, 1, LARGEST_LIMIT),
    ),
    replies={
        200: Reply(
            description="A page.",
            type=LearnerPage,
            examples=learner_answers.LEARNER_PAGE,
            headers=(CACHE_CONTROL, NEXT_PAGE),
        )
    },
)
_ERASE = Contract(
    summary="Erase a learner",
    description="Everything that is kept about the learner is erased; what is published afterwards begins anew.",
    tag="Learners",
    parameters=(PREFER,),
    replies=verdicts(),
)
_SET_CONSENT = Contract(
    summary="Say what a learner's data may be used for",
    description="Counts for what happens from now on; purposes that are not named keep what was said before.",
    tag="Learners",
    parameters=(PREFER,),
    body=Body(type=ConsentRequest, examples=requests.CONSENT),
    replies=verdicts(),
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    found = _Learners(dependencies)
    return [
        route("GET", "/api/learners", found.search, _SEARCH),
        route("DELETE", "/api/profile/{user_id:str}", found.erase, _ERASE),
        route("POST", "/api/profile/{user_id:str}/consent", found.set_consent, _SET_CONSENT),
    ]


class _Learners:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def search(self, request: HttpRequest) -> Answer:
        parameters = query(request.scope["query_string"], SEARCH)
        prefix = text(parameters, "prefix", MAX_ID_LENGTH) or ""
        limit = whole_number(parameters, "limit", USUAL_LIMIT, 1, LARGEST_LIMIT)
        found = await learners.page(self._dependencies.pool, prefix, _after(parameters.get("cursor", "")), limit + 1)
        shown = tuple(LearnerEntry(user_id=one.user_id, first_seen_at=one.first_seen_at) for one in found[:limit])
        headers: Headers = [(b"cache-control", b"private, no-store")]
        cursor = None
        if len(found) > limit:
            cursor = cursors.written(shown[-1].user_id)
            narrowed = {"prefix": prefix} if prefix else {}
            headers.append(cursors.link("/api/learners", **narrowed, limit=limit, cursor=cursor))
        return json_answer(LearnerPage(learners=shown, next_cursor=cursor), headers)

    async def erase(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        user_id = identifier(request.path_params["user_id"], "userId")
        command = EraseRequested(user_id=user_id, **envelope(self._dependencies))
        return await issue(self._dependencies, request, command, f"/api/profile/{segment(user_id)}")

    async def set_consent(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _CONSENT)
        user_id = identifier(request.path_params["user_id"], "userId")
        command = ConsentSet(**msgspec.structs.asdict(asked), user_id=user_id, **envelope(self._dependencies))
        return await issue(self._dependencies, request, command, f"/api/profile/{segment(user_id)}")


def _after(cursor: str) -> str:
    """The id that a cursor stands behind; "" without one."""
    after = cursors.read(cursor, str) if cursor else ""
    if "\0" in after:
        raise bad_cursor()
    return after
