"""Feedback: read for its polarity on consent alone, stars before words, nothing where the language is not known."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from recorder_kit import event, poll, users_of

from projections.poll import TopicPartition
from projections.recorder import Recorder

PART = 5
AGREES, SILENT, ENGLISH, LATE = users_of(PART, 4)
PRAISE = "This course is wonderful, I love how clearly everything is explained."
TEXTS: list[tuple[str, dict[str, Any], str | None]] = [
    ("praise", {"feedback": PRAISE}, "pleased"),
    ("blame", {"feedback": "This was a horrible and boring lecture, I hated every minute of it."}, "displeased"),
    ("negated", {"feedback": "The explanations of this lesson are not good at all, I did not like it."}, "displeased"),
    ("stars", {"feedback": PRAISE, "rating": 1}, "displeased"),
    ("spanish", {"feedback": "Este curso es excelente, lo recomiendo a todo el mundo."}, None),
    ("german", {"feedback": "Das war eine furchtbar langweilige Vorlesung, leider."}, None),
    ("no text", {"rating": 5}, None),
]


@pytest.fixture(scope="module")
def polarity(module_database_url: str) -> dict[str, float]:
    """What each event said, by its score as a label, after one poll of commands and one of feedback."""
    recorder = Recorder(module_database_url, "worker")
    recorder.claim({TopicPartition(topic, PART): (0, 10_000) for topic in ("interactions", "learner-commands")})
    about = {"issuedAt": 1_780_000_000_000}
    yes = {"purposes": {"sentiment": True, "personality": True}}
    commands = [
        {"command": "ConsentSet", "userId": AGREES, "commandId": "c1", **about, **yes},
        {"command": "ProfileSet", "userId": ENGLISH, "commandId": "c2", **about, "language": "en-GB"},
        {"command": "ConsentSet", "userId": ENGLISH, "commandId": "c3", **about, **yes},
    ]
    recorder.record([poll("learner-commands", PART, 0, commands)])
    events = [event(AGREES, name, interactionType="RATE", **fields) for name, fields, _ in TEXTS]
    events += [event(user, f"short-{user}", feedback="boring") for user in (AGREES, ENGLISH)]
    events += [event(SILENT, "unasked", feedback=PRAISE), event(LATE, "too late", feedback=PRAISE)]
    recorder.record([poll("interactions", PART, 0, events)])
    late = {"command": "ConsentSet", "userId": LATE, "commandId": "c4", **about, **yes}
    recorder.record(
        [
            poll("learner-commands", PART, len(commands), [late]),
            poll("interactions", PART, len(events), [event(LATE, "in time", feedback=PRAISE), events[0]]),
        ]
    )
    recorder.reset()
    with psycopg.connect(module_database_url) as connection:
        rows = connection.execute("SELECT sentiment FROM interaction_log ORDER BY applied_seq, ordinal").fetchall()
    names = [*(name for name, _, _ in TEXTS), "short", "short, declared", "unasked", "too late", "in time"]
    return {name: value for name, (value,) in zip(names, rows, strict=True)}


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, _, said in TEXTS])
def test_words_count_where_their_language_is_known(polarity: dict[str, float], name: str, said: str | None) -> None:
    """English texts have a polarity, negation turns it, stars outrank it; other languages and no text have none."""
    value = polarity[name]
    assert (
        None if value != value else "pleased" if value > 0.3 else "displeased" if value < -0.3 else "neither"
    ) == said


def test_a_short_text_counts_by_the_declared_language(polarity: dict[str, float]) -> None:
    """One word tells no language: it counts where the learner declared English."""
    assert polarity["short"] != polarity["short"]
    assert polarity["short, declared"] < 0


def test_only_texts_of_learners_who_agreed_are_read(polarity: dict[str, float], module_database_url: str) -> None:
    """Without consent there is no polarity; consent given in the same poll counts; every text is kept apart."""
    assert polarity["unasked"] != polarity["unasked"]
    assert polarity["too late"] != polarity["too late"]
    assert polarity["in time"] > 0.3
    with psycopg.connect(module_database_url) as connection:
        assert connection.execute("SELECT count(*) FROM learner_private_text").fetchone() == (11,)
        felt = "SELECT user_id, log_sentiment > '-Infinity' FROM engagement JOIN learners USING (learner_key)"
        assert dict(connection.execute(felt).fetchall()) == {AGREES: True, ENGLISH: True, LATE: True, SILENT: False}


def test_habits_are_counted_of_those_who_agreed(polarity: dict[str, float], module_database_url: str) -> None:
    """The personality vector rests on the events under its own consent, and on no other learner's."""
    assert polarity
    with psycopg.connect(module_database_url) as connection:
        counts = "SELECT user_id, counts[5] FROM personality JOIN learners USING (learner_key)"
        assert dict(connection.execute(counts).fetchall()) == {AGREES: len(TEXTS) + 1, ENGLISH: 1, LATE: 1}
