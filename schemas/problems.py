"""What went wrong with a request? The one error shape of the API: problem details of RFC 9457."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.invalid import Invalid, Reason

CONTENT_TYPE = "application/problem+json"


class FieldError(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One field that was wrong."""

    pointer: Annotated[
        str, Meta(description='JSON Pointer (RFC 6901) to it; "" is the whole body.', examples=["/completionRate"])
    ]
    detail: Annotated[
        str, Meta(description="What to send instead.", examples=["`completionRate` must be a number from 0 to 1."])
    ]
    reason_code: Annotated[
        Reason | None, Meta(description="Why it was refused, in a stable word.", examples=["out-of-range"])
    ] = None


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request failed, and what to do."""

    status: Annotated[
        Annotated[int, Meta(ge=400, le=599)], Meta(description="The HTTP status code, 400 to 599.", examples=[422])
    ]
    title: Annotated[str, Meta(description="The kind of problem, in a few words.", examples=["Invalid interaction"])]
    type: Annotated[str, Meta(description="URI reference of the kind of problem.", examples=["/problems/invalid"])] = (
        "about:blank"
    )
    detail: Annotated[
        str | None, Meta(description="This problem, and the fix.", examples=["One field is out of its range."])
    ] = None
    instance: Annotated[
        str | None, Meta(description="URI reference of this occurrence.", examples=["/api/commands/c-1"])
    ] = None
    errors: Annotated[tuple[FieldError, ...], Meta(description="The fields that were wrong.")] = ()


def field_error(invalid: Invalid) -> FieldError:
    """Return a refusal as an entry of `Problem.errors`."""
    return FieldError(pointer=invalid.pointer, detail=invalid.detail, reason_code=invalid.reason_code)
