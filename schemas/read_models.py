"""What does the API answer about a learner? The bodies of the profile and achievement reads.

Field names are camelCase on the wire. Learners and content go by the platform's own ids. Fields are only ever added.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from schemas.achievement_rules import Repeat
from schemas.commands import LearningStyle, Pace
from schemas.fields import Level
from schemas.interactions import InteractionType

_EXAMPLE_TIME = "2024-05-01T12:34:56Z"
Moment = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Percent = Annotated[float, Meta(ge=0.0, le=100.0)]
Duration = Annotated[float, Meta(ge=0.0)]


class Freshness(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """How new an answer is: the read model folds the log, and this says how far."""

    generated_at: Annotated[Moment, Meta(description="When the answer was made.")]
    as_of: Annotated[
        Moment | None, Meta(description="Event time up to which decaying values are read; null before any event.")
    ]
    position: Annotated[Count, Meta(description="Sequence number of the newest transaction in it; 0 is none.")]
    data_age_ms: Annotated[
        Annotated[float, Meta(ge=0.0)] | None, Meta(description="Age of that transaction [ms]; null before any.")
    ] = None
    stale: Annotated[bool, Meta(description="Whether a write that the read asked for is not in it yet.")] = False


class Engagement(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """How engaged a learner is: a bounded sum of recent interactions that halves every 7 days."""

    score: Annotated[Percent, Meta(description="100 * (1 - exp(-sum / 5)), 0 to 100.", examples=[63.2])]
    terms: Annotated[
        dict[str, float],
        Meta(
            description="What the score is made of, by kind of evidence; the terms sum to the score.",
            examples=[{"type": 30.1, "completion": 22.4, "timeRatio": 10.7}],
        ),
    ]
    interactions: Annotated[Count, Meta(description="Interactions that were counted.", examples=[120])]
    last_interaction_at: Annotated[Moment | None, Meta(description="Event time of the newest one.")] = None


class Sessions(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A learner's visits: interactions with less than the session gap between them."""

    count: Annotated[Count, Meta(description="Sessions so far.", examples=[12])]
    total_seconds: Annotated[Duration, Meta(description="Time in sessions [s].", examples=[14400])]
    mean_seconds: Annotated[Duration | None, Meta(description="Mean length [s]; null without a session.")] = None
    gap_seconds: Annotated[Duration, Meta(description="Silence that ends a session [s].", examples=[1800])] = 1800.0
    last_started_at: Annotated[Moment | None, Meta(description="Event time at which the newest one began.")] = None
    last_ended_at: Annotated[Moment | None, Meta(description="Event time of the newest one's last interaction.")] = None


