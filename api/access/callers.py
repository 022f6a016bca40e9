"""Who can ask, and what may each do?  Scopes, and the caller that every request is served for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from api.problems import ProblemError, problem


class Scope(StrEnum):
    """A right.  ``admin`` includes all others, for every learner."""

    EVENTS_WRITE = "events:write"
    """Publish interactions, give feedback."""
    PROFILES_READ = "profiles:read"
    """Read profiles, achievements, learning paths, verdicts of commands."""
    PROFILES_WRITE = "profiles:write"
    """Declare profiles and consent, set rules for lists, claim achievements, make and move learning paths."""
    PROFILES_ERASE = "profiles:erase"
    """Erase a learner."""
    PROFILES_EXPORT = "profiles:export"
    """Read all that is held about a learner."""
    RECOMMENDATIONS_READ = "recommendations:read"
    """Read lists and what is trending."""
    CATALOGUE_READ = "catalogue:read"
    CATALOGUE_WRITE = "catalogue:write"
    ANALYTICS_READ = "analytics:read"
    """Read figures over all learners."""
    METRICS_READ = "metrics:read"
    """Scrape /metrics."""
    ADMIN = "admin"


EVERYTHING = frozenset(Scope)
OF_LEARNERS = frozenset(
    {
        Scope.EVENTS_WRITE,
        Scope.PROFILES_READ,
        Scope.PROFILES_WRITE,
        Scope.PROFILES_ERASE,
        Scope.PROFILES_EXPORT,
        Scope.RECOMMENDATIONS_READ,
        Scope.CATALOGUE_READ,
    }
)
"""What a learner's own web token may do, for that learner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a request is served for."""

    name: str
    """How the audit log calls it: ``key:<key id>``, ``learner:<keyed hash>``, ``nobody``."""
    scopes: frozenset[Scope] = frozenset()
    subject: str | None = None
    """The only learner whose data it reaches; None: no such bound."""
    requests_per_minute: int | None = None
    """Its own limit; None: the usual one of its kind, 0: none."""
    expires_at: float = float("inf")
    """Not good from here on [Unix s]."""
    limited: bool = True
    """Whether its requests are counted at all."""

    def reaches(self, user_id: str) -> bool:
        """Whether it may see and change what belongs to a learner."""
        return self.subject is None or self.subject == user_id


NOBODY = Caller(name="nobody", limited=False)
"""A request without credentials, where they are asked for."""
ANYBODY = Caller(name="anybody", scopes=EVERYTHING, limited=False)
"""A request to an API that asks for no credentials: it listens on loopback only, and no key was ever made."""


def scopes_of(words: object) -> frozenset[Scope]:
    """The known scopes among some words; unknown ones grant nothing."""
    known = {scope.value: scope for scope in Scope}
    if not isinstance(words, list | tuple | set | frozenset):
        return frozenset()
    found = frozenset(known[word] for word in words if isinstance(word, str) and word in known)
    return EVERYTHING if Scope.ADMIN in found else found


def unauthorized(detail: str, challenge: bytes = b"Bearer") -> ProblemError:
    """No credentials, or none that are good (401)."""
    return problem(401, detail, headers=[(b"www-authenticate", challenge)])


def forbidden(detail: str) -> ProblemError:
    """Credentials that do not grant this (403)."""
    return problem(403, detail)
