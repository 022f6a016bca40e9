"""What does the API answer about what a learner knows?  Skills with history, gaps, reviews, and working habits.

Field names are camelCase on the wire. Skills go by the names of the catalogue. Fields are only ever added.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schemas.read_models import Count, Freshness, Moment, Share, Skill


class GapReason(StrEnum):
    """Why a skill that is needed is a gap."""

    NEVER_TRIED = "never tried"
    LOW_MASTERY = "low mastery"
    DUE = "due for review"


class SkillDay(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Mastery of a skill at the end of one of the learner's days."""

    day: Annotated[date, Meta(description="The day in the learner's time zone.", examples=["2024-05-01"])]
    mastery: Annotated[Share, Meta(description="Expected success rate then, 0 to 1.", examples=[0.74])]
    low: Annotated[Share, Meta(description="Lower end of its 90 % interval.", examples=[0.61])]
    high: Annotated[Share, Meta(description="Upper end of its 90 % interval.", examples=[0.85])]
    attempts: Annotated[Count, Meta(description="Attempts until then.", examples=[9])]


class SkillHistory(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A skill and how its mastery went."""

    skill: Annotated[Skill, Meta(description="The skill as it stands.")]
    history: Annotated[tuple[SkillDay, ...], Meta(description="Days with attempts, oldest first.")] = ()


class KnowledgeGap(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A skill that a goal or a path needs and that is missing."""

    skill: Annotated[str, Meta(description="Name of the skill.", examples=["equations"])]
    reason: Annotated[GapReason, Meta(description="Why it is a gap.", examples=["low mastery"])]
    mastery: Annotated[
        Share, Meta(description="Expected success rate; never tried: by general ability.", examples=[0.41])
    ]
    needed_by: Annotated[
        tuple[str, ...],
        Meta(description="The learner's goals and paths that need it.", examples=[["Algebra in a week"]]),
    ]


class DueReview(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Content whose memory is fading."""

    content_id: Annotated[str, Meta(description="The content.", examples=["algebra-3"])]
    title: Annotated[str | None, Meta(description="Its title, once the catalogue knows it.")] = None
    due_at: Annotated[datetime, Meta(tz=True, description="When recall falls to 90 %.")]
    recall: Annotated[Share, Meta(description="Probability of recall now, 0 to 1.", examples=[0.83])]
    skills: Annotated[tuple[str, ...], Meta(description="Skills that it trains.", examples=[["equations"]])] = ()


class SkillReport(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What a learner knows, what is missing, and what to review."""

    user_id: Annotated[str, Meta(description="The platform's id of the learner.", examples=["u-17"])]
    skills: Annotated[tuple[SkillHistory, ...], Meta(description="Skills with attempts, by name.")] = ()
    gaps: Annotated[tuple[KnowledgeGap, ...], Meta(description="Gaps, most needed and weakest first.")] = ()
    reviews: Annotated[tuple[DueReview, ...], Meta(description="Reviews that are due, the longest due first.")] = ()
    next_review_at: Annotated[Moment | None, Meta(description="When the next review falls due; null: none.")] = None
    freshness: Annotated[Freshness, Meta(description="How new this answer is.")]