class Behaviour(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """When and how a learner works."""

    local_hours: Annotated[
        Annotated[tuple[Count, ...], Meta(min_length=24, max_length=24)],
        Meta(description="Interactions by hour of the learner's local day, 24 counts from midnight."),
    ]
    types: Annotated[
        dict[str, Count], Meta(description="Interactions by interactionType.", examples=[{"VIEW": 90, "COMPLETE": 12}])
    ]
    started: Annotated[Count, Meta(description="Pieces of content that were begun.", examples=[20])] = 0
    completed: Annotated[Count, Meta(description="Pieces of content that were completed.", examples=[12])] = 0
    completion_share: Annotated[
        Share | None, Meta(description="Completed of begun, 0 to 1; null when nothing was begun.", examples=[0.6])
    ] = None
    drop_off_share: Annotated[
        Share | None, Meta(description="Begun and left of begun, 0 to 1; null when nothing was begun.", examples=[0.2])
    ] = None
    pace: Annotated[
        Duration | None,
        Meta(description="Time spent over time expected; below 1 is faster than expected.", examples=[1.2]),
    ] = None


class Streak(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Consecutive local days with an interaction; freezes and repairs hold it together over missed days."""

    current_days: Annotated[Count, Meta(description="Active days in a row up to today or yesterday.", examples=[3])]
    longest_days: Annotated[Count, Meta(description="The longest such run.", examples=[9])]
    active_days: Annotated[Count, Meta(description="Days with an interaction.", examples=[31])] = 0
    last_active_day: Annotated[
        date | None, Meta(description="The newest such day, in the learner's time zone.", examples=["2024-05-01"])
    ] = None
    active_today: Annotated[bool, Meta(description="Whether today, where the learner is, counts already.")] = False
    freezes_held: Annotated[
        Annotated[int, Meta(ge=0, le=2)], Meta(description="Freezes ready for a missed day.", examples=[1])
    ] = 0
    days_to_next_freeze: Annotated[
        Count, Meta(description="Active days until the next freeze is earned; 0: one can be taken.", examples=[3])
    ] = 7
    frozen_days: Annotated[
        tuple[date, ...], Meta(description="Missed days of the current streak that freezes cover.")
    ] = ()
    repaired_days: Annotated[tuple[date, ...], Meta(description="Missed days of the current streak repaired.")] = ()
    passed_over_days: Annotated[
        tuple[date, ...], Meta(description="Dates of the current streak that travel cut short; they cost nothing.")
    ] = ()
    repairable_days: Annotated[
        tuple[date, ...], Meta(description="Missed days that could be repaired now, oldest first.")
    ] = ()


class Preference(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """How much a learner is drawn to a topic."""

    topic: Annotated[str, Meta(description="The topic.", examples=["algebra"])]
    weight: Annotated[
        float, Meta(description="Its part of the preference vector; negative is aversion.", examples=[0.42])
    ]


class RecentInteraction(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One of a learner's newest interactions."""

    content_id: Annotated[str, Meta(description="The content.", examples=["algebra-3"])]
    content_type: Annotated[str, Meta(description="Kind of content.", examples=["video"])]
    interaction_type: Annotated[InteractionType, Meta(description="What the learner did.", examples=["COMPLETE"])]
    occurred_at: Annotated[Moment, Meta(description="When it happened.", examples=["2024-05-01T12:34:56Z"])]
    title: Annotated[
        str | None, Meta(description="The content's title, once the catalogue knows it.", examples=["Linear equations"])
    ] = None


class Skill(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """How well a learner masters a skill, and how sure that is."""

    name: Annotated[str, Meta(description="Name of the skill, as the catalogue words it.", examples=["equations"])]
    mastery: Annotated[
        Share, Meta(description="Expected success rate at the skill's average content, 0 to 1.", examples=[0.78])
    ]
    low: Annotated[Share, Meta(description="Lower end of its 90 % interval.", examples=[0.66])]
    high: Annotated[Share, Meta(description="Upper end of its 90 % interval.", examples=[0.87])]
    uncertainty: Annotated[
        Annotated[float, Meta(ge=0.0, le=0.5)], Meta(description="Half the width of the interval.", examples=[0.105])
    ]
    attempts: Annotated[Count, Meta(description="Attempts at its content.", examples=[12])]
    successes: Annotated[Count, Meta(description="Of them, successes.", examples=[9])]
    mastered: Annotated[
        bool, Meta(description="Gained at .85 with three successes in a row, lost below .75.", examples=[False])
    ]
    last_attempt_at: Annotated[Moment, Meta(description="Event time of the newest attempt.", examples=[_EXAMPLE_TIME])]


class Trait(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One habit of a learner who agreed to be asked, and what moved it. It decides nothing."""

    name: Annotated[
        str,
        Meta(description="thoroughness, pace, practice, sociability or evening.", examples=["thoroughness"]),
    ]
    value: Annotated[Share, Meta(description="0 to 1; one half where nothing is known.", examples=[0.71])]
    answer: Annotated[Share | None, Meta(description="Where the learner's own answer put it; null without one.")] = None
    moved_by_behaviour: Annotated[
        Annotated[float, Meta(ge=-1.0, le=1.0)], Meta(description="How far behaviour moved it.", examples=[0.21])
    ]
    observations: Annotated[Count, Meta(description="Interactions that were observed.", examples=[34])]
    certainty: Annotated[Share, Meta(description="Share of it that rests on behaviour.", examples=[0.87])]


class Profile(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Everything about a learner: what was declared, and what their interactions show."""

    user_id: Annotated[str, Meta(description="The platform's id of the learner.", examples=["u-17"])]
    age: Annotated[int | None, Meta(description="Declared age [years].", examples=[24])] = None
    learning_style: Annotated[LearningStyle | None, Meta(description="Declared preferred form of content.")] = None
    experience_level: Annotated[Level | None, Meta(description="Declared experience.")] = None
    preferred_pace: Annotated[Pace | None, Meta(description="Declared pace.")] = None
    interests: Annotated[tuple[str, ...], Meta(description="Declared topics of interest.")] = ()
    career_goals: Annotated[tuple[str, ...], Meta(description="Declared career goals.")] = ()
    learning_objectives: Annotated[tuple[str, ...], Meta(description="Declared learning objectives.")] = ()
    timezone: Annotated[str | None, Meta(description="Declared time zone, IANA name.", examples=["Europe/Lisbon"])] = (
        None
    )
    day_start_hour: Annotated[
        Annotated[int, Meta(ge=0, le=12)], Meta(description="Hour of the learner's clock at which a day begins.")
    ] = 0
    language: Annotated[str | None, Meta(description="Declared language, BCP 47 tag.", examples=["pt-BR"])] = None
    engagement: Annotated[Engagement | None, Meta(description="Engagement; null before any interaction.")] = None
    sessions: Annotated[Sessions | None, Meta(description="Sessions; null before any interaction.")] = None
    behaviour: Annotated[Behaviour | None, Meta(description="Patterns; null before any interaction.")] = None
    streak: Annotated[Streak | None, Meta(description="Streak; null before any interaction.")] = None
    preferences: Annotated[
        tuple[Preference, ...], Meta(description="The preference vector's largest topics, heaviest first.")
    ] = ()
    content_type_preferences: Annotated[
        dict[str, float], Meta(description="How much the learner is drawn to each kind of content.")
    ] = {}
    skills: Annotated[
        tuple[Skill, ...],
        Meta(description="The skill vector's 20 most practised skills; all of them: `/api/profile/{userId}/skills`."),
    ] = ()
    personality: Annotated[
        tuple[Trait, ...], Meta(description="Working habits; empty without consent to `personality`.")
    ] = ()
    consent: Annotated[
        dict[str, bool], Meta(description="What the learner agrees to, by purpose.", examples=[{"personalise": True}])
    ] = {}
    segment: Annotated[
        str | None, Meta(description="Group of learners who behave alike; null: none, or not looked at yet.")
    ] = None
    experiments: Annotated[
        dict[str, str],
        Meta(description="Experiments that the learner was served by: key and variation.", examples=[{"plain": "a"}]),
    ] = {}
    recent_interactions: Annotated[
        tuple[RecentInteraction, ...], Meta(description="The newest interactions, newest first.")
    ] = ()
    freshness: Annotated[Freshness, Meta(description="How new this answer is.")]


class LearnerEntry(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A learner in a list of learners."""

    user_id: Annotated[str, Meta(description="The platform's id of the learner.", examples=["u-17"])]
    first_seen_at: Annotated[Moment, Meta(description="When the first event or command of the learner was seen.")]


class LearnerPage(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A page of learners, in the order of their ids."""

    learners: Annotated[tuple[LearnerEntry, ...], Meta(description="The learners of this page.")]
    next_cursor: Annotated[
        str | None, Meta(description="Send it as `cursor` for the next page; null: this is the last.")
    ]


class Achievement(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One tier of an achievement, and how far a learner is."""

    achievement_id: Annotated[str, Meta(description="The achievement, by its rule's id.", examples=["first-10"])]
    title: Annotated[str, Meta(description="Title for people.", examples=["First ten"])]
    description: Annotated[str, Meta(description="What it is for.", examples=["Complete ten pieces of content."])]
    tier: Annotated[Annotated[int, Meta(ge=1)], Meta(description="Tier within the rule, from 1.", examples=[1])]
    progress: Annotated[Duration, Meta(description="What was counted so far.", examples=[7])]
    target: Annotated[Duration, Meta(description="What unlocks it.", examples=[10])]
    repeat: Annotated[
        Repeat, Meta(description="In which of the learner's periods it can be unlocked anew.", examples=["weekly"])
    ] = Repeat.NEVER
    period: Annotated[
        str | None,
        Meta(
            description="Of what repeats: the period last unlocked in, or the present one if locked.",
            examples=["2024-W18"],
        ),
    ] = None
    times: Annotated[Count, Meta(description="In how many periods it was unlocked.", examples=[1])] = 0
    unclaimed: Annotated[Count, Meta(description="How many of those are still to be claimed.", examples=[1])] = 0
    unlocked_at: Annotated[
        Moment | None, Meta(description="Event time that unlocked it, the last time; null if locked.")
    ] = None
    claimed_at: Annotated[
        Moment | None, Meta(description="When it was claimed, the last time unlocked; null if it was not.")
    ] = None
    kudos: Annotated[Count, Meta(description="Kudos that peers gave for the achievement.", examples=[3])] = 0
    share_path: Annotated[
        str | None,
        Meta(
            description="Where others see it, on this API; null: locked, or there is no public page.",
            examples=["/achievements/q0mS9cXw1sVJm3Zb/first-10"],
        ),
    ] = None


class SharedAchievement(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One achievement on a shared page."""

    achievement_id: Annotated[str, Meta(description="The achievement, by its rule's id.", examples=["finisher"])]
    title: Annotated[str, Meta(description="Title for people.", examples=["Ten finished"])]
    description: Annotated[str, Meta(description="What it is for.", examples=["Complete ten pieces of content."])]
    tier: Annotated[Annotated[int, Meta(ge=1)], Meta(description="The highest unlocked tier.", examples=[2])]
    unlocked_at: Annotated[Moment, Meta(description="Event time that unlocked it.", examples=["2024-05-01T12:34:56Z"])]
    kudos: Annotated[Count, Meta(description="Kudos received for it.", examples=[3])]
    times: Annotated[Count, Meta(description="In how many periods the tier was unlocked.", examples=[1])] = 1


class SharedPage(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What a learner shows to everybody who has the page's address."""

    display_name: Annotated[str, Meta(description="The name given for the page.", examples=["Ada L."])]
    achievements: Annotated[tuple[SharedAchievement, ...], Meta(description="Unlocked ones, newest first.")]


class OwnPage(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A learner's own public page."""

    path: Annotated[str, Meta(description="Where it is, on this API.", examples=["/achievements/q0mS9cXw1sVJm3Zb"])]
    display_name: Annotated[str, Meta(description="The name shown on it.", examples=["Ada L."])]
    shared_at: Annotated[Moment, Meta(description="Since when.")]


class Achievements(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A learner's achievements."""

    user_id: Annotated[str, Meta(description="The platform's id of the learner.", examples=["u-17"])]
    unlocked: Annotated[tuple[Achievement, ...], Meta(description="Unlocked ones, newest first.")]
    next: Annotated[tuple[Achievement, ...], Meta(description="The next locked tier of each rule, nearest first.")]
    streak: Annotated[Streak | None, Meta(description="Streak; null before any interaction.")] = None
    page: Annotated[OwnPage | None, Meta(description="The public page; null: not shared.")] = None
    freshness: Annotated[Freshness, Meta(description="How new this answer is.")]
