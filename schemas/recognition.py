"""What may be asked for about achievements and streaks? Claims, public pages, kudos, freezes and repairs."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from schemas.command_fields import CommandId, IssuedAt, Request, UserId
from schemas.fields import NO_NUL, Identifier, SchemaVersion


class AchievementClaimed(Request, frozen=True, kw_only=True, tag_field="command", tag="AchievementClaimed"):
    """A learner claimed an achievement that they unlocked."""

    command_id: CommandId
    user_id: UserId
    achievement_id: Annotated[Identifier, Meta(description="The achievement, by its rule's id.", examples=["first-10"])]
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class PageRequest(Request, frozen=True, kw_only=True):
    """A learner's achievements are to stand on a public page under a name of the learner's choice."""

    display_name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema=NO_NUL)],
        Meta(description="The name shown on the page; nothing else tells who it is.", examples=["Ada L."]),
    ]


class AchievementsPageSet(Request, frozen=True, kw_only=True, tag_field="command", tag="AchievementsPageSet"):
    """A learner put their achievements on a public page, or took it back."""

    command_id: CommandId
    user_id: UserId
    issued_at: IssuedAt
    active: Annotated[bool, Meta(description="False takes the page back.", examples=[True])]
    display_name: Annotated[
        str,
        Meta(max_length=64, description="The name shown on it.", examples=["Ada L."], extra_json_schema=NO_NUL),
    ] = ""
    page_token: Annotated[
        str,
        Meta(
            max_length=64,
            description="What the page is found by, minted by the API.",
            examples=["q0mS9cXw1sVJm3Zb2kYx7dPn5uTa8hRe"],
            extra_json_schema=NO_NUL,
        ),
    ] = ""
    schema_version: SchemaVersion = 1


class KudosRequest(Request, frozen=True, kw_only=True):
    """A peer congratulates a learner on an achievement."""

    giver_id: Annotated[
        Identifier, Meta(description="The platform's id of the peer; not the learner's own.", examples=["u-18"])
    ]


class KudosGiven(KudosRequest, frozen=True, kw_only=True, tag_field="command", tag="KudosGiven"):
    """A peer gave a learner kudos; `userId` is who receives them."""

    command_id: CommandId
    user_id: UserId
    achievement_id: Annotated[Identifier, Meta(description="The achievement, by its rule's id.", examples=["finisher"])]
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class FreezeSource(StrEnum):
    """Where a streak freeze comes from."""

    EARNED = "EARNED"
    BOUGHT = "BOUGHT"


class FreezeRequest(Request, frozen=True, kw_only=True):
    """A freeze is to be put by; it covers one missed day of a streak later on."""

    source: Annotated[
        FreezeSource,
        Meta(
            description="EARNED takes one that active days earned; BOUGHT is vouched for by the platform's shop.",
            examples=["EARNED"],
        ),
    ] = FreezeSource.EARNED


class StreakFreezeTaken(FreezeRequest, frozen=True, kw_only=True, tag_field="command", tag="StreakFreezeTaken"):
    """A learner put a streak freeze by."""

    command_id: CommandId
    user_id: UserId
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class RepairRequest(Request, frozen=True, kw_only=True):
    """A missed day of a streak is to be covered afterwards."""

    missed_day: Annotated[
        date, Meta(description="The missed day, in the learner's own calendar.", examples=["2024-05-02"])
    ]


class StreakRepaired(RepairRequest, frozen=True, kw_only=True, tag_field="command", tag="StreakRepaired"):
    """A learner repaired a streak."""

    command_id: CommandId
    user_id: UserId
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1
