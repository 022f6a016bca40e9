"""Which jobs are there?  An explicit mapping; schedules, queues, commands and metrics follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from projections import activity_summaries, housekeeping
from projections.analytics import follower
from projections.job_runs import BY_HAND
from projections.stores.postgres import Connection
from streams.jobs.job import Assignment, Effect, Job
from streams.jobs.schedule import Cadence, Period, first_day
from streams.jobs.send_notification import SEND

LATE: Final = timedelta(days=7)
"""What lies so far before a run's own period is summed again: late events reach it."""

ROLL_UP_SECONDS: Final = 600.0
"""A job that looks at roll-ups waits this long for them to be up to date."""


def _from(assignment: Assignment, period: Period) -> date:
    """The first day to be summed: all there is in the first run ever and in a run by hand."""
    usual = first_day(assignment.run_key) - LATE
    everything = BY_HAND in assignment.run_key or not activity_summaries.any_summed(assignment.connection, period)
    earliest = activity_summaries.earliest_day(assignment.connection) if everything else None
    return min(usual, earliest) if earliest else usual


def _sum_days(assignment: Assignment) -> Effect:
    first, last = _from(assignment, "day"), first_day(assignment.run_key)
    return lambda connection: activity_summaries.sum_days(connection, first, last)


def _sum_weeks(assignment: Assignment) -> Effect:
    first, last = _from(assignment, "week"), first_day(assignment.run_key)
    monday = first - timedelta(days=first.weekday())
    return lambda connection: activity_summaries.sum_weeks(connection, monday, last)


def _train_models(assignment: Assignment) -> Effect:
    # Imported when it is needed: SciPy and numba are half the memory of a process that waits.
    from streams.jobs.training import MODELS, train

    return train(MODELS, assignment)


def _find_similar(assignment: Assignment) -> Effect:
    from streams.jobs.training import SIMILARITIES, train

    return train(SIMILARITIES, assignment)


def _look_at_learners(assignment: Assignment) -> Effect:
    # Imported when it is needed, like training: scikit-learn is large.
    from projections import insight

    # At a first start the log may be long, and its roll-up has only begun.
    follower.reach_the_present(assignment.connection, ROLL_UP_SECONDS)
    found = insight.look(assignment.connection, first_day(assignment.run_key))
    return lambda connection: insight.write(connection, found, assignment.now)


def _tidy(assignment: Assignment) -> Effect:
    from projections import model_artifacts

    def effect(connection: Connection) -> int:
        return housekeeping.tidy(connection, assignment.now) + model_artifacts.prune(connection)

    return effect


_JOBS: Final = (
    Job(
        name="train-models",
        queue="training",
        does="Train EASE, ridge, SVD and iALS; judge them on a temporal hold-out; promote what is no worse.",
        work=_train_models,
        cadence=Cadence(period="day", delay=timedelta(hours=2)),
        most_attempts=3,
        first_pause_seconds=60.0,
    ),
    Job(
        name="similar-items",
        queue="recommendation",
        does="Cosine similarity of items from who took them, judged and promoted like a model.",
        work=_find_similar,
        cadence=Cadence(period="day", delay=timedelta(hours=1)),
        most_attempts=3,
        first_pause_seconds=60.0,
    ),
    Job(
        name="daily-activity",
        queue="analytics",
        does="Sum each day's activity and count its active learners; the week before is summed again.",
        work=_sum_days,
        cadence=Cadence(period="day", delay=timedelta(minutes=15), most_missed=366),
    ),
    Job(
        name="weekly-activity",
        queue="analytics",
        does="Sum each week's activity and count its active learners; the week before is summed again.",
        work=_sum_weeks,
        cadence=Cadence(period="week", delay=timedelta(minutes=30), most_missed=53),
    ),
    Job(
        name="learner-insight",
        queue="analytics",
        does="Group learners who behave alike, and say who is at risk of failing or leaving, with reasons.",
        work=_look_at_learners,
        cadence=Cadence(period="day", delay=timedelta(hours=1, minutes=30)),
    ),
    Job(
        name="housekeeping",
        queue="analytics",
        does="Delete verdicts of commands, delivered announcements, old runs and old models.",
        work=_tidy,
        cadence=Cadence(period="day", delay=timedelta(hours=3)),
    ),
    SEND,
)
JOBS: Final[Mapping[str, Job]] = {job.name: job for job in _JOBS}
