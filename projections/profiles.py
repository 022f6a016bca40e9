"""What did a learner declare, and agree to?  The private profile, and zone and consent beside the surrogate key.

Declared data is personal: it lies in ``learner_private`` alone.  Only the zone and the consent bits stand in
``learners``, since every fold needs them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import LiteralString

import msgspec

from models.columns import (
    CONSENT_ANALYTICS,
    CONSENT_EXPERIMENT,
    CONSENT_PERSONALISE,
    CONSENT_PERSONALITY,
    CONSENT_SENTIMENT,
    CONSENT_SHARE,
)
from projections import streaks
from projections.stores.postgres import Connection
from schemas.commands import ConsentSet, ProfileSet, Purpose
from schemas.event_time import epoch_ms

BIT_OF_PURPOSE: dict[Purpose, int] = {
    Purpose.PERSONALISE: CONSENT_PERSONALISE,
    Purpose.ANALYTICS: CONSENT_ANALYTICS,
    Purpose.EXPERIMENT: CONSENT_EXPERIMENT,
    Purpose.SENTIMENT: CONSENT_SENTIMENT,
    Purpose.PERSONALITY: CONSENT_PERSONALITY,
    Purpose.SHARE: CONSENT_SHARE,
}
UPSERT = """
INSERT INTO learner_private (learner_key, age, learning_style, experience_level, preferred_pace, interests,
                             career_goals, learning_objectives, language, version)
VALUES (%(learner_key)s, %(age)s, %(learning_style)s, %(experience_level)s, %(preferred_pace)s, %(interests)s,
        %(career_goals)s, %(learning_objectives)s, %(language)s, %(version)s)
ON CONFLICT (learner_key) DO UPDATE SET
    age = excluded.age, learning_style = excluded.learning_style, experience_level = excluded.experience_level,
    preferred_pace = excluded.preferred_pace, interests = excluded.interests, career_goals = excluded.career_goals,
    learning_objectives = excluded.learning_objectives, language = excluded.language, version = excluded.version,
    updated_at = now()
RETURNING (xmax = 0)
"""
SET_ZONE = """
UPDATE learners SET timezone = %(timezone)s, day_start_hour = %(hour)s WHERE learner_key = %(learner_key)s
"""
SET_CONSENT = """
UPDATE learners SET consent = (consent | %(granted)s) & ~ %(withdrawn)s::integer
WHERE learner_key = %(learner_key)s RETURNING consent
"""
INSERT_TEXT = """
INSERT INTO learner_private_text (learner_key, dedupe_key, feedback, occurred_at)
SELECT learner_key, dedupe_key, feedback, occurred_at
FROM unnest(%(learners)s, %(keys)s, %(texts)s::text[], %(at)s)
    AS new (learner_key, dedupe_key, feedback, occurred_at)
ON CONFLICT DO NOTHING
"""
SET_ANSWERS: LiteralString = """
INSERT INTO learner_private_answers (learner_key, answers) VALUES (%(learner_key)s, %(answers)s::jsonb)
ON CONFLICT (learner_key) DO UPDATE SET answers = excluded.answers
"""
WITHDRAW_ANSWERS: LiteralString = "DELETE FROM learner_private_answers WHERE learner_key = %(learner_key)s"
FORGET: tuple[LiteralString, ...] = (
    WITHDRAW_ANSWERS,
    "DELETE FROM learner_private_text WHERE learner_key = %(learner_key)s",
    "DELETE FROM learner_private WHERE learner_key = %(learner_key)s",
)


def zone_of(profile: ProfileSet) -> str:
    """The IANA zone that a profile declares."""
    return profile.timezone or "UTC"


def put(connection: Connection, learner_key: int, profile: ProfileSet, version: int) -> Callable[[], bool]:
    """Takes over a declared profile whole; call it to learn whether the learner had none before."""
    answer = connection.execute(
        UPSERT,
        {
            "learner_key": learner_key,
            "age": profile.age,
            "learning_style": profile.learning_style,
            "experience_level": profile.experience_level,
            "preferred_pace": profile.preferred_pace,
            "interests": list(profile.interests),
            "career_goals": list(profile.career_goals),
            "learning_objectives": list(profile.learning_objectives),
            "language": profile.language,
            "version": version,
        },
    )
    zone, hour = zone_of(profile), profile.day_start_hour
    since = dt.datetime.fromtimestamp(epoch_ms(profile.issued_at) / 1000, dt.UTC)
    streaks.note_zone(connection, learner_key, zone, hour, since)
    connection.execute(SET_ZONE, {"learner_key": learner_key, "timezone": zone, "hour": hour})
    return lambda: answer.fetchone() == (True,)


def set_consent(connection: Connection, learner_key: int, consent: ConsentSet) -> None:
    """Grants and withdraws the purposes named; the others stay as they were."""
    granted = sum(BIT_OF_PURPOSE[purpose] for purpose, agreed in consent.purposes.items() if agreed)
    withdrawn = sum(BIT_OF_PURPOSE[purpose] for purpose, agreed in consent.purposes.items() if not agreed)
    connection.execute(SET_CONSENT, {"learner_key": learner_key, "granted": granted, "withdrawn": withdrawn})
    if consent.purposes.get(Purpose.PERSONALITY) is False:
        connection.execute(WITHDRAW_ANSWERS, {"learner_key": learner_key})
    elif consent.personality_answers:
        answers = msgspec.json.encode(consent.personality_answers).decode()
        connection.execute(SET_ANSWERS, {"learner_key": learner_key, "answers": answers})
