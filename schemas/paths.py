"""What is a learning path made of? The body of `POST /api/learning-paths`, and its modules."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import ContentType, Identifier, Label, Level, Line, Seconds


class PathModule(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """One module of a learning path."""

    id: Annotated[Identifier, Meta(description="The module's id, unique within the path.", examples=["module-1"])]
    title: Annotated[Line, Meta(description="Title for people, 1 to 512 characters.", examples=["Fractions"])]
    type: Annotated[
        ContentType, Meta(description="Kind of content, an open vocabulary of 1 to 64 characters.", examples=["video"])
    ]
    duration: Annotated[Seconds, Meta(description="Expected time [s], 0 to 315360000.", examples=[1800])]
    prerequisites: Annotated[
        Annotated[tuple[Identifier, ...], Meta(max_length=100)],
        Meta(description="Ids of modules of this path that come first, at most 100.", examples=[[]]),
    ] = ()
    recommended: Annotated[
        Annotated[tuple[Identifier, ...], Meta(max_length=100)],
        Meta(
            description="Ids of modules of this path that better come first, at most 100; they gate nothing.",
            examples=[["module-2"]],
        ),
    ] = ()


class PathRequest(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """A learning path to be created for a learner."""

    user_id: Annotated[
        Identifier,
        Meta(description="The platform's id of the learner who owns the path. 1 to 128 characters.", examples=["u-17"]),
    ]
    title: Annotated[Line, Meta(description="Title for people, 1 to 512 characters.", examples=["Algebra in a week"])]
    topic: Annotated[Label, Meta(description="What it is about, 1 to 128 characters.", examples=["algebra"])]
    level: Annotated[Level, Meta(description="How advanced it is.", examples=["BEGINNER"])]
    modules: Annotated[
        Annotated[tuple[PathModule, ...], Meta(min_length=1, max_length=200)],
        Meta(description="Its modules in any order, 1 to 200; neither kind of prerequisite may form a cycle."),
    ]
    estimated_duration: Annotated[
        Seconds | None,
        Meta(
            description="Expected time for the whole path [s], 0 to 315360000. Absent: the sum over its modules.",
            examples=[36000],
        ),
    ] = None
