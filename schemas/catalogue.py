"""What content is there? The `ContentSet` of the topic `catalogue` and body of `POST /api/content`.

Key: the `contentId` in UTF-8. The topic is compacted: the last record of a key is the content. A record whose value is
null withdraws the content: it is no longer recommended, and what learners did with it stays.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import ContentType, Identifier, Label, LanguageTag, Level, Line, SchemaVersion, Seconds, Text


class ContentSet(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """A piece of content, whole: what is absent is unset, not kept."""

    content_id: Annotated[
        Identifier,
        Meta(
            description="The platform's id of the content; also the record key. 1 to 128 characters.",
            examples=["algebra-3"],
        ),
    ]
    content_type: Annotated[
        ContentType,
        Meta(
            description="Kind of content, an open vocabulary of 1 to 64 characters such as video, quiz, article.",
            examples=["video"],
        ),
    ]
    title: Annotated[Line, Meta(description="Title for people, 1 to 512 characters.", examples=["Linear equations"])]
    description: Annotated[
        Text | None,
        Meta(
            description="What it is about, at most 16384 bytes of UTF-8; feeds the text similarity.",
            examples=["Solving for one unknown."],
        ),
    ] = None
    topics: Annotated[
        Annotated[tuple[Label, ...], Meta(max_length=50)],
        Meta(description="Its topics, at most 50 of 1 to 128 characters.", examples=[["algebra"]]),
    ] = ()
    skills: Annotated[
        Annotated[tuple[Label, ...], Meta(max_length=50)],
        Meta(description="Skills that it trains, at most 50 of 1 to 128 characters.", examples=[["equations"]]),
    ] = ()
    difficulty: Annotated[Level | None, Meta(description="How advanced it is.", examples=["BEGINNER"])] = None
    duration_seconds: Annotated[
        Seconds | None, Meta(description="Expected time [s], 0 to 315360000.", examples=[420])
    ] = None
    language: Annotated[
        LanguageTag | None, Meta(description="Its language, a BCP 47 tag of at most 35 characters.", examples=["en"])
    ] = None
    prerequisites: Annotated[
        Annotated[tuple[Identifier, ...], Meta(max_length=100)],
        Meta(
            description="contentIds that a learner completes first, at most 100; until then it is not recommended.",
            examples=[["algebra-2"]],
        ),
    ] = ()
    position: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000_000)] | None,
        Meta(description="Its place in the order of the catalogue, 0 to 1000000000.", examples=[3]),
    ] = None
    schema_version: SchemaVersion = 1
