"""What the tests of background jobs share: waiting, a log of interactions, jobs that count what they did."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from models.columns import Interactions
from projections import interaction_log
from projections.stores.postgres import Connection
from streams.jobs.job import Assignment, Effect, Job

PATIENCE_SECONDS = 60.0
DAY_MS = 86_400_000
FIRST_MS = 1_760_000_000_000  # 2025-10-09


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Waits until a condition holds; fails the test when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain for {what}")
        time.sleep(0.05)


def add_to_log(connection: Connection, learner, item, at_ms, applied_seq: int, consent: int = 3) -> None:
    """Appends VIEWs to the log of record."""
    n = len(learner)
    none = np.full(n, np.nan, np.float32)
    small = np.zeros(n, np.int16)
    batch = Interactions(
        learner=np.asarray(learner, np.int64),
        item=np.asarray(item, np.int64),
        content_type=small,
        type=small,
        at_ms=np.asarray(at_ms, np.int64),
        local_day=(np.asarray(at_ms) // DAY_MS).astype(np.int32),
        local_hour=small,
        time_spent_seconds=none,
        expected_seconds=none,
        completion_rate=none,
        rating=none,
        clicks=none,
        scroll_depth=none,
        score=none,
        sentiment=none,
        success=np.full(n, -1, np.int16),
        consent=np.full(n, consent, np.int32),
        dedupe_key=np.arange(n) + applied_seq * 1_000_000,
    )
    interaction_log.append(connection, batch, applied_seq)


def courses(learners: int, length: int, seed: int, items: int = 40, first_ms: int = FIRST_MS):
    """(learner, item, at_ms): each learner goes through the items in order, from a place of his own, with slips."""
    draw = np.random.default_rng(seed)
    learner = np.repeat(np.arange(1, learners + 1), length)
    start = np.repeat(draw.integers(0, items, learners), length)
    slip = draw.integers(0, 3, learners * length)
    item = 100 + (start + np.tile(np.arange(length), learners) + slip) % items
    at_ms = first_ms + np.tile(np.arange(length), learners) * DAY_MS + draw.integers(0, DAY_MS, learners * length)
    return learner, item, at_ms


def counting_job(name: str = "count", queue: str = "analytics", **more) -> Job:
    """A job whose effect is one row in ``counted``."""

    def work(assignment: Assignment) -> Effect:
        def effect(connection: Connection) -> int:
            connection.execute("INSERT INTO counted (run_key) VALUES (%(key)s)", {"key": assignment.run_key})
            return 1

        return effect

    return Job(name=name, queue=queue, does="Counts.", work=work, **more)


def counted(connection: Connection) -> list[str]:
    """The effects of counting jobs so far."""
    return [key for (key,) in connection.execute("SELECT run_key FROM counted ORDER BY run_key").fetchall()]
