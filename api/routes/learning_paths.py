"""How are learning paths made, moved and read?  Creation and progress are commands, reads join reports and events."""

from __future__ import annotations

import msgspec
from litestar.handlers import HTTPRouteHandler

from api import cursors
from api.access.rules import reach, reaches_owner
from api.contract.parts import (
    IDEMPOTENCY_KEY,
    IDENTIFIER,
    NEXT_PAGE,
    PATH_LINK,
    PATHS_LINK,
    PREFER,
    READ_TOKEN,
    cursor_parameter,
    fresh,
    number_parameter,
    verdicts,
)
from api.contract.vocabulary import Body, Contract, Parameter
from api.dependencies import Dependencies
from api.freshness import Awaited
from api.idempotency import repeatable
from api.ids import new_id
from api.parameters import TOKEN, bad_cursor, identifier, query, whole_number
from api.problems import Answer, bad_parameter, problem
from api.routes.commands import envelope, issue, segment
from api.routes.exchange import HttpRequest, decoded_body, json_answer, no_parameters, not_found, request_headers, route
from projections.reads import learning_paths
from projections.reads.learning_paths import PathPlace
from schemas.commands import PathCreated, PathProgressed, ProgressRequest
from schemas.decode import JsonDecoder
from schemas.examples import learner_answers, requests
from schemas.fields import MAX_ID_LENGTH, MAX_RECORD_BYTES
from schemas.learning_paths import LearningPath, PathSummary
from schemas.paths import PathRequest

ONLY_TOKEN = frozenset({TOKEN})
LIST = frozenset({"userId", "cursor", "limit", TOKEN})
USUAL_LIMIT = 50
LARGEST_LIMIT = 200
PATH_CURSOR = "ks8ABhdjtsecAKZwYXRoLTI"
_PATH: JsonDecoder[PathRequest] = JsonDecoder(PathRequest)
_PROGRESS: JsonDecoder[ProgressRequest] = JsonDecoder(ProgressRequest)

_CREATE = Contract(
    summary="Make a learning path",
    description="Prerequisites come first; a circle of them is refused, and printed in the detail.",
    tag="Learning paths",
    parameters=(PREFER, IDEMPOTENCY_KEY),
    body=Body(type=PathRequest, examples=requests.PATH),
    replies=verdicts("The path; `Location` names it.", PATHS_LINK),
    problems={409: "There is a path with this id."},
)
_OF_LEARNER = Contract(
    summary="A learner's paths, newest first",
    tag="Learning paths",
    parameters=(
        Parameter(
            name="userId",
            where="query",
            description="The platform's id of the learner.",
            schema=IDENTIFIER,
            example="u-17",
            required=True,
        ),
        cursor_parameter("path-cursor", "What `cursor` is in the `Link` of the page before.", PATH_CURSOR),
        number_parameter("limit", "Paths at most.", USUAL_LIMIT, 1, LARGEST_LIMIT),
        *READ_TOKEN,
        PREFER,
    ),
    replies={
        200: fresh(
            "A page of paths.",
            tuple[PathSummary, ...],
            [learner_answers.PATH_SUMMARIES],
            PATH_LINK,
            headers=(NEXT_PAGE,),
        )
    },
    problems={404: "The learner is not known."},
)
_ONE = Contract(
    summary="A learning path as it stands for its learner",
    tag="Learning paths",
    parameters=(*READ_TOKEN, PREFER),
    replies={200: fresh("The path.", LearningPath, learner_answers.LEARNING_PATH)},
    problems={404: "The path is not known."},
)
_REPORT = Contract(
    summary="Report how far a module is",
    tag="Learning paths",
    parameters=(*READ_TOKEN, PREFER, IDEMPOTENCY_KEY),
    body=Body(type=ProgressRequest, examples=requests.PROGRESS),
    replies=verdicts(),
    problems={404: "The path, or the module within it, is not known."},
)


class _Cursor(msgspec.Struct, array_like=True):
    """Where a page of paths ended."""

    issued_us: int
    path_id: str


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    paths = _Paths(dependencies)
    return [
        route("POST", "/api/learning-paths", paths.create, _CREATE),
        route("GET", "/api/learning-paths", paths.of_learner, _OF_LEARNER),
        route("GET", "/api/learning-paths/{path_id:str}", paths.one, _ONE),
        route("PUT", "/api/learning-paths/{path_id:str}/progress", paths.progress, _REPORT),
    ]


