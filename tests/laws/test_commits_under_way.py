"""Commits left under way: whatever breaks between them, each event counts once and all are told the truth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.poll import TopicPartition
from projections.recorded import Recorded
from projections.recorder import Recorder
from projections.stores.postgres import TRANSIENT
from tests.projections.recorder_kit import event, poll, users_of

pytestmark = pytest.mark.servers

PART = 3
TOPIC = "interactions"
HERE = TopicPartition(TOPIC, PART)
(USER,) = users_of(PART, 1)
LOGGED = "SELECT count(*), count(DISTINCT dedupe_key) FROM interaction_log"
BREAKS = ("nothing", "the server ends the session", "the network breaks", "the database holds still")


class Bench:
    """One recorder over one partition whose log grows from example to example, and a plain account of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.recorder = Recorder(url, "law")
        self.recorder.claim({HERE: (0, 1 << 40)})
        self.admin = psycopg.connect(url, autocommit=True)
        self.position = 0
        self.end = 0
        self.told: list[Recorded] = []

    def record(self, size: int) -> None:
        """The worker's part: one poll from where it reads, tried again while the failure passes."""
        values = [event(USER, f"e{offset}") for offset in range(self.position, self.position + size)]
        self.position += size
        self.end = max(self.end, self.position)
        piece = poll(TOPIC, PART, self.position - size, values)
        before = len(self.told)
        self.trying(lambda: self.recorder.record([piece], told=self.told.append))
        for outcome in self.told[before:]:
            assert not outcome.fenced
            self.position = outcome.lost.get(HERE, self.position)

    def settle(self) -> None:
        """Waits for what is under way."""
        before = len(self.told)
        self.trying(self.recorder.settle)
        for outcome in self.told[before:]:
            self.position = outcome.lost.get(HERE, self.position)

    def trying(self, call: Any) -> None:
        """As `streams.poll_store.PollStore` does."""
        for _ in range(5):
            try:
                call()
            except TRANSIENT:
                self.recorder.reset()
            else:
                return
        pytest.fail("it never came to an end")

    def break_off(self, how: str) -> None:
        """What happens between two polls."""
        if how == "the server ends the session":
            self.admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'personalize-worker' AND datname = current_database()"
            )
        elif how == "the network breaks":
            self.recorder.connection().close()


@pytest.fixture(scope="module")
def bench(module_database_url: str) -> Iterator[Bench]:
    """Shared by all examples: what one leaves behind is the next one's past."""
    made = Bench(module_database_url)
    yield made
    made.recorder.reset()
    made.admin.close()


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(BREAKS)), min_size=1, max_size=6))
def test_each_event_counts_once_whatever_breaks(bench: Bench, steps: list[tuple[int, str]]) -> None:
    """Polls follow without waiting for commits, sessions end in between; read again from where one is told to."""
    for size, how in steps:
        if how == "the database holds still":  # so that the commit really is under way when the next poll begins
            with psycopg.connect(bench.url) as other:
                other.execute("LOCK TABLE trending IN EXCLUSIVE MODE")
                bench.record(size)
                stored = bench.admin.execute("SELECT next_offset FROM stream_offset WHERE part = %s", (PART,))
                assert bench.recorder.durable()[HERE] == stored.fetchone()[0]  # type: ignore[index]
        else:
            bench.record(size)
            bench.break_off(how)
    for _ in count():
        bench.settle()
        if bench.position == bench.end:
            break
        bench.record(bench.end - bench.position)
    assert bench.admin.execute(LOGGED).fetchone() == (bench.end, bench.end)
    assert bench.recorder.durable() == {HERE: bench.end}
    assert sum(len(outcome.batch) for outcome in bench.told) <= bench.end


def test_nobody_is_told_before_it_is_certain(bench: Bench) -> None:
    """While the database holds a write back, the poll is recorded for the next one and stored for no one."""
    bench.settle()
    before, told = bench.end, len(bench.told)
    with psycopg.connect(bench.url) as other:
        other.execute("LOCK TABLE trending IN EXCLUSIVE MODE")
        bench.record(2)
        bench.recorder.settle(until=lambda: True)
        assert len(bench.told) == told
        assert bench.recorder.durable() == {HERE: before}
        assert bench.recorder.cursors[HERE].next_offset == before + 2
    bench.settle()
    assert len(bench.told[-1].batch) == 2
    assert bench.recorder.durable() == {HERE: before + 2}


def test_a_claim_that_came_between_fences_it(bench: Bench, module_database_url: str) -> None:
    """The answer was lost and another owner claimed: nobody can tell who moved the offset, so it is not ours."""
    bench.settle()
    bench.record(2)
    rival = Recorder(module_database_url, "rival")
    rival.claim({HERE: (0, 1 << 40)})  # waits for the commit
    bench.recorder.connection().close()
    told = len(bench.told)
    bench.recorder.settle()
    assert [outcome.fenced for outcome in bench.told[told:]] == [{HERE}]
    assert bench.recorder.durable() == {}
    rival.reset()
    assert bench.recorder.claim({HERE: (0, 1 << 40)})[HERE].next_offset == bench.end
