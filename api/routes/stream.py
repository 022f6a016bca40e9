"""How are changes listened to?  One stream of server-sent events for everything that a page shows."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from api.contract.parts import CACHE_CONTROL, IDENTIFIER
from api.contract.vocabulary import Contract, Parameter, Reply
from api.dependencies import Dependencies
from api.parameters import query
from api.problems import bad_parameter, unavailable
from api.routes.exchange import HttpRequest, Streamed, request_headers, route
from api.stream import TOPICS, Client
from projections.reads import learners
from schemas.fields import MAX_ID_LENGTH

LAST_EVENT_ID = b"last-event-id"
KNOWN = frozenset({"topics", "userId"})


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of the stream."""

    event: Annotated[Literal[(*TOPICS, "reset")], Meta(description="What it tells of.")]  # type: ignore[valid-type]
    data: Annotated[str, Meta(description="JSON.")]
    id: Annotated[str | None, Meta(description="Its place; absent for `reset`.")] = None
    retry: Annotated[int | None, Meta(description="Milliseconds after which to connect again.")] = None


_STREAM = Contract(
    summary="Changes as they happen (server-sent events)",
    description="""Events, told apart by `event:`, each with JSON in `data:`

- `trending`: the body of `GET /api/trending`, at most once a second while something happens;
- `achievement`, `milestone`: what stands in the announcement's `data`, with `userId`;
- `profile`, `recommendations`: `userId` and the `position` (transaction) from which on a read is newer; without a
  `userId` in the question, how many `learners` it was (null: very many);
- `reset`: something was missed, read again.

The `id:` of an event, sent as `Last-Event-ID`, resumes behind it, on any process, as long as it is among the newest
2,000 changes (else: `reset`). A client that does not keep up gets a `reset` for what it missed. A comment comes every
15 seconds.""",
    tag="Events",
    parameters=(
        Parameter(
            name="topics",
            where="query",
            description="Which events, separated by commas; all when absent or empty.",
            schema={"type": "string", "pattern": f"^(({'|'.join(TOPICS)})(,({'|'.join(TOPICS)}))*)?$"},
            example="trending,achievement",
        ),
        Parameter(
            name="userId",
            where="query",
            description="Only what concerns this learner (and `trending`); empty: everybody.",
            schema={**IDENTIFIER, "minLength": 0},
            example="u-17",
        ),
        Parameter(
            name="Last-Event-ID",
            where="header",
            description="The id of the last event that was seen; one that is not known gives a `reset`.",
            schema={"type": "string"},
            example="1714566896789-0",
        ),
    ),
    replies={
        200: Reply(
            description="Events until the client goes.",
            media_type="text/event-stream; charset=utf-8",
            type=Event,
            examples=[{"event": "profile", "id": "1714566896789-0", "data": '{"userId":"u-17","position":812}'}],
            headers=(CACHE_CONTROL,),
        )
    },
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""

    async def stream(request: HttpRequest) -> Streamed:
        parameters = query(request.scope["query_string"], KNOWN)
        topics = _topics(parameters.get("topics", ",".join(TOPICS)))
        user_id = parameters.get("userId")
        if user_id is not None and len(user_id) > MAX_ID_LENGTH:
            raise bad_parameter("userId", f"`userId` may have {MAX_ID_LENGTH} characters.")
        last_id = request_headers(request).get(LAST_EVENT_ID, b"").decode("latin-1") or None
        if dependencies.streams is None:
            raise unavailable("Redis")
        client = Client(topics=topics, user_id=user_id)
        if user_id is not None:
            client.learner_key = await learners.key(dependencies.pool, user_id)
        headers = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        return Streamed(
            headers=headers,
            media_type="text/event-stream",
            chunks=await dependencies.streams.open(client, last_id),
        )

    return [route("GET", "/api/stream", stream, _STREAM)]


def _topics(text: str) -> frozenset[str]:
    asked = text.split(",")
    if not set(asked) <= set(TOPICS):
        raise bad_parameter("topics", f"`topics` may hold, separated by commas: {', '.join(TOPICS)}.")
    return frozenset(asked)