class _Paths:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    async def create(self, request: HttpRequest) -> Answer:
        no_parameters(request)
        asked = await decoded_body(request, _PATH)
        reach(request.scope, asked.user_id)
        repeated = repeatable(request_headers(request), "path", asked.user_id)
        path_id = repeated or new_id()
        command = PathCreated(
            **msgspec.structs.asdict(asked), path_id=path_id, **envelope(self._dependencies, repeated)
        )
        if len(msgspec.json.encode(command)) > MAX_RECORD_BYTES:
            raise problem(413, f"A path may have {MAX_RECORD_BYTES} bytes of JSON.")
        return await issue(self._dependencies, request, command, f"/api/learning-paths/{path_id}")

    async def progress(self, request: HttpRequest) -> Answer:
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], ONLY_TOKEN)
        path_id = identifier(request.path_params["path_id"], "pathId")
        asked = await decoded_body(request, _PROGRESS)
        # The path may have been made a moment ago: whoever presents the token of that is waited for.
        owner, _ = await self._owner(request, parameters, path_id)
        repeated = repeatable(request_headers(request), "progress", owner, path_id)
        command = PathProgressed(
            **msgspec.structs.asdict(asked), user_id=owner, path_id=path_id, **envelope(dependencies, repeated)
        )
        return await issue(dependencies, request, command, f"/api/learning-paths/{segment(path_id)}")

    async def _owner(self, request: HttpRequest, parameters: dict[str, str], path_id: str) -> tuple[str, Awaited]:
        """Whose path it is, once what the caller awaits is there; raises 404 for a path that is none of his."""
        awaited = await self._dependencies.freshness.wait(request_headers(request), parameters, None)
        owner = await learning_paths.owner(self._dependencies.pool, path_id)
        if owner is None or not reaches_owner(request.scope, owner):
            raise not_found("The learning path")
        return owner, awaited

    async def one(self, request: HttpRequest) -> Answer:
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], ONLY_TOKEN)
        path_id = identifier(request.path_params["path_id"], "pathId")
        owner, awaited = await self._owner(request, parameters, path_id)
        now_ms = dependencies.now_ms()
        found = await learning_paths.read(dependencies.pool, path_id, owner, dependencies.partition(owner), now_ms)
        if found is None:
            raise not_found("The learning path")
        return json_answer(awaited.marked(found.path), dependencies.freshness.headers(found.seen, awaited, now_ms))

    async def of_learner(self, request: HttpRequest) -> Answer:
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], LIST)
        user_id = parameters.get("userId")
        if user_id is None or len(user_id) > MAX_ID_LENGTH:
            raise bad_parameter("userId", f"`userId` is required: 1 to {MAX_ID_LENGTH} characters.")
        limit = whole_number(parameters, "limit", USUAL_LIMIT, 1, LARGEST_LIMIT)
        behind = _behind(parameters.get("cursor"))
        part = dependencies.partition(user_id)
        awaited = await dependencies.freshness.wait(request_headers(request), parameters, part)
        now_ms = dependencies.now_ms()
        found = await learning_paths.read_some(dependencies.pool, user_id, part, limit + 1, behind)
        if found is None:
            raise not_found("The learner")
        headers = dependencies.freshness.headers(found.seen, awaited, now_ms)
        shown = found.paths[:limit]
        if len(found.paths) > limit:
            cursor = cursors.written(_Cursor(cursors.microseconds(shown[-1].created_at), shown[-1].path_id))
            headers.append(cursors.link("/api/learning-paths", userId=user_id, limit=limit, cursor=cursor))
        return json_answer(shown, headers)


def _behind(cursor: str | None) -> PathPlace | None:
    """The place that a cursor stands for."""
    if cursor is None:
        return None
    place = cursors.read(cursor, _Cursor)
    if "\0" in place.path_id:
        raise bad_cursor()
    return PathPlace(cursors.moment(place.issued_us), place.path_id)
