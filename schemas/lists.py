"""What does the API answer when asked what to show? The items of recommendation and trending lists.

Both lists are bare JSON arrays; how new they are stands in the headers (`X-As-Of`, `X-Data-Age-Ms`, `X-Position`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import Identifier, Text
from schemas.problems import Problem
from schemas.read_models import Count, Duration, Moment, Share


class RecommendationType(StrEnum):
    """By which way of thinking an item was recommended."""

    CONTENT_BASED = "content_based"
    COLLABORATIVE = "collaborative"
    TRENDING = "trending"
    SEQUENTIAL = "sequential"
    HYBRID = "hybrid"


class Recommendation(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One recommended piece of content."""

    type: Annotated[RecommendationType, Meta(description="How it was found.", examples=["content_based"])]
    content_id: Annotated[str, Meta(description="The content.", examples=["algebra-3"])]
    content_type: Annotated[str, Meta(description="Kind of content.", examples=["video"])]
    title: Annotated[str, Meta(description="Title for people.", examples=["Linear equations"])]
    relevance_score: Annotated[Share, Meta(description="How relevant it is, 0 to 1.", examples=[0.83])]
    confidence_score: Annotated[Share, Meta(description="How sure that is, 0 to 1.", examples=[0.6])]
    reason: Annotated[
        str, Meta(description="Why, from the score's largest terms.", examples=["Because you like algebra."])
    ]
    recommendation_id: Annotated[
        str, Meta(description="Id of this recommendation, to be sent with what it leads to.", examples=["rec-5"])
    ]
    terms: Annotated[
        dict[str, float], Meta(description="Source to contribution.", examples=[{"topics": 0.5, "trending": 0.33}])
    ]
    rank: Annotated[Annotated[int, Meta(ge=1)], Meta(description="Place in the list, from 1.", examples=[1])]
    generated_at: Annotated[Moment, Meta(description="When the list was made.", examples=["2024-05-01T12:34:56Z"])]


class ListRequest(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """One list that a batch asks for."""

    user_id: Annotated[Identifier, Meta(description="The learner.", examples=["u-17"])]
    type: Annotated[
        RecommendationType | None,
        Meta(description="Which list; absent: hybrid, or what an experiment serves instead.", examples=["hybrid"]),
    ] = None
    limit: Annotated[Annotated[int, Meta(ge=1, le=100)], Meta(description="Items at most.", examples=[10])] = 10
    context: Annotated[
        Text | None,
        Meta(description="What the learner is doing: `topic:algebra`, or JSON.", examples=["topic:algebra"]),
    ] = None


class BatchRequest(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Several lists in one question: several learners, or several lists of one page."""

    requests: Annotated[
        Annotated[tuple[ListRequest, ...], Meta(min_length=1, max_length=100)],
        Meta(description="The lists, 1 to 100."),
    ]


class ListResult(Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=True):
    """One list of a batch, or why there is none."""

    user_id: Annotated[str, Meta(description="The learner.", examples=["u-17"])]
    type: Annotated[RecommendationType, Meta(description="Which list.", examples=["hybrid"])]
    recommendations: Annotated[
        tuple[Recommendation, ...] | None, Meta(description="Best first; absent when there is a problem.")
    ] = None
    generated_at: Annotated[Moment | None, Meta(description="When the list was made.")] = None
    as_of: Annotated[Moment | None, Meta(description="Newest event time that it reflects.")] = None
    position: Annotated[Count | None, Meta(description="Number of the newest transaction in it.")] = None
    problem: Annotated[Problem | None, Meta(description="Why there is no list.")] = None


class BatchResult(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """The lists of a batch."""

    results: Annotated[tuple[ListResult, ...], Meta(description="One for each request, in their order.")]


class TrendingItem(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One piece of content that many learners use now."""

    content_id: Annotated[str, Meta(description="The content.", examples=["algebra-3"])]
    content_type: Annotated[str, Meta(description="Kind of content.", examples=["video"])]
    title: Annotated[
        str | None, Meta(description="Title for people; null until the catalogue knows it.", examples=["Equations"])
    ]
    score: Annotated[Duration, Meta(description="Weighted interactions, each halved every half-life.", examples=[57.3])]
    rank: Annotated[Annotated[int, Meta(ge=1)], Meta(description="Place in the list, from 1.", examples=[1])]
    half_life_seconds: Annotated[Duration, Meta(description="The half-life [s].", examples=[86400])]
    interactions: Annotated[Count | None, Meta(description="Interactions ever, not decayed.", examples=[812])] = None
