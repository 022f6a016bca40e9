"""What does each route ask of its caller?  One row a route; a route without a row is for administrators only.

A row names the scope, and where the learner stands whose data the route touches.  Path and query are checked here
before the route runs; a route whose learner stands in the body, or behind an id that has an owner, asks ``reach``.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Any, NamedTuple

from api.access.callers import ANYBODY, NOBODY, Caller, Scope, forbidden, unauthorized
from api.parameters import identifier, raw_parameter
from api.problems import ProblemError
from api.publisher import Outgoing

PROTECTED = "caller"
DENIAL = "denial"


class Learner(Enum):
    """Where the learner stands whose data a route touches."""

    NONE = auto()
    """It touches no single learner's data."""
    PATH = auto()
    QUERY = auto()
    """Query parameter ``userId``; a learner's token has to name itself there."""
    BODY = auto()
    """The route calls ``reach`` for each that the body names."""
    OWNER = auto()
    """The route calls ``reach`` for the owner of what it found."""


class Rule(NamedTuple):
    """What a route asks of its caller."""

    scope: Scope | None
    """None: open to everybody."""
    learner: Learner = Learner.NONE


RULES: dict[str, Rule] = {
    "POST /api/interactions": Rule(Scope.EVENTS_WRITE, Learner.BODY),
    "POST /api/content": Rule(Scope.CATALOGUE_WRITE),
    "GET /api/content/{content_id:str}": Rule(Scope.CATALOGUE_READ),
    "DELETE /api/content/{content_id:str}": Rule(Scope.CATALOGUE_WRITE),
    "POST /api/profile": Rule(Scope.PROFILES_WRITE, Learner.BODY),
    "GET /api/profile/{user_id:str}": Rule(Scope.PROFILES_READ, Learner.PATH),
    "GET /api/profile/{user_id:str}/skills": Rule(Scope.PROFILES_READ, Learner.PATH),
    "GET /api/profile/{user_id:str}/export": Rule(Scope.PROFILES_EXPORT, Learner.PATH),
    "DELETE /api/profile/{user_id:str}": Rule(Scope.PROFILES_ERASE, Learner.PATH),
    "POST /api/profile/{user_id:str}/consent": Rule(Scope.PROFILES_WRITE, Learner.PATH),
    "GET /api/learners": Rule(Scope.ADMIN),
    "GET /api/stream": Rule(Scope.PROFILES_READ, Learner.QUERY),
    "GET /api/recommendations/{user_id:str}": Rule(Scope.RECOMMENDATIONS_READ, Learner.PATH),
    "POST /api/recommendations/batch": Rule(Scope.RECOMMENDATIONS_READ, Learner.BODY),
    "POST /api/recommendations/{user_id:str}/feedback": Rule(Scope.EVENTS_WRITE, Learner.PATH),
    "POST /api/recommendations/{user_id:str}/overrides": Rule(Scope.PROFILES_WRITE, Learner.PATH),
    "GET /api/trending": Rule(Scope.RECOMMENDATIONS_READ),
    "GET /api/achievements/{user_id:str}": Rule(Scope.PROFILES_READ, Learner.PATH),
    "POST /api/achievements/{user_id:str}/{achievement_id:str}/claim": Rule(Scope.PROFILES_WRITE, Learner.PATH),
    "POST /api/streaks/{user_id:str}/freezes": Rule(Scope.PROFILES_WRITE, Learner.PATH),
    "POST /api/streaks/{user_id:str}/repairs": Rule(Scope.PROFILES_WRITE, Learner.PATH),
    "POST /api/achievements/{user_id:str}/page": Rule(Scope.PROFILES_WRITE, Learner.PATH),
    "DELETE /api/achievements/{user_id:str}/page": Rule(Scope.PROFILES_WRITE, Learner.PATH),
    "POST /api/achievements/{user_id:str}/{achievement_id:str}/kudos": Rule(Scope.PROFILES_WRITE, Learner.BODY),
    "GET /api/achievements/{user_id:str}/{achievement_id:str}/credential": Rule(Scope.PROFILES_READ, Learner.PATH),
    "GET /achievements/{page_token:str}": Rule(None),
    "GET /achievements/{page_token:str}/{achievement_id:str}": Rule(None),
    "GET /api/shared-achievements/{page_token:str}": Rule(None),
    "GET /api/badges/issuer": Rule(None),
    "GET /api/badges/keys": Rule(None),
    "POST /api/learning-paths": Rule(Scope.PROFILES_WRITE, Learner.BODY),
    "GET /api/learning-paths": Rule(Scope.PROFILES_READ, Learner.QUERY),
    "GET /api/learning-paths/{path_id:str}": Rule(Scope.PROFILES_READ, Learner.OWNER),
    "PUT /api/learning-paths/{path_id:str}/progress": Rule(Scope.PROFILES_WRITE, Learner.OWNER),
    "GET /api/commands/{command_id:str}": Rule(Scope.PROFILES_READ, Learner.OWNER),
    "GET /api/analytics": Rule(Scope.ANALYTICS_READ),
    "GET /api/experiments": Rule(Scope.ANALYTICS_READ),
    "POST /api/session": Rule(None),
    "GET /": Rule(None),
    "GET /page/static/{name:str}": Rule(None),
    "GET /page/learner": Rule(Scope.ADMIN),
    "GET /page/pipeline": Rule(Scope.ADMIN),
    "GET /page/ticker": Rule(Scope.ADMIN),
    "GET /page/trending": Rule(Scope.ADMIN),
    "GET /page/experiments": Rule(Scope.ADMIN),
    "GET /openapi.json": Rule(None),
    "GET /docs": Rule(None),
    "GET /docs/rapidoc-min.js": Rule(None),
    "GET /livez": Rule(None),
    "GET /readyz": Rule(None),
    "GET /metrics": Rule(Scope.METRICS_READ),
}
UNLISTED = Rule(Scope.ADMIN)


