"""How does the API say no?  By problem details (RFC 9457), one shape for every error, whoever raises it.

``title`` is generic for the kind of problem and ``detail`` particular to this one; ``type`` is a relative reference to
the kind's section in docs/api.md.  Nothing that was sent is repeated, except names of query parameters that we know.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.invalid import Invalid, Reason
from schemas.problems import CONTENT_TYPE

__all__ = ["CONTENT_TYPE", "Answer", "InputError", "ProblemDetails", "ProblemError", "problem_answer"]

Headers = list[tuple[bytes, bytes]]


class InputError(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One part of a request that was wrong: a place in the body, or a parameter."""

    detail: Annotated[str, Meta(description="What to send instead.")]
    pointer: Annotated[str | None, Meta(description='JSON Pointer into the body; "" is the whole body.')] = None
    parameter: Annotated[str | None, Meta(description="Name of the query parameter, path parameter or header.")] = None
    line: Annotated[int | None, Meta(description="Line of an NDJSON body, from 1; the pointer starts there.")] = None
    reason_code: Annotated[Reason | None, Meta(description="Why it was refused, in a stable word.")] = None


class ProblemDetails(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Problem details as sent, a superset of ``schemas.problems.Problem``."""

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: tuple[InputError, ...] = ()
    request_id: str | None = None
    accepted: int | None = None
    event_ids: tuple[str, ...] = ()


class ProblemError(Exception):
    """A request that cannot be served, with the problem to answer."""

    def __init__(self, problem: ProblemDetails, headers: Headers | None = None) -> None:
        super().__init__(problem.title)
        self.problem = problem
        self.headers = headers or []


class Answer(Struct, frozen=True):
    """A response, before any framework."""

    status: int
    headers: Headers
    body: bytes


# status -> (type, title) of problems that need no more words than that
KINDS: dict[int, tuple[str, str]] = {
    400: ("bad-request", "Bad request"),
    401: ("unauthorized", "Credentials needed"),
    403: ("forbidden", "Not allowed"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    408: ("body-timeout", "The request body took too long"),
    413: ("too-large", "Content too large"),
    414: ("uri-too-long", "URI too long"),
    415: ("unsupported-media-type", "Unsupported media type"),
    422: ("invalid", "Invalid content"),
    429: ("rate-limited", "Too many requests"),
    431: ("headers-too-large", "Request header fields too large"),
    500: ("internal", "Internal error"),
    503: ("unavailable", "Temporarily unavailable"),
}


def problem(
    status: int,
    detail: str | None = None,
    *,
    kind: str | None = None,
    title: str | None = None,
    errors: tuple[InputError, ...] = (),
    headers: Headers | None = None,
    accepted: int | None = None,
    event_ids: tuple[str, ...] = (),
) -> ProblemError:
    """A problem to raise; kind and title follow from the status unless given."""
    usual_kind, usual_title = KINDS.get(status, ("error", "Request failed"))
    return ProblemError(
        ProblemDetails(
            type=f"/problems/{kind or usual_kind}",
            title=title or usual_title,
            status=status,
            detail=detail,
            errors=errors,
            accepted=accepted,
            event_ids=event_ids,
        ),
        headers,
    )


def bad_parameter(name: str, detail: str) -> ProblemError:
    """A parameter with a value that cannot be used, or one that is not known."""
    return problem(
        400,
        f"The parameter `{name}` cannot be used." if name else "A parameter is not known.",
        kind="bad-parameter",
        title="Bad parameter",
        errors=(InputError(parameter=name or None, detail=detail),),
    )


def invalid_body(*invalids: Invalid) -> ProblemError:
    """A body that is JSON but not what is wanted (422), or not JSON at all (400)."""
    syntax = all(invalid.reason_code in {Reason.NOT_JSON, Reason.NOT_UTF8, Reason.TOO_DEEP} for invalid in invalids)
    return problem(
        400 if syntax else 422,
        "The body is not JSON in UTF-8." if syntax else "The body breaks the rules that `errors` names.",
        kind="not-json" if syntax else "invalid",
        title="Body is not JSON" if syntax else "Invalid content",
        errors=tuple(input_error(invalid) for invalid in invalids),
    )


def input_error(invalid: Invalid, prefix: str = "", line: int | None = None) -> InputError:
    """A refusal as an entry of ``errors``, its pointer below ``prefix``."""
    return InputError(
        detail=invalid.detail, pointer=prefix + invalid.pointer, line=line, reason_code=invalid.reason_code
    )


def unavailable(what: str, retry_after_seconds: int = 1) -> ProblemError:
    """Something that the request needs does not answer."""
    return problem(
        503,
        f"{what} does not answer. Try again later.",
        headers=[(b"retry-after", b"%d" % retry_after_seconds)],
    )


def problem_answer(error: ProblemError, request_id: str | None = None) -> Answer:
    """The response of a problem."""
    details = msgspec.structs.replace(error.problem, request_id=request_id) if request_id else error.problem
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store"), *error.headers]
    return Answer(details.status, headers, msgspec.json.encode(details))
