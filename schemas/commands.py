"""What was asked for? The commands of the topic `learner-commands`, told apart by their member `command`.

Key: the `userId` in UTF-8. The API writes them; the worker folds them in log order with the interactions and writes a
verdict for each `commandId`. What a client sends to the API (`…Request`) is the command without its envelope: the API
adds `commandId`, `issuedAt` and what stands in the path of the URL.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schemas.command_fields import CommandId, IssuedAt, Request, UserId
from schemas.fields import Identifier, Label, LanguageTag, Level, Line, SchemaVersion, SecondsOfDay, Share, TimeZoneName
from schemas.overrides import Override
from schemas.paths import PathRequest
from schemas.recognition import (
    AchievementClaimed,
    AchievementsPageSet,
    KudosGiven,
    StreakFreezeTaken,
    StreakRepaired,
)


class LearningStyle(StrEnum):
    """The form of content that a learner says to prefer: a soft preference, never a gate."""

    VISUAL = "VISUAL"
    AUDITORY = "AUDITORY"
    KINESTHETIC = "KINESTHETIC"


class Pace(StrEnum):
    """The pace that a learner says to prefer."""

    SLOW = "SLOW"
    MODERATE = "MODERATE"
    FAST = "FAST"


class FeedbackAction(StrEnum):
    """What a learner did with a recommendation."""

    CLICKED = "clicked"
    COMPLETED = "completed"
    LIKED = "liked"
    DISLIKED = "disliked"
    DISMISSED = "dismissed"
    HIDDEN = "hidden"


class Purpose(StrEnum):
    """What personal data may be used for, each by the learner's consent."""

    PERSONALISE = "personalise"
    ANALYTICS = "analytics"
    EXPERIMENT = "experiment"
    SENTIMENT = "sentiment"
    PERSONALITY = "personality"
    SHARE = "share"


class Habit(StrEnum):
    """What a learner may answer about how they like to work."""

    THOROUGHNESS = "thoroughness"
    PACE = "pace"
    PRACTICE = "practice"
    SOCIABILITY = "sociability"
    EVENING = "evening"


class ProfileRequest(Request, frozen=True, kw_only=True):
    """A learner's declared profile, whole: what is absent is unset, not kept."""

    user_id: UserId
    age: Annotated[
        Annotated[int, Meta(ge=5, le=120)] | None, Meta(description="Age [years], 5 to 120.", examples=[24])
    ] = None
    learning_style: Annotated[
        LearningStyle | None, Meta(description="Preferred form of content.", examples=["VISUAL"])
    ] = None
    experience_level: Annotated[
        Level | None, Meta(description="How advanced the learner feels.", examples=["BEGINNER"])
    ] = None
    preferred_pace: Annotated[Pace | None, Meta(description="Preferred pace.", examples=["MODERATE"])] = None
    interests: Annotated[
        Annotated[tuple[Label, ...], Meta(max_length=50)],
        Meta(description="Topics of interest, at most 50 of 1 to 128 characters.", examples=[["algebra", "chess"]]),
    ] = ()
    career_goals: Annotated[
        Annotated[tuple[Line, ...], Meta(max_length=20)],
        Meta(description="Career goals, at most 20 of 1 to 512 characters.", examples=[["data analyst"]]),
    ] = ()
    learning_objectives: Annotated[
        Annotated[tuple[Line, ...], Meta(max_length=50)],
        Meta(description="Learning objectives, at most 50 of 1 to 512 characters.", examples=[["pass the exam"]]),
    ] = ()
    timezone: Annotated[
        TimeZoneName | None,
        Meta(
            description="The learner's time zone by its IANA name; decides local days (streaks, time of day) from now "
            "on. Absent: UTC.",
            examples=["Europe/Lisbon"],
        ),
    ] = None
    day_start_hour: Annotated[
        Annotated[int, Meta(ge=0, le=12)],
        Meta(
            description="Hour of the learner's clock at which a new day begins, 0 to 12, from now on; what happens "
            "before it still counts as the day before.",
            examples=[4],
        ),
    ] = 0
    language: Annotated[
        LanguageTag | None,
        Meta(description="Preferred language, a BCP 47 tag of at most 35 characters.", examples=["pt-BR"]),
    ] = None


