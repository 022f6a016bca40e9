"""Which rules may a learner set for their own recommendations? Told apart by the member `kind`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import ContentType, Identifier, Label

ContentId = Annotated[Identifier, Meta(description="The content that the rule is about.", examples=["algebra-3"])]


class _Rule(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True, tag_field="kind"):
    """What all rules share: how they are spelled on the wire."""


class Hide(_Rule, frozen=True, kw_only=True, tag="hide"):
    """Never recommend this content."""

    content_id: ContentId


class Pin(_Rule, frozen=True, kw_only=True, tag="pin"):
    """Always show this content first."""

    content_id: ContentId


class NeverShowTopic(_Rule, frozen=True, kw_only=True, tag="neverShowTopic"):
    """Never recommend content of this topic."""

    topic: Annotated[Label, Meta(description="The topic, 1 to 128 characters.", examples=["calculus"])]


class NeverShowContentType(_Rule, frozen=True, kw_only=True, tag="neverShowContentType"):
    """Never recommend content of this kind."""

    content_type: Annotated[ContentType, Meta(description="The kind, 1 to 64 characters.", examples=["video"])]


class PreferTopic(_Rule, frozen=True, kw_only=True, tag="preferTopic"):
    """Show more, or less, of this topic than the engine would: an override of the learnt preference."""

    topic: Annotated[Label, Meta(description="The topic, 1 to 128 characters.", examples=["algebra"])]
    weight: Annotated[
        Annotated[float, Meta(ge=-1.0, le=1.0)],
        Meta(description="How much, from -1 (as little as possible) to 1 (as much as possible).", examples=[1.0]),
    ] = 1.0


class OptOut(_Rule, frozen=True, kw_only=True, tag="optOut"):
    """Do not personalise: show what anyone would be shown."""


Override = Hide | Pin | NeverShowTopic | NeverShowContentType | PreferTopic | OptOut
