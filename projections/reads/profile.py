"""Who is this learner?  What was declared and what the interactions show, read in one snapshot and one round trip."""

from __future__ import annotations

import datetime as dt
from typing import Any, LiteralString, NamedTuple

import msgspec
import numpy as np

from models import engagement, preferences
from models.columns import CONSENT_PERSONALITY
from models.learner import personality
from models.sessions import SESSION_GAP_MS
from projections.profiles import BIT_OF_PURPOSE
from projections.reads import skills, streaks
from projections.reads.freshness import Seen, freshness, learner_offsets, seen, to_ms
from projections.stores.postgres_pool import Query, ReadPool, Rows
from schemas.commands import LearningStyle, Pace
from schemas.fields import Level
from schemas.interactions import TYPE_OF_CODE
from schemas.read_models import (
    Behaviour,
    Engagement,
    Preference,
    Profile,
    RecentInteraction,
    Sessions,
    Skill,
    Trait,
)

RECENT = 20
"""Interactions shown."""
TOPICS = 10
"""Topics of the preference vector shown."""
SKILLS = 20
"""Skills shown; all of them are in `projections.reads.skills`."""
ITEMS = 2_000
"""Newest items that the preference vector is made of; older ones have faded."""
LEFT_AFTER = dt.timedelta(days=7)
"""Content begun, not completed, and untouched for so long was left."""

DECLARED: LiteralString = """
SELECT l.timezone, l.day_start_hour, p.age, p.learning_style, p.experience_level, p.preferred_pace, p.interests,
       p.career_goals, p.learning_objectives, p.language, coalesce(p.version, 0), l.consent
FROM learners l LEFT JOIN learner_private p USING (learner_key)
WHERE l.user_id = %(user_id)s
"""
ENGAGEMENT: LiteralString = """
SELECT events, last_at, applied_seq, log_type, log_completion, log_time, log_scroll, log_clicks, log_rating,
       log_sentiment
FROM engagement WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
BEHAVIOUR: LiteralString = """
SELECT type_counts, hour_counts, paced_spent_seconds, paced_expected_seconds
FROM behaviour WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
SESSIONS: LiteralString = """
SELECT count(*), coalesce(sum(extract(epoch FROM ended_at - started_at)), 0)::float8, max(started_at), max(ended_at)
FROM learner_session WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
CONTENT_COUNTS: LiteralString = """
SELECT count(*), count(*) FILTER (WHERE completions > 0),
       count(*) FILTER (WHERE completions = 0 AND last_at < %(left_before)s)
FROM preference WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
PREFERENCES: LiteralString = """
SELECT p.log_positive, p.log_negative, c.topics, c.content_type
FROM (
    SELECT item_key, log_positive, log_negative FROM preference
    WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
    ORDER BY last_at DESC LIMIT %(items)s
) AS p JOIN content c USING (item_key)
"""
LATEST: LiteralString = """
SELECT c.content_id, t.name, e.type, e.at_ms, c.title
FROM recent_interaction r,
     unnest(r.item_keys[1:%(recent)s], r.content_types[1:%(recent)s], r.types[1:%(recent)s], r.at_ms[1:%(recent)s])
         WITH ORDINALITY AS e (item_key, content_type_key, type, at_ms, place)
JOIN content c USING (item_key) JOIN content_types t USING (content_type_key)
WHERE r.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
ORDER BY e.place
"""


PERSONALITY: LiteralString = """
SELECT p.totals, p.counts, a.answers
FROM learners l LEFT JOIN personality p USING (learner_key) LEFT JOIN learner_private_answers a USING (learner_key)
WHERE l.user_id = %(user_id)s
"""

