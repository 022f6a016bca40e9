"""What does the API answer to a write? Receipts for interactions and verdicts of commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schemas.invalid import Reason
from schemas.problems import Problem
from schemas.read_models import Count

Token = Annotated[
    str | None,
    Meta(description="Consistency token: a read that presents it in `X-Consistency-Token` waits for this write."),
]


class RejectedItem(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """An interaction of the body that was refused; the others were accepted."""

    reason_code: Annotated[Reason, Meta(description="Why, in a stable word.", examples=["out-of-range"])]
    pointer: Annotated[
        str,
        Meta(
            description='JSON Pointer (RFC 6901) to the field within the item; "" is the whole item.',
            examples=["/completionRate"],
        ),
    ]
    detail: Annotated[
        str, Meta(description="What to send instead.", examples=["`completionRate` must be a number from 0 to 1."])
    ]
    index: Annotated[
        Count | None, Meta(description="Place of the item in an array, from 0; 0 for a single object.", examples=[3])
    ] = None
    line: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Line of the item in NDJSON, from 1.", examples=[4])
    ] = None


class IngestReceipt(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What became of the interactions in a body. Accepted ones are in the log; they are visible once folded."""

    accepted: Annotated[Count, Meta(description="Interactions that were published.", examples=[99])]
    rejected: Annotated[tuple[RejectedItem, ...], Meta(description="Interactions that were refused, in order.")] = ()
    duplicates: Annotated[
        Count | None,
        Meta(description="Interactions left out because their userId and eventId stood earlier in the same body."),
    ] = None
    event_ids: Annotated[
        tuple[str, ...], Meta(description="The eventId of each accepted interaction in order, minted where absent.")
    ] = ()
    token: Token = None


class CommandStatus(StrEnum):
    """How far a command is."""

    PENDING = "pending"
    APPLIED = "applied"
    REFUSED = "refused"


class CommandReceipt(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What became of a command."""

    command_id: Annotated[str, Meta(description="The command.", examples=["0190a5b2-7c1e-7b3a-9f00-1234567890ab"])]
    status: Annotated[CommandStatus, Meta(description="How far it is.", examples=["applied"])]
    location: Annotated[
        str | None, Meta(description="Where to ask again, or what was made.", examples=["/api/commands/c-1"])
    ] = None
    problem: Annotated[Problem | None, Meta(description="Why it was refused.")] = None
    token: Token = None