class ProfileSet(ProfileRequest, frozen=True, kw_only=True, tag_field="command", tag="ProfileSet"):
    """A learner's declared profile was set, whole: what is absent is unset, not kept."""

    command_id: CommandId
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class FeedbackRequest(Request, frozen=True, kw_only=True):
    """What a learner did with a recommendation."""

    content_id: Annotated[Identifier, Meta(description="The recommended content.", examples=["algebra-3"])]
    action: Annotated[FeedbackAction, Meta(description="What the learner did with it.", examples=["liked"])]
    recommendation_id: Annotated[
        Identifier | None, Meta(description="The recommendation itself, if known.", examples=["rec-5"])
    ] = None


class FeedbackGiven(FeedbackRequest, frozen=True, kw_only=True, tag_field="command", tag="FeedbackGiven"):
    """A learner reacted to a recommendation."""

    command_id: CommandId
    user_id: UserId
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class OverrideRequest(Request, frozen=True, kw_only=True):
    """A learner's own rule for recommendations; it wins over every score."""

    override: Annotated[Override, Meta(description="The rule; its `kind` says which.")]
    active: Annotated[bool, Meta(description="False takes the rule back.", examples=[True])] = True


class OverrideSet(OverrideRequest, frozen=True, kw_only=True, tag_field="command", tag="OverrideSet"):
    """A learner set or took back a rule of their own for recommendations."""

    command_id: CommandId
    user_id: UserId
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class PathCreated(PathRequest, frozen=True, kw_only=True, tag_field="command", tag="PathCreated"):
    """A learning path was created for a learner."""

    command_id: CommandId
    path_id: Annotated[Identifier, Meta(description="The path's id, minted by the API.", examples=["path-2"])]
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class ProgressRequest(Request, frozen=True, kw_only=True):
    """How far a learner is in a module of a path."""

    module_id: Annotated[Identifier, Meta(description="The module, by its id within the path.", examples=["module-1"])]
    completion_rate: Annotated[
        Share, Meta(description="Share of the module that is completed, 0 to 1; 1 completes it.", examples=[0.5])
    ]
    time_spent: Annotated[
        SecondsOfDay | None,
        Meta(description="Time spent on the module since the last report [s], 0 to 86400.", examples=[600]),
    ] = None
    score: Annotated[
        Share | None, Meta(description="Result in the module as a share of the maximum, 0 to 1.", examples=[0.7])
    ] = None


class PathProgressed(ProgressRequest, frozen=True, kw_only=True, tag_field="command", tag="PathProgressed"):
    """A learner got further in a module of a path of theirs."""

    command_id: CommandId
    user_id: UserId
    path_id: Annotated[Identifier, Meta(description="The path, as the API named it.", examples=["path-2"])]
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class ConsentRequest(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a learner agrees to; purposes that are not named keep what was said before."""

    purposes: Annotated[
        Annotated[
            dict[Purpose, bool],
            # The decoder refuses other purposes; its generated schema would not say so.
            Meta(min_length=1, extra_json_schema={"propertyNames": {"enum": [purpose.value for purpose in Purpose]}}),
        ],
        Meta(
            description="Purpose to yes or no, at least one. Counts for events that happen from `issuedAt` on.",
            examples=[{"personalise": True, "experiment": False}],
        ),
    ]
    personality_answers: Annotated[
        Annotated[
            dict[Habit, Annotated[int, Meta(ge=1, le=5)]],
            Meta(extra_json_schema={"propertyNames": {"enum": [habit.value for habit in Habit]}}),
        ],
        Meta(
            description="How the learner likes to work, 1 (not at all) to 5 (very much); kept while `personality` is "
            "agreed to, and replaced whole.",
            examples=[{"practice": 5, "evening": 1}],
        ),
    ] = {}


class ConsentSet(ConsentRequest, frozen=True, kw_only=True, tag_field="command", tag="ConsentSet"):
    """A learner said what their data may be used for."""

    command_id: CommandId
    user_id: UserId
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


class EraseRequested(Request, frozen=True, kw_only=True, tag_field="command", tag="EraseRequested"):
    """A learner is to be forgotten: everything that is kept about them is erased."""

    command_id: CommandId
    user_id: UserId
    issued_at: IssuedAt
    schema_version: SchemaVersion = 1


Command = (
    ProfileSet
    | FeedbackGiven
    | OverrideSet
    | PathCreated
    | PathProgressed
    | AchievementClaimed
    | AchievementsPageSet
    | KudosGiven
    | StreakFreezeTaken
    | StreakRepaired
    | ConsentSet
    | EraseRequested
)