SEGMENT: LiteralString = """
SELECT s.name FROM learner_insight i JOIN segment s USING (segment_id)
WHERE i.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
EXPOSURES: LiteralString = """
SELECT experiment, variation FROM experiment_exposure
WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s) ORDER BY experiment
"""


class ProfileAnswer(NamedTuple):
    """A profile and what it reflects."""

    profile: Profile
    seen: Seen


async def read(pool: ReadPool, user_id: str, part: int, now_ms: int) -> ProfileAnswer | None:
    """The profile of a learner as of now, or of the newest event should that be later; None for an unknown one.

    Args:
        pool: where to ask.
        user_id: the platform's id of the learner.
        part: the partition of the learner's records.
        now_ms: the time of reading [Unix ms]; sums that fade are read then.
    """
    answers = await pool.snapshot(_queries(user_id, part, now_ms))
    offsets, declared, engaged, behaved, sessions, counts, preferred, latest, ability, skilled, habits, *rest = answers
    grouped, exposed, *dates = rest
    if not declared:
        return None
    what = seen(offsets)
    at_ms = max(now_ms, what.as_of_ms)
    applied_seq = max(declared[0][10], engaged[0][2] if engaged else 0)
    consent = declared[0][11]
    profile = _declared(
        user_id,
        declared[0],
        consent={purpose.value: bool(consent & bit) for purpose, bit in BIT_OF_PURPOSE.items()},
        personality=_personality(habits[0]) if consent & CONSENT_PERSONALITY else (),
        segment=grouped[0][0] if grouped else None,
        experiments=dict(exposed),
        freshness=freshness(what, applied_seq, now_ms, stale=False),
    )
    if not engaged:
        return ProfileAnswer(profile, what)
    topics, kinds = _preferences(preferred, at_ms)
    shown = msgspec.structs.replace(
        profile,
        engagement=_engagement(engaged[0], at_ms),
        sessions=_sessions(sessions[0]),
        behaviour=_behaviour(behaved, counts[0]),
        streak=streaks.streak_of(dates, at_ms),
        preferences=topics,
        content_type_preferences=kinds,
        skills=_skills(skilled, skills.abilities_of(ability)),
        recent_interactions=tuple(_recent(row) for row in latest),
    )
    return ProfileAnswer(shown, what)


def _queries(user_id: str, part: int, now_ms: int) -> list[Query]:
    who = {"user_id": user_id}
    left_before = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC) - LEFT_AFTER
    return [
        learner_offsets(part),
        (DECLARED, who),
        (ENGAGEMENT, who),
        (BEHAVIOUR, who),
        (SESSIONS, who),
        (CONTENT_COUNTS, {**who, "left_before": left_before}),
        (PREFERENCES, {**who, "items": ITEMS}),
        (LATEST, {**who, "recent": RECENT}),
        (skills.ABILITY, who),
        (skills.SKILLS, who),
        (PERSONALITY, who),
        (SEGMENT, who),
        (EXPOSURES, who),
        *streaks.queries(user_id),
    ]


def _declared(user_id: str, row: tuple[Any, ...], **others: Any) -> Profile:
    timezone, day_start_hour, age, style, experience, pace, interests, goals, objectives, language, _, _ = row
    return Profile(
        user_id=user_id,
        age=age,
        learning_style=LearningStyle(style) if style else None,
        experience_level=Level(experience) if experience else None,
        preferred_pace=Pace(pace) if pace else None,
        interests=tuple(interests or ()),
        career_goals=tuple(goals or ()),
        learning_objectives=tuple(objectives or ()),
        timezone=timezone,
        day_start_hour=day_start_hour,
        language=language,
        **others,
    )


def _engagement(row: tuple[Any, ...], at_ms: int) -> Engagement:
    events, last_at, _, *log_sums = row
    state = engagement.Engagement(
        np.array([events], np.int64),
        np.array(log_sums, np.float64)[:, None],
        np.array([to_ms(last_at)], np.int64),
    )
    terms = engagement.terms_at(state, at_ms)[:, 0]
    return Engagement(
        score=float(min(terms.sum(), 100.0)),
        terms=dict(zip(engagement.TERMS, terms.tolist(), strict=True)),
        interactions=events,
        last_interaction_at=last_at,
    )


def _sessions(row: tuple[Any, ...]) -> Sessions:
    count, total_seconds, last_started_at, last_ended_at = row
    return Sessions(
        count=count,
        total_seconds=total_seconds,
        mean_seconds=total_seconds / count if count else None,
        gap_seconds=SESSION_GAP_MS / 1000,
        last_started_at=last_started_at,
        last_ended_at=last_ended_at,
    )


def _behaviour(rows: Rows, counts: tuple[Any, ...]) -> Behaviour | None:
    if not rows:
        return None
    type_counts, hour_counts, spent_seconds, expected_seconds = rows[0]
    begun, completed, left = counts
    return Behaviour(
        local_hours=tuple(hour_counts),
        types={TYPE_OF_CODE[code].value: count for code, count in enumerate(type_counts) if count},
        started=begun,
        completed=completed,
        completion_share=completed / begun if begun else None,
        drop_off_share=left / begun if begun else None,
        pace=spent_seconds / expected_seconds if expected_seconds > 0 else None,
    )


def _preferences(rows: Rows, at_ms: int) -> tuple[tuple[Preference, ...], dict[str, float]]:
    if not rows:
        return (), {}
    log_positive, log_negative, topics, kinds = zip(*rows, strict=True)
    positive = preferences.weights_at(np.array(log_positive, np.float64), at_ms)
    negative = preferences.weights_at(np.array(log_negative, np.float64), at_ms)
    vector = preferences.topic_vector(topics, positive, negative, TOPICS)
    by_kind = preferences.topic_vector([[kind] for kind in kinds], positive, negative, TOPICS)
    return tuple(Preference(topic=topic, weight=weight) for topic, weight in vector), dict(by_kind)


def _skills(rows: Rows, whole: skills.Abilities) -> tuple[Skill, ...]:
    """The most practised skills, then by name."""
    shown = [skills.skill_in(row, whole) for row in rows]
    return tuple(sorted(shown, key=lambda skill: (-skill.attempts, skill.name))[:SKILLS])


def _personality(row: tuple[Any, ...]) -> tuple[Trait, ...]:
    totals, counts, answers = row
    nothing = [0.0] * len(personality.DIMENSIONS)
    found = personality.personality(np.array(totals or nothing), np.array(counts or nothing, np.float64), answers)
    return tuple(
        Trait(
            name=trait.name,
            value=trait.value,
            answer=trait.answer,
            moved_by_behaviour=trait.moved_by_behaviour,
            observations=trait.observations,
            certainty=trait.certainty,
        )
        for trait in found
    )


def _recent(row: tuple[Any, ...]) -> RecentInteraction:
    content_id, content_type, code, at_ms, title = row
    return RecentInteraction(
        content_id=content_id,
        content_type=content_type,
        interaction_type=TYPE_OF_CODE[code],
        occurred_at=dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC),
        title=title,
    )
