"""The law of the recorder: for one recorded sequence of ranges, any grouping into polls gives the same rows."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.poll import TopicPartition
from projections.recorder import Recorder
from schemas.partitioning import partition_of
from streams.intake import decode_slice

PARTS = (1, 4)
USERS = {part: [f"g{n}" for n in range(400) if partition_of(f"g{n}".encode(), 8) == part][:3] for part in PARTS}
TYPES = ("VIEW", "COMPLETE", "LIKE", "DISLIKE", "RATE", "SHARE", "SKIP")
# Whose values depend on how a transaction was cut, not on what was folded.
PER_TRANSACTION = {"applied_seq", "updated_at", "created_at", "committed_at", "ordinal", "outbox_id"}
LEFT_OUT = {"applied_range", "outbox", "alembic_version"}


class Record:
    """A Kafka record as aiokafka hands it out."""

    def __init__(self, part: int, offset: int, value: bytes) -> None:
        self.key = USERS[part][offset % 3].encode()
        self.value, self.offset, self.headers = value, offset, ()
        self.timestamp = 1_790_000_000_000 + offset


def logs_of(seed: int, length: int) -> dict[int, list[Any]]:
    """A log for each partition, with duplicates, late events and dead letters among it."""
    import json

    rng = random.Random(seed)
    logs: dict[int, list[Any]] = {}
    for part in PARTS:
        logs[part] = []
        for offset in range(length):
            body: Any = {
                "userId": USERS[part][offset % 3],
                "interactionType": rng.choice(TYPES),
                "contentType": rng.choice(("video", "quiz")),
                "contentId": f"c{rng.randrange(5)}",
                "occurredAt": 1_780_000_000_000 + rng.randrange(40) * 1_000_000,
                "eventId": f"e{rng.randrange(length * 2)}",
                "timeSpent": rng.choice((0, 30.5, 600)),
            }
            value = b"{" if rng.random() < 0.05 else json.dumps(body).encode()
            logs[part].append(Record(part, offset, value))
    return logs


def apply_in_polls(url: str, logs: dict[int, list[Any]], cuts: list[int]) -> dict[str, list[Any]]:
    """Empties the tables, applies the logs cut into polls, and returns every table's rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                " AND relnamespace = 'public'::regnamespace AND relname NOT IN"
                " ('alembic_version', 'achievement_rule', 'access_audit')"
            ).fetchall()
        ]
        connection.execute("TRUNCATE " + ", ".join(names) + " RESTART IDENTITY CASCADE")
    recorder = Recorder(url, "law")
    recorder.claim({TopicPartition("interactions", part): (0, 10_000) for part in PARTS})
    try:
        # Surrogate keys are handed out in order of arrival, which depends on the polls: hand them out beforehand.
        users = [user for part in PARTS for user in USERS[part]]
        recorder.identities.learners(recorder.connection(), users)
        recorder.identities.content(recorder.connection(), [f"c{n}" for n in range(5)], ["video"] * 5)
        recorder.identities.content_types(recorder.connection(), ["quiz", "video"])
        at = 0
        for end in [*cuts, len(logs[PARTS[0]])]:
            if end > at:
                recorder.record([decode_slice("interactions", part, at, logs[part][at:end], 8) for part in PARTS])
            at = max(at, end)
    finally:
        recorder.reset()
    return rows_of(url, [name for name in names if name not in LEFT_OUT])


def rows_of(url: str, names: list[str]) -> dict[str, list[Any]]:
    """Every row of the tables, without what depends on the transaction."""
    found: dict[str, list[Any]] = {}
    with psycopg.connect(url) as connection:
        for name in sorted(names):
            cursor = connection.execute(f"SELECT * FROM {name}")  # type: ignore[arg-type]
            columns = [column.name for column in cursor.description or ()]
            keep = [index for index, column in enumerate(columns) if column not in PER_TRANSACTION]
            rows = [tuple(row[index] for index in keep) for row in cursor.fetchall()]
            found[name] = sorted(rows, key=lambda row: [str(value) for value in row if not isinstance(value, float)])
    return found


def assert_same(one: Any, other: Any) -> None:
    """Equal, floats within 1e-9 relative."""
    if isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-12, nan_ok=True)
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 39), max_size=8).map(sorted))
def test_any_grouping_into_polls_gives_the_same_rows(module_database_url: str, seed: int, cuts: list[int]) -> None:
    """One poll or many, with the same ranges in the same order: every table holds the same."""
    logs = logs_of(seed, 40)
    whole = apply_in_polls(module_database_url, logs, [])
    split = apply_in_polls(module_database_url, logs, cuts)
    assert whole.keys() == split.keys()
    assert whole["interaction_log"]
    for name, rows in whole.items():
        try:
            assert_same(rows, split[name])
        except AssertionError as difference:
            raise AssertionError(f"{name} differs with cuts {cuts}") from difference