class Denial(NamedTuple):
    """Why a request was refused, for the audit log."""

    reason: str
    learner: str | None = None
    """The platform's id of the learner whose data was asked for; written as a keyed hash."""


def caller_of(scope: Any) -> Caller:
    """The caller that the edge found for a request."""
    found: Caller = scope["state"][PROTECTED]
    return found


def permit(scope: Any, route: str, path_params: dict[str, Any]) -> None:
    """Raises the problem of a caller who may not use this route (401 or 403); notes it for the audit log."""
    caller = caller_of(scope)
    if caller is ANYBODY:
        return
    rule = RULES.get(route, UNLISTED)
    if rule.scope is None:
        return
    require(scope, caller, rule.scope)
    if caller.subject is None:
        return
    if rule.learner is Learner.PATH:
        reach(scope, identifier(path_params["user_id"], "userId"))
    elif rule.learner is Learner.QUERY:
        user_id = raw_parameter(scope["query_string"], "userId")
        reach(scope, user_id or "")


def require(scope: Any, caller: Caller, needed: Scope) -> None:
    """Raises the problem of a caller without a scope."""
    if needed in caller.scopes:
        return
    if caller is NOBODY:
        raise deny(
            scope,
            "no-credentials",
            unauthorized("Send an API key or a web token: `Authorization: Bearer …`, or an API key as `X-API-Key: …`."),
        )
    raise deny(scope, "scope", forbidden(f"This needs the scope {needed.value}, which these credentials do not grant."))


def reach(scope: Any, user_id: str) -> None:
    """Raises the problem (403) of a caller whose web token is another learner's."""
    if not caller_of(scope).reaches(user_id):
        raise deny(
            scope, "other-learner", forbidden("A learner's web token reaches only that learner's own data."), user_id
        )


def reach_all(scope: Any, records: Iterable[Outgoing]) -> None:
    """``reach`` for the learner of every record."""
    if caller_of(scope).subject is not None:
        for record in records:
            reach(scope, record.key.decode())


def reaches_owner(scope: Any, user_id: str) -> bool:
    """Whether the caller may see what belongs to this owner; if not, it is to be answered like what is not there."""
    if caller_of(scope).reaches(user_id):
        return True
    scope["state"][DENIAL] = Denial("other-learner", user_id)
    return False


def deny(scope: Any, reason: str, error: ProblemError, learner: str | None = None) -> ProblemError:
    """Notes a refusal for the audit log; the problem to raise."""
    scope["state"][DENIAL] = Denial(reason, learner)
    return error
