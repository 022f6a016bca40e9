"""The law of the recorder: for one recorded sequence of ranges, any grouping into polls gives the same rows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.dead_letter_limit import DeadLetterLimit
from projections.poll import TopicPartition
from projections.recorded import Recorded
from projections.recorder import Recorder
from schemas.partitioning import partition_of
from streams.intake import decode_slice

PARTS = (1, 4)
USERS = {part: [f"g{n}" for n in range(400) if partition_of(f"g{n}".encode(), 8) == part][:3] for part in PARTS}
TYPES = ("VIEW", "COMPLETE", "LIKE", "DISLIKE", "RATE", "SHARE", "SKIP")
# Whose values depend on how a transaction was cut, not on what was folded.
PER_TRANSACTION = {"applied_seq", "updated_at", "created_at", "committed_at", "ordinal", "outbox_id"}
LEFT_OUT = {"applied_range", "outbox"}
KEPT = {"alembic_version", "achievement_rule", "access_audit", "learners", "content", "content_types"}
Told = Callable[[Recorded], None]


class Record:
    """A Kafka record as aiokafka hands it out."""

    def __init__(self, part: int, offset: int, value: bytes) -> None:
        self.key = USERS[part][offset % 3].encode()
        self.value, self.offset, self.headers = value, offset, ()
        self.timestamp = 1_790_000_000_000 + offset


def logs_of(seed: int, length: int) -> dict[int, list[Any]]:
    """A log for each partition, with duplicates, late events and dead letters among it."""
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


class Fold:
    """One recorder, and a database that is emptied of all but identities before each use."""

    def __init__(self, url: str) -> None:
        self.recorder = Recorder(url, "law", limit=DeadLetterLimit(max_share=1.0))
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET session_replication_role = replica")  # rows go in any order
        # Surrogate keys are handed out in order of arrival, which depends on the polls: hand them out beforehand.
        users = [user for part in PARTS for user in USERS[part]]
        self.recorder.identities.learners(self.recorder.connection(), users)
        self.recorder.identities.content(self.recorder.connection(), [f"c{n}" for n in range(5)], ["video"] * 5)
        self.recorder.identities.content_types(self.recorder.connection(), ["quiz", "video"])
        self.tables = [
            name
            for (name,) in self.connection.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                " AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            if name not in KEPT
        ]

    def close(self) -> None:
        """Ends its connections."""
        self.recorder.reset()
        self.connection.close()

    def apply(self, logs: dict[int, list[Any]], cuts: list[int], told: Told | None = None) -> dict[str, list[Any]]:
        """Every table's rows, after the logs were applied cut into polls; ``told`` leaves commits under way."""
        self.connection.execute("; ".join(f"DELETE FROM {name}" for name in self.tables))  # type: ignore[arg-type]
        self.recorder.claim({TopicPartition("interactions", part): (0, 10_000) for part in PARTS})
        at = 0
        for end in [*cuts, len(logs[PARTS[0]])]:
            if end > at:
                slices = [decode_slice("interactions", part, at, logs[part][at:end], 8) for part in PARTS]
                self.recorder.record(slices, told=told)
            at = max(at, end)
        self.recorder.settle()
        return self._rows()

    def _rows(self) -> dict[str, list[Any]]:
        """Every row of the tables, without what depends on the transaction."""
        found: dict[str, list[Any]] = {}
        for name in sorted(set(self.tables) - LEFT_OUT):
            cursor = self.connection.execute(f"SELECT * FROM {name}")  # type: ignore[arg-type]
            columns = [column.name for column in cursor.description or ()]
            keep = [index for index, column in enumerate(columns) if column not in PER_TRANSACTION]
            rows = [tuple(row[index] for index in keep) for row in cursor.fetchall()]
            found[name] = sorted(rows, key=lambda row: [str(value) for value in row if not isinstance(value, float)])
        return found


@pytest.fixture(scope="module")
def fold(module_database_url: str) -> Iterator[Fold]:
    """Shared by all examples."""
    made = Fold(module_database_url)
    yield made
    made.close()


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


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 39), max_size=6).map(sorted), under_way=st.booleans())
def test_any_grouping_into_polls_gives_the_same_rows(fold: Fold, seed: int, cuts: list[int], under_way: bool) -> None:
    """One poll or many, with the same ranges in the same order, waited for or not: every table holds the same."""
    logs = logs_of(seed, 40)
    outcomes: list[Recorded] = []
    whole = fold.apply(logs, [])
    split = fold.apply(logs, cuts, outcomes.append if under_way else None)
    assert len(outcomes) == under_way * len({0, *cuts})
    assert whole["interaction_log"]
    for name, rows in whole.items():
        try:
            assert_same(rows, split[name])
        except AssertionError as difference:
            raise AssertionError(f"{name} differs with cuts {cuts}") from difference
