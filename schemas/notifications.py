"""What is announced to other systems? CloudEvents 1.0 of the topics `achievements`, `milestones` and
`recommendation-updates`.

Structured content mode: the record's value is the envelope as JSON, its header `content-type` is CONTENT_TYPE. Records
come at least once; `id` is made from what happened, so that a repeated one has the id of the first and a consumer
that remembers ids sees each announcement once.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from schemas.fields import NO_NUL, Identifier, Line

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
SOURCE = "/personalize/worker"
_NAMESPACE = UUID("5a1f4b0e-6d0c-5c58-9b5e-0c6a5d1f7f21")

Moment = Annotated[datetime, Meta(tz=True)]


class MilestoneKind(StrEnum):
    """What kind of milestone was reached."""

    PATH_PROGRESS = "PATH_PROGRESS"
    MODULE_COMPLETED = "MODULE_COMPLETED"
    STREAK = "STREAK"


class UnlockedAchievement(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """The achievement that a learner unlocked."""

    user_id: Annotated[Identifier, Meta(description="The learner.", examples=["u-17"])]
    achievement_id: Annotated[Identifier, Meta(description="The achievement, by its rule's id.", examples=["first-10"])]
    title: Annotated[Line, Meta(description="Title for people.", examples=["First ten"])]
    tier: Annotated[Annotated[int, Meta(ge=1)], Meta(description="Tier within the rule, from 1.", examples=[1])]
    unlocked_at: Annotated[Moment, Meta(description="Event time that unlocked it.", examples=["2024-05-01T12:34:56Z"])]
    period: Annotated[
        Line | None,
        Meta(description="Local day, week or month that it was unlocked in; null: once.", examples=["2024-W18"]),
    ] = None


class ReachedMilestone(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """The milestone that a learner reached."""

    user_id: Annotated[Identifier, Meta(description="The learner.", examples=["u-17"])]
    kind: Annotated[MilestoneKind, Meta(description="What kind of milestone.", examples=["PATH_PROGRESS"])]
    reached_at: Annotated[Moment, Meta(description="Event time that reached it.", examples=["2024-05-01T12:34:56Z"])]
    path_id: Annotated[Identifier | None, Meta(description="The path, unless it is a streak.", examples=["path-2"])] = (
        None
    )
    module_id: Annotated[
        Identifier | None, Meta(description="The module that was completed.", examples=["module-1"])
    ] = None
    percent: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="Progress of the path [%]: 25, 50, 75 or 100.", examples=[50]),
    ] = None
    days: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Length of the streak [local days].", examples=[7])
    ] = None


class ChangedRecommendations(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Whose list of recommendations changed."""

    user_id: Annotated[Identifier, Meta(description="The learner.", examples=["u-17"])]
    version: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="Version of the list; a larger one is newer.", examples=[42])
    ]
    generated_at: Annotated[Moment, Meta(description="When the list was made.", examples=["2024-05-01T12:34:56Z"])]


_Word = Annotated[str, Meta(min_length=1, extra_json_schema=NO_NUL)]


class _Envelope(Struct, frozen=True, kw_only=True, gc=False):
    """The CloudEvents attributes that all announcements share."""

    id: Annotated[_Word, Meta(description="Stable id: equal for a repeated announcement.")]
    subject: Annotated[_Word, Meta(description="What the announcement is about, within its source.")]
    time: Annotated[Moment, Meta(description="Event time of the fact.", examples=["2024-05-01T12:34:56Z"])]
    partitionkey: Annotated[Identifier, Meta(description="The record key: the learner's userId.", examples=["u-17"])]
    source: Annotated[_Word, Meta(description="Who announces it.")] = SOURCE
    specversion: Annotated[Literal["1.0"], Meta(description="Version of CloudEvents.")] = "1.0"
    datacontenttype: Annotated[Literal["application/json"], Meta(description="Media type of `data`.")] = (
        "application/json"
    )


class AchievementUnlocked(
    _Envelope, frozen=True, kw_only=True, tag_field="type", tag="personalize.achievement.unlocked.v1"
):
    """An achievement was unlocked; on the topic `achievements`."""

    data: Annotated[UnlockedAchievement, Meta(description="The achievement.")]


class MilestoneReached(_Envelope, frozen=True, kw_only=True, tag_field="type", tag="personalize.milestone.reached.v1"):
    """A milestone was reached; on the topic `milestones`."""

    data: Annotated[ReachedMilestone, Meta(description="The milestone.")]


class RecommendationsUpdated(
    _Envelope, frozen=True, kw_only=True, tag_field="type", tag="personalize.recommendations.updated.v1"
):
    """A learner's recommendations changed; on the topic `recommendation-updates`."""

    data: Annotated[ChangedRecommendations, Meta(description="Whose list, and its version.")]


Notification = AchievementUnlocked | MilestoneReached | RecommendationsUpdated


def stable_id(*what: str | int | None) -> str:
    """Return the UUID (version 5) of what happened: equal parts give the equal id, in every process and every run."""
    return uuid_text(stable_bytes(*what))


def stable_bytes(*what: str | int | None) -> bytes:
    """Return the 16 bytes of `stable_id`; `uuid.uuid5` gives the same, and takes five times as long."""
    digest = bytearray(hashlib.sha1(_NAMESPACE.bytes + msgspec.json.encode(what), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # the variant of RFC 9562
    return bytes(digest)


def uuid_text(raw: bytes) -> str:
    """Return 16 bytes as a UUID is written."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def achievement_unlocked(data: UnlockedAchievement, unlock_id: str | None = None) -> AchievementUnlocked:
    """Return the announcement of an unlocked achievement; a tier of a learner's achievement has one id a period.

    It is `unlock_id`, where the unlock is stored under an id of its own.
    """
    again = [data.period] if data.period else []
    return AchievementUnlocked(
        id=unlock_id or stable_id("achievement", data.user_id, data.achievement_id, data.tier, *again),
        subject=f"achievements/{data.achievement_id}",
        time=data.unlocked_at,
        partitionkey=data.user_id,
        data=data,
    )


def milestone_reached(data: ReachedMilestone) -> MilestoneReached:
    """Return the announcement of a milestone.

    A path's percentage and a module's completion have one id for good. A streak's length can be reached again after
    a break, so its id holds the day (UTC) on which it was.
    """
    again = data.reached_at.astimezone(UTC).date().isoformat() if data.kind is MilestoneKind.STREAK else None
    return MilestoneReached(
        id=stable_id(
            "milestone", data.user_id, data.kind.value, data.path_id, data.module_id, data.percent, data.days, again
        ),
        subject=f"milestones/{data.kind.value}",
        time=data.reached_at,
        partitionkey=data.user_id,
        data=data,
    )


def recommendations_updated(data: ChangedRecommendations) -> RecommendationsUpdated:
    """Return the announcement of a changed list; a learner's list version has one id."""
    return RecommendationsUpdated(
        id=stable_id("recommendations", data.user_id, data.version),
        subject=f"recommendations/{data.version}",
        time=data.generated_at,
        partitionkey=data.user_id,
        data=data,
    )
