"""Commands: carried out once with a verdict, consent seen by the folds of the same poll, erasure without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from recorder_kit import event, poll, record, users_of

from models.columns import CONSENT_ANALYTICS
from projections.poll import TopicPartition
from projections.recorder import Recorder

PART = 3
USER, OTHER = users_of(PART, 2)
BOUNDS = {TopicPartition(topic, PART): (0, 10_000) for topic in ("interactions", "learner-commands", "catalogue")}


@pytest.fixture
def recorder(database_url: str) -> Iterator[Recorder]:
    """A recorder that owns one partition of each topic on a fresh database."""
    made = Recorder(database_url, "worker")
    made.claim(BOUNDS)
    yield made
    made.reset()


def ask(url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters).fetchall()


def command(kind: str, user: str, command_id: str, **fields: Any) -> dict[str, Any]:
    """A command as it stands on the topic."""
    return {"command": kind, "userId": user, "commandId": command_id, "issuedAt": 1_780_000_000_000, **fields}


def verdicts(url: str) -> dict[str, int]:
    """Status by command id."""
    return dict(ask(url, "SELECT command_id, status FROM command_result"))


def test_a_profile_is_created_then_updated(recorder: Recorder, database_url: str) -> None:
    """The first ProfileSet earns 201, the next 200; the profile is replaced whole, zone and consent lie apart."""
    first = command("ProfileSet", USER, "c1", age=30, interests=["chess"], timezone="Asia/Tokyo")
    recorder.record([poll("learner-commands", PART, 0, [first])])
    recorder.record([poll("learner-commands", PART, 1, [command("ProfileSet", USER, "c2", interests=["go"])])])
    assert verdicts(database_url) == {"c1": 201, "c2": 200}
    assert ask(database_url, "SELECT age, interests FROM learner_private") == [(None, ["go"])]
    assert ask(database_url, "SELECT timezone FROM learners WHERE user_id = %s", USER) == [("UTC",)]


def test_a_repeated_command_keeps_its_first_verdict(recorder: Recorder, database_url: str) -> None:
    """The same commandId again changes nothing, whatever it now says."""
    recorder.record([poll("learner-commands", PART, 0, [command("ProfileSet", USER, "c1", age=30)])])
    recorder.record([poll("learner-commands", PART, 1, [command("ProfileSet", USER, "c1", age=99)])])
    assert verdicts(database_url) == {"c1": 201}
    assert ask(database_url, "SELECT age FROM learner_private") == [(30,)]


def test_the_declared_zone_decides_local_days(recorder: Recorder, database_url: str) -> None:
    """Events after the profile fall on the learner's own day; an event's own zone wins over it."""
    recorder.record([poll("learner-commands", PART, 0, [command("ProfileSet", USER, "c1", timezone="Asia/Tokyo")])])
    late = "2026-03-01T20:00:00Z"
    done = recorder.record(
        [poll("interactions", PART, 0, [event(USER, occurredAt=late), event(USER, occurredAt=late, timezone="UTC")])]
    )
    assert done.batch.local_day.tolist() == [20514, 20513]
    assert done.batch.local_hour.tolist() == [5, 20]


def test_consent_withdrawn_in_the_same_poll_is_seen_by_the_folds(recorder: Recorder, database_url: str) -> None:
    """Commands of a poll come before its interactions: without consent nothing is kept of preferences."""
    withdraw = command("ConsentSet", USER, "c1", purposes={"personalise": False})
    done = recorder.record(
        [
            poll("interactions", PART, 0, [event(USER), event(OTHER)]),
            poll("learner-commands", PART, 0, [withdraw]),
        ]
    )
    assert done.batch.consent.tolist() == [CONSENT_ANALYTICS, 3]
    keys = dict(ask(database_url, "SELECT user_id, learner_key FROM learners"))
    assert ask(database_url, "SELECT learner_key FROM preference") == [(keys[OTHER],)]


def test_a_command_this_version_does_not_know_how_to_do_is_answered(recorder: Recorder, database_url: str) -> None:
    """Claims of what does not exist earn 404; nothing raises."""
    recorder.record([poll("learner-commands", PART, 0, [command("AchievementClaimed", USER, "c1", achievementId="x")])])
    assert verdicts(database_url) == {"c1": 404}


def test_an_erased_learner_leaves_no_trace(recorder: Recorder, database_url: str) -> None:
    """After EraseRequested no table holds the learner's key, id or text; the verdict stays; others keep everything."""
    mine = [event(USER, f"e{n}", feedback="my zebra words", interactionType="COMPLETE") for n in range(12)]
    broken = record(b"{", 12, key=USER.encode())
    recorder.record(
        [
            poll("interactions", PART, 0, [*mine, broken]),
            poll("learner-commands", PART, 0, [command("ProfileSet", USER, "c1", age=30)]),
        ]
    )
    recorder.record([poll("interactions", PART, 13, [event(OTHER, "o")])])
    key = ask(database_url, "SELECT learner_key FROM learners WHERE user_id = %s", USER)[0][0]
    done = recorder.record([poll("learner-commands", PART, 1, [command("EraseRequested", USER, "c2")])])
    assert done.erased == [key]
    assert verdicts(database_url) == {"c2": 200}
    for table, column in ask(
        database_url,
        """
        SELECT c.table_name, c.column_name FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.column_name = 'learner_key'
        """,
    ):
        assert ask(database_url, f"SELECT count(*) FROM {table} WHERE {column} = %s", key) == [(0,)], table
    for (table,) in ask(
        database_url,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    ):
        for needle in (USER, USER.encode().hex(), "zebra"):
            found = ask(database_url, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{needle}%")
            assert found == [(0,)], (table, needle)
    assert ask(database_url, "SELECT count(*) FROM interaction_log") == [(1,)]


def test_a_learner_who_returns_is_new(recorder: Recorder, database_url: str) -> None:
    """Events after an erasure make a learner without a past."""
    recorder.record([poll("interactions", PART, 0, [event(USER, "e1")])])
    recorder.record([poll("learner-commands", PART, 0, [command("EraseRequested", USER, "c1")])])
    recorder.record([poll("interactions", PART, 1, [event(USER, "e2")])])
    assert ask(database_url, "SELECT events FROM engagement") == [(1,)]


def test_a_repeated_erasure_spares_the_learner_who_returned(recorder: Recorder, database_url: str) -> None:
    """The same erasure command, delivered again, does not erase what came after it."""
    erase = command("EraseRequested", USER, "c1")
    recorder.record([poll("learner-commands", PART, 0, [erase])])
    recorder.record([poll("interactions", PART, 0, [event(USER, "e2")])])
    recorder.record([poll("learner-commands", PART, 1, [erase])])
    assert ask(database_url, "SELECT count(*) FROM interaction_log") == [(1,)]


def test_the_catalogue_is_there_before_its_interactions(recorder: Recorder, database_url: str) -> None:
    """A catalogue entry replaces the stub and keeps the key; a null value withdraws it."""
    recorder.record([poll("interactions", PART, 0, [event(USER, contentId="a-1")])])
    body = {"contentId": "a-1", "contentType": "video", "title": "Title", "durationSeconds": 90, "topics": ["t"]}
    recorder.record([poll("catalogue", PART, 0, [record(body, 0, key=b"a-1")])])
    after = recorder.record([poll("interactions", PART, 1, [event(USER, contentId="a-1")])])
    assert after.batch.expected_seconds.tolist() == [90.0]
    assert ask(database_url, "SELECT title, is_stub, withdrawn FROM content") == [("Title", False, False)]
    recorder.record([poll("catalogue", PART, 1, [record(None, 1, key=b"a-1")])])
    assert ask(database_url, "SELECT title, withdrawn FROM content") == [("Title", True)]
