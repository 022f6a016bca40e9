"""What do all commands have in common? The fields of their envelope, and how each is spelled on the wire."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.event_time import EventTime
from schemas.fields import Identifier

CommandId = Annotated[
    Identifier,
    Meta(
        description="The sender's id of this command, 1 to 128 characters. The same userId and commandId is the same "
        "command: it is carried out once and keeps its verdict.",
        examples=["0190a5b2-7c1e-7b3a-9f00-1234567890ab"],
    ),
]
UserId = Annotated[
    Identifier,
    Meta(description="The platform's id of the learner; also the record key. 1 to 128 characters.", examples=["u-17"]),
]
IssuedAt = Annotated[
    EventTime,
    Meta(
        description="When it was asked for: RFC 3339 text with a zone, or whole milliseconds since 1970.",
        examples=["2024-05-01T12:34:56.789Z"],
    ),
]


class Request(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """What a client asks for, before the API adds an envelope to it; a field at its default is not written."""
