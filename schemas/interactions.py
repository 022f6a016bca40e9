"""What did a learner do with a piece of content? The `Interaction` of the topic `interactions`.

Key: the `userId` in UTF-8. Written by anyone (the API, a platform's own producers); read by the worker and the
recommender, more than 50,000 a second on a core, so that everything here is decided by what the decoder does in C.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from msgspec import Meta, Struct

from schemas.event_time import EventTime, epoch_ms
from schemas.fields import ContentType, Identifier, SchemaVersion, SecondsOfDay, Share, Text, TimeZoneName


class InteractionType(Enum):
    """What the learner did. `value` is the word on the wire, `code` the int8 kept in tables and columns.

    Codes are never reused or reordered: logs and snapshots hold them.
    """

    code: int

    def __new__(cls, word: str, code: int) -> InteractionType:
        """Make the member of `word` that carries its `code`."""
        member = object.__new__(cls)
        member._value_ = word
        member.code = code
        return member

    VIEW = ("VIEW", 0)
    START = ("START", 1)
    PROGRESS = ("PROGRESS", 2)
    COMPLETE = ("COMPLETE", 3)
    CLICK = ("CLICK", 4)
    LIKE = ("LIKE", 5)
    DISLIKE = ("DISLIKE", 6)
    BOOKMARK = ("BOOKMARK", 7)
    SHARE = ("SHARE", 8)
    RATE = ("RATE", 9)
    ATTEMPT = ("ATTEMPT", 10)
    SKIP = ("SKIP", 11)


#: The member of each code: `TYPE_OF_CODE[3] is InteractionType.COMPLETE`.
TYPE_OF_CODE: tuple[InteractionType, ...] = tuple(InteractionType)


# gc=False: an interaction cannot be part of a reference cycle, and a poll of 5,000 of them should not be
# walked by the garbage collector.
class Interaction(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """One thing that one learner did with one piece of content."""

    user_id: Annotated[
        Identifier,
        Meta(
            description="The platform's id of the learner; also the record key. 1 to 128 characters.", examples=["u-17"]
        ),
    ]
    interaction_type: Annotated[InteractionType, Meta(description="What the learner did.", examples=["COMPLETE"])]
    content_type: Annotated[
        ContentType,
        Meta(
            description="Kind of content, an open vocabulary of 1 to 64 characters such as video, quiz, article.",
            examples=["video"],
        ),
    ]
    content_id: Annotated[
        Identifier,
        Meta(
            description="The platform's id of the content, 1 to 128 characters. "
            "Content that the catalogue does not know (yet) is fine.",
            examples=["algebra-3"],
        ),
    ]
    time_spent: Annotated[
        SecondsOfDay | None,
        Meta(description="Time spent in this interaction [s], 0 to 86400.", examples=[312.5]),
    ] = None
    completion_rate: Annotated[
        Share | None,
        Meta(description="Share of the content that is completed, 0 to 1 (not a percentage).", examples=[0.85]),
    ] = None
    rating: Annotated[
        Annotated[float, Meta(ge=1.0, le=5.0)] | None,
        Meta(description="The learner's rating in stars, 1 to 5.", examples=[4]),
    ] = None
    feedback: Annotated[
        Text | None,
        Meta(
            description="What the learner wrote, at most 16384 bytes of UTF-8. "
            "Kept apart from all other data; only its sentiment is used.",
            examples=["Clear and to the point."],
        ),
    ] = None
    clicks_count: Annotated[
        Annotated[int, Meta(ge=0, le=100_000)] | None,
        Meta(description="Clicks within the content, a whole number from 0 to 100000.", examples=[4]),
    ] = None
    scroll_depth: Annotated[
        Share | None,
        Meta(description="Deepest part of the page that was reached, 0 (top) to 1 (end).", examples=[0.6]),
    ] = None
    event_id: Annotated[
        Identifier | None,
        Meta(
            description="The producer's id of this event, 1 to 128 characters. The same userId and eventId within "
            "7 days is a duplicate and counts once. Without it a producer's retry cannot be recognised.",
            examples=["0190a5b2-7c1e-7b3a-9f00-1234567890ab"],
        ),
    ] = None
    occurred_at: Annotated[
        EventTime | None,
        Meta(
            description="When it happened: RFC 3339 text with a zone, or whole milliseconds since 1970. "
            "Not before 1990; more than 24 h after the record's timestamp counts as that timestamp + 24 h. "
            "Absent: the record's timestamp.",
            examples=["2024-05-01T12:34:56.789Z", 1714566896789],
        ),
    ] = None
    session_id: Annotated[
        Identifier | None, Meta(description="The platform's id of the session, if it has one.", examples=["s-99"])
    ] = None
    score: Annotated[
        Share | None, Meta(description="Result of an attempt as a share of the maximum, 0 to 1.", examples=[0.7])
    ] = None
    success: Annotated[bool | None, Meta(description="Whether an attempt succeeded.", examples=[True])] = None
    recommendation_id: Annotated[
        Identifier | None,
        Meta(description="The recommendation that led here, if one did.", examples=["rec-5"]),
    ] = None
    path_id: Annotated[
        Identifier | None, Meta(description="The learning path in which it happened.", examples=["path-2"])
    ] = None
    module_id: Annotated[Identifier | None, Meta(description="The module of that path.", examples=["module-1"])] = None
    context: Annotated[
        Annotated[dict[str, Any], Meta(max_length=64)] | None,
        Meta(
            description="Anything else about the situation: an object of at most 64 members, at most 8 levels deep.",
            examples=[{"device": "phone"}],
        ),
    ] = None
    timezone: Annotated[
        TimeZoneName | None,
        Meta(
            description="The learner's time zone by its IANA name; decides to which local day the event belongs.",
            examples=["Europe/Lisbon"],
        ),
    ] = None
    schema_version: SchemaVersion = 1


def event_time_ms(interaction: Interaction) -> int | None:
    """Return when the interaction happened [ms since 1970], or None when its record's timestamp decides."""
    time = interaction.occurred_at
    return None if time is None else epoch_ms(time)
