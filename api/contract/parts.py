"""Which parts do many contracts share?  Common parameters, headers and answers, each described once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.contract.vocabulary import Header, Link, Parameter, Reply
from api.parameters import TOKEN
from schemas.examples import receipts
from schemas.fields import MAX_ID_LENGTH, NO_NUL
from schemas.receipts import CommandReceipt

IDENTIFIER = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH, **NO_NUL}
#: Every path parameter by its name in the route's path; a new one is added here.
PATH_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "user_id": ("The platform's id of the learner, percent-encoded.", "u-17"),
    "content_id": ("The platform's id of the content, percent-encoded.", "algebra-3"),
    "achievement_id": ("The achievement, by its rule's id.", "completions"),
    "path_id": ("The learning path, as the API named it.", "path-2"),
    "page_token": ("What the shared page is found by.", "q0mS9cXw1sVJm3Zb2kYx7dPn5uTa8hRe"),
    "command_id": ("The command, as the answer to it named it.", "0190a5b2-7c1e-7b3a-9f00-1234567890ab"),
}

PRESENTED_SCHEMA = {"type": "string", "format": "consistency-token", "maxLength": 4096}
PRESENTED = (
    "Consistency token of an earlier answer: the read waits until it reflects what that answer did, or says X-Stale."
)
READ_TOKEN = (
    Parameter(name=TOKEN, where="query", description=PRESENTED, schema=PRESENTED_SCHEMA),
    Parameter(name="X-Consistency-Token", where="header", description=PRESENTED, schema=PRESENTED_SCHEMA),
)
PREFER = Parameter(
    name="Prefer",
    where="header",
    description="`wait=N`: wait up to N seconds, at most 10, for the effect (RFC 7240). Anything else is ignored.",
    schema={"type": "string"},
    example="wait=2",
)
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    where="header",
    description="The same key is the same command: sent again, it is carried out once and keeps its verdict.",
    schema={"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH, "pattern": "^[!-~]+$"},
    example="8f14e45f-ceea-467f-9b1d-2c1d6f0a7b3e",
)


def number_parameter(name: str, description: str, usual: int, low: int, high: int) -> Parameter:
    """A query parameter that ``api.parameters.whole_number`` reads."""
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": usual}
    return Parameter(name=name, where="query", description=description, schema=schema, example=usual)


def choice_parameter(name: str, description: str, usual: str, values: Sequence[str]) -> Parameter:
    """A query parameter that ``api.parameters.one_of`` reads."""
    schema = {"type": "string", "enum": list(values), "default": usual}
    return Parameter(name=name, where="query", description=description, schema=schema, example=usual)


def text_parameter(name: str, description: str, most_characters: int, example: str) -> Parameter:
    """A query parameter that ``api.parameters.text`` reads."""
    schema = {"type": "string", "maxLength": most_characters, **NO_NUL}
    return Parameter(name=name, where="query", description=description, schema=schema, example=example)


def cursor_parameter(kind: str, description: str, example: str) -> Parameter:
    """A query parameter that ``api.cursors.read`` reads."""
    schema = {"type": "string", "format": kind}
    return Parameter(name="cursor", where="query", description=description, schema=schema, example=example)


NEXT_PAGE = Header(name="Link", description='The next page, `rel="next"` (RFC 8288).', schema={"type": "string"})
CONSISTENCY_TOKEN = Header(
    name="X-Consistency-Token",
    description="Present it, and later answers are at least as new as this one.",
    schema={"type": "string"},
)
CACHE_CONTROL = Header(name="Cache-Control", description="Who may keep the answer.", schema={"type": "string"})
STALE = Header(
    name="X-Stale",
    description="`true` when the write that the request names is not reflected yet.",
    schema={"const": "true"},
)
FRESHNESS_HEADERS = (
    CACHE_CONTROL,
    Header(
        name="X-As-Of",
        description="Newest event time that the answer can include.",
        schema={"type": "string", "format": "date-time"},
        example="2024-05-01T12:34:56.789Z",
    ),
    Header(
        name="X-Data-Age-Ms",
        description="Milliseconds since the newest transaction that the answer can include.",
        schema={"type": "integer", "minimum": 0},
        example=41,
    ),
    Header(
        name="X-Position",
        description="How far the log is in it: `topic/partition@offset`, several by commas; for a list `applied@N`.",
        schema={"type": "string"},
        example="interactions/3@812",
    ),
    CONSISTENCY_TOKEN,
    STALE,
)
LOCATION = Header(
    name="Location",
    description="Where to look next, relative to this address.",
    schema={"type": "string", "format": "uri-reference"},
)
RETRY_AFTER = Header(
    name="Retry-After",
    description="Seconds after which to ask again.",
    schema={"type": "integer", "minimum": 0},
    example=1,
)
PREFERENCE_APPLIED = Header(
    name="Preference-Applied", description="`wait=N`: the records are folded.", schema={"type": "string"}
)


PROFILE_LINK = Link(name="profile", to="GET /api/profile/{user_id:str}", parameters={"userId": "$request.body#/userId"})
PATHS_LINK = Link(name="paths", to="GET /api/learning-paths", parameters={"userId": "$request.body#/userId"})
PATH_LINK = Link(
    name="newest", to="GET /api/learning-paths/{path_id:str}", parameters={"pathId": "$response.body#/0/pathId"}
)
CLAIM_LINK = Link(
    name="claim",
    to="POST /api/achievements/{user_id:str}/{achievement_id:str}/claim",
    parameters={"userId": "$request.path.userId", "achievementId": "$response.body#/unlocked/0/achievementId"},
)
CONTENT_LINK = Link(
    name="content", to="GET /api/content/{content_id:str}", parameters={"contentId": "$response.body#/0/contentId"}
)
FEEDBACK_LINK = Link(
    name="feedback",
    to="POST /api/recommendations/{user_id:str}/feedback",
    parameters={"userId": "$request.path.userId"},
)
COMMAND_LINK = Link(
    name="verdict", to="GET /api/commands/{command_id:str}", parameters={"commandId": "$response.body#/commandId"}
)


def fresh(description: str, kind: Any, examples: Sequence[Any], *links: Link, headers: Sequence[Header] = ()) -> Reply:
    """200 of a read, with the headers that say how new it is, and more of them."""
    headers = (*FRESHNESS_HEADERS, *headers)
    return Reply(description=description, type=kind, examples=examples, headers=headers, links=links)


def published(description: str, kind: Any, examples: Sequence[Any]) -> Mapping[int, Reply]:
    """202 of a write that needs no verdict."""
    headers = (CACHE_CONTROL, CONSISTENCY_TOKEN, STALE, PREFERENCE_APPLIED)
    return {202: Reply(description=description, type=kind, examples=examples, headers=headers)}


def verdicts(created: str | None = None, *links: Link) -> Mapping[int, Reply]:
    """The answers of a command that is not refused; ``created`` says what a 201 means, None: there is none."""
    links = (COMMAND_LINK, *links)
    done, pending = receipts.COMMAND[2], receipts.COMMAND[0]
    headers = (CACHE_CONTROL, CONSISTENCY_TOKEN)
    replies = {
        200: Reply(description="Carried out.", type=CommandReceipt, examples=[done], headers=headers, links=links),
        202: Reply(
            description="In the log; no verdict yet. `Location` says where to ask.",
            type=CommandReceipt,
            examples=[pending],
            headers=(*headers, LOCATION, RETRY_AFTER),
            links=links,
        ),
    }
    if created is not None:
        replies[201] = Reply(
            description=created, type=CommandReceipt, examples=[done], headers=(*headers, LOCATION), links=links
        )
    return replies


BODY_PROBLEMS: Mapping[int, str] = {
    408: "The body took longer than 10 s to arrive.",
    413: "The body is larger than 16 MB, or holds more than 50,000 items.",
    415: "The body is not JSON in UTF-8, or compressed.",
    422: "The body breaks a rule; `errors` names each field and the fix.",
}
"""Problems of every route that takes a body; `document` adds them where there is one."""
