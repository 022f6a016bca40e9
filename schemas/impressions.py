"""What was a learner shown? The `ImpressionServed` of the topic `impressions`: one served list.

Key: the `userId` in UTF-8. Ranks and propensities are what makes click-through and off-policy estimates honest.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.event_time import EventTime
from schemas.fields import Identifier, Label, SchemaVersion


class ShownItem(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """One item of a served list."""

    content_id: Annotated[Identifier, Meta(description="The content that was shown.", examples=["algebra-3"])]
    rank: Annotated[
        Annotated[int, Meta(ge=1, le=1000)], Meta(description="Place in the list, 1 (top) to 1000.", examples=[1])
    ]
    arm: Annotated[
        Label,
        Meta(
            description="Which policy placed it: the type of the list, `exploration`, or `popular` for want of a list. "
            "1 to 128 characters.",
            examples=["hybrid"],
        ),
    ]
    propensity: Annotated[
        Annotated[float, Meta(gt=0.0, le=1.0)],
        Meta(description="Probability with which that policy shows it here, above 0 up to 1.", examples=[0.95]),
    ]
    recommendation_id: Annotated[
        Identifier | None, Meta(description="The recommendation that was shown.", examples=["rec-5"])
    ] = None


class ImpressionServed(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """A list of recommendations was served to a learner."""

    list_id: Annotated[
        Identifier,
        Meta(
            description="Id of this serving, 1 to 128 characters; a second record with it is a duplicate.",
            examples=["0190a5b2-7c1e-7b3a-9f00-1234567890ab"],
        ),
    ]
    user_id: Annotated[
        Identifier,
        Meta(
            description="The platform's id of the learner; also the record key. 1 to 128 characters.", examples=["u-17"]
        ),
    ]
    served_at: Annotated[
        EventTime,
        Meta(
            description="When it was served: RFC 3339 text with a zone, or whole milliseconds since 1970.",
            examples=["2024-05-01T12:34:56.789Z"],
        ),
    ]
    items: Annotated[
        Annotated[tuple[ShownItem, ...], Meta(max_length=1000)],
        Meta(description="What was shown, at most 1000 items."),
    ]
    list_type: Annotated[
        Label,
        Meta(description="What was asked for: hybrid, or one kind of list. 1 to 128 characters.", examples=["hybrid"]),
    ] = "hybrid"
    experiments: Annotated[
        dict[Label, Label],
        Meta(max_length=20, description="Experiments that shaped the list: key and variation.", examples=[{"e": "a"}]),
    ] = {}
    schema_version: SchemaVersion = 1
