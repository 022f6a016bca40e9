"""What does the API answer about a learning path? Its modules in the learner's order, why, how hard, and until when.

Field names are camelCase on the wire. Fields are only ever added.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import Level
from schemas.read_models import Count, Duration, Freshness, Moment, Share


class ModuleState(StrEnum):
    """Where a module stands for the learner."""

    COMPLETED = "completed"
    OPEN = "open"
    BLOCKED = "blocked"


class TimeNeeded(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Expected time at the learner's own pace, with the interval that holds four times in five [s]."""

    seconds: Annotated[Duration, Meta(description="Expected [s].", examples=[1800])]
    low_seconds: Annotated[Duration, Meta(description="One time in ten it is less [s].", examples=[900])]
    high_seconds: Annotated[Duration, Meta(description="One time in ten it is more [s].", examples=[3100])]


class ModuleMove(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A module whose place changed with the newest completion or day of attempts."""

    module_id: Annotated[str, Meta(description="The module.", examples=["equations"])]
    before: Annotated[Count | None, Meta(description="Its place before, from 1; null: it was mastered.", examples=[3])]
    after: Annotated[Count | None, Meta(description="Its place now, from 1; null: it is mastered.", examples=[1])]
    reason: Annotated[str, Meta(description="Why.", examples=["all its prerequisites are mastered now"])]


class ModuleProgress(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One module of a path, for this learner."""

    module_id: Annotated[str, Meta(description="The module, by its id within the path.", examples=["equations"])]
    title: Annotated[str, Meta(description="Title for people.", examples=["Equations"])]
    type: Annotated[str, Meta(description="Kind of content.", examples=["video"])]
    prerequisites: Annotated[tuple[str, ...], Meta(description="Modules that come first.", examples=[["numbers"]])]
    recommended: Annotated[
        tuple[str, ...], Meta(description="Modules that better come first.", examples=[["sets"]])
    ] = ()
    state: Annotated[ModuleState, Meta(description="Where it stands.", examples=["open"])]
    place: Annotated[
        Count | None, Meta(description="Its place among what is left, from 1; null: completed.", examples=[1])
    ]
    reason: Annotated[str | None, Meta(description="Why it stands there.", examples=["its difficulty fits you best"])]
    completion: Annotated[Share, Meta(description="Share that is completed, 0 to 1.", examples=[0.5])]
    completed_at: Annotated[Moment | None, Meta(description="When it was completed first.")]
    time_spent_seconds: Annotated[Duration, Meta(description="Time spent so far [s].", examples=[600])]
    score: Annotated[Share | None, Meta(description="Best score, 0 to 1.", examples=[0.7])]
    expected_success: Annotated[
        Share, Meta(description="Success rate to expect of the learner, 0 to 1.", examples=[0.72])
    ]
    difficulty: Annotated[
        Duration,
        Meta(description="Difficulty to aim at: 1 BEGINNER to 4 EXPERT, adapted by .5 to 1.5.", examples=[1.1]),
    ]
    duration: Annotated[Duration, Meta(description="The author's estimate [s].", examples=[2700])]
    estimate: Annotated[TimeNeeded, Meta(description="The learner's own estimate for the whole module.")]


class PathSummary(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A learning path in a list."""

    path_id: Annotated[str, Meta(description="The path.", examples=["path-2"])]
    title: Annotated[str, Meta(description="Title for people.", examples=["Algebra in a week"])]
    topic: Annotated[str, Meta(description="What it is about.", examples=["algebra"])]
    level: Annotated[Level, Meta(description="How advanced it is.", examples=["BEGINNER"])]
    created_at: Annotated[Moment, Meta(description="When it was asked for.")]
    modules: Annotated[Count, Meta(description="Modules it has.", examples=[2])]
    completed: Annotated[Count, Meta(description="Modules that are completed.", examples=[1])]
    completion: Annotated[Share, Meta(description="Mean completion of its modules, 0 to 1.", examples=[0.75])]


class LearningPath(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A learning path as it stands for its learner."""

    path_id: Annotated[str, Meta(description="The path.", examples=["path-2"])]
    user_id: Annotated[str, Meta(description="The learner who owns it.", examples=["u-17"])]
    title: Annotated[str, Meta(description="Title for people.", examples=["Algebra in a week"])]
    topic: Annotated[str, Meta(description="What it is about.", examples=["algebra"])]
    level: Annotated[Level, Meta(description="How advanced it is.", examples=["BEGINNER"])]
    created_at: Annotated[Moment, Meta(description="When it was asked for.")]
    estimated_duration: Annotated[Duration, Meta(description="The author's estimate [s].", examples=[4500])]
    completion: Annotated[Share, Meta(description="Mean completion of its modules, 0 to 1.", examples=[0.25])]
    milestones: Annotated[tuple[Count, ...], Meta(description="Shares reached [%].", examples=[[25, 50]])]
    next_modules: Annotated[
        tuple[str, ...], Meta(description="Open modules, best first, at most 3.", examples=[["equations"]])
    ]
    modules: Annotated[
        tuple[ModuleProgress, ...], Meta(description="What is left in the learner's order, then what is completed.")
    ]
    moved: Annotated[tuple[ModuleMove, ...], Meta(description="What the newest completion or day of attempts changed.")]
    time_left: Annotated[TimeNeeded, Meta(description="What is left at the learner's own pace.")]
    minutes_a_day: Annotated[
        Duration, Meta(description="Study time supposed: the learner's own, else of the declared pace.", examples=[30])
    ]
    finish_date: Annotated[date, Meta(description="Expected day on which it is done.", examples=["2024-05-09"])]
    finish_earliest: Annotated[date, Meta(description="One time in ten it is earlier.", examples=["2024-05-06"])]
    finish_latest: Annotated[date, Meta(description="One time in ten it is later.", examples=["2024-05-14"])]
    freshness: Annotated[Freshness, Meta(description="How new this answer is.")]
