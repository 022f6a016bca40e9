"""Whose list is written first: readers that wait, then the longest waiting, and claims that can be proven now."""

from __future__ import annotations

import asyncio

import pytest
from recommender_kit import Bench

from projections.recommender import list_writer
from projections.stores.redis import Reader, RedisAddress


def _fill(bench: Bench, learners: int = 6) -> None:
    for item in range(12):
        bench.log.content(f"a-{item}", f"Article {item}", position=item)
    for number in range(4 * learners):
        bench.log.view(f"u-{number % learners}", f"a-{number % 12}", number)


def _await_list(address: RedisAddress, learner_key: int) -> None:
    async def scenario() -> None:
        reader = Reader(address)
        await reader.await_list(learner_key)
        await reader.close()

    asyncio.run(scenario())


def test_lists_that_a_reader_waits_for_go_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader's wait puts a learner at the head of the queue; the others stay in the order of their events."""
    _fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    keys = dict(bench.ask("SELECT user_id, learner_key FROM learners"))
    assert engine.state is not None
    slot_of = {user: engine.state.learners.find(key) or 0 for user, key in keys.items()}
    order = [slot_of[f"u-{number}"] for number in (3, 1, 5)]
    engine.lists.touch(order, since_ms=1)
    _await_list(bench.redis, keys["u-5"])
    written: list[int] = []
    write_some = list_writer.ListWriter._write_some

    def noted(self, connection, tables, slots, ticked):  # type: ignore[no-untyped-def]
        written.extend(slots.tolist())
        return write_some(self, connection, tables, slots, ticked)

    monkeypatch.setattr(list_writer.ListWriter, "_write_some", noted)
    engine.tick()
    assert written == [slot_of["u-5"], slot_of["u-3"], slot_of["u-1"]]


def test_a_claim_is_proven_while_others_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that claimed less than it reflects comes to the head of the queue, however many learners wait."""
    _fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    # One transaction of the worker, of which only the first event has been read: it cannot be claimed yet.
    bench.log.view("u-1", "a-0", 3_000)
    bench.log.view("u-1", "a-1", 3_001)
    bench.work()
    bench.feed(engine, most=1)
    (slot,) = engine.lists._unproven
    monkeypatch.setattr(list_writer, "BUDGET_SECONDS", 0.0)
    engine.lists._prove_at = 0.0
    engine.lists.touch([other for other in range(1, 6) if other != slot], since_ms=1)
    bench.feed(engine)
    assert next(iter(engine.lists.pending)) == slot
    assert not engine.lists._unproven
