"""Which pages of other sites may read answers here (CORS)?  Those of the listed origins, and no others."""

from __future__ import annotations

from api.problems import Answer, Headers

METHODS = b"GET, HEAD, POST, PUT, DELETE"
REQUEST_HEADERS = (
    b"Authorization, Cache-Control, Content-Type, If-None-Match, Idempotency-Key, Last-Event-ID, Prefer, Traceparent, "
    b"X-API-Key, X-Consistency-Token, X-Request-ID"
)
ANSWER_HEADERS = (
    b"ETag, Link, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-As-Of, "
    b"X-Consistency-Token, X-Data-Age-Ms, X-Position, X-Request-ID, X-Stale"
)
PREFLIGHT_SECONDS = b"600"


def preflight(method: str, headers: dict[bytes, bytes], origins: frozenset[bytes]) -> Answer | None:
    """The answer to a browser that asks whether a page may ask; None for any other request.

    The origin's header is added by ``allow``, as to every answer; an origin that is not listed gets none.
    """
    if method != "OPTIONS" or b"origin" not in headers or b"access-control-request-method" not in headers:
        return None
    answer: Headers = [(b"cache-control", b"no-store")]
    if headers[b"origin"] in origins:
        answer += [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", REQUEST_HEADERS),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]
    return Answer(204, answer, b"")


def allow(headers: dict[bytes, bytes], origins: frozenset[bytes]) -> Headers:
    """What an answer says to a browser about the page that asked."""
    if not origins:
        return []
    origin = headers.get(b"origin")
    if origin not in origins or origin is None:
        return [(b"vary", b"Origin")]
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", ANSWER_HEADERS),
        (b"vary", b"Origin"),
    ]
