"""Real worker processes on a real broker and database: exactly once, together, loud where a person must look."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any

from stream_kit import interaction, records_of

from schemas.partitioning import partition_of
from streams.worker import TOPICS

REBALANCED = Path(__file__).with_name("rebalanced_worker.py")


def test_events_are_folded_and_a_stop_is_clean(engine: Any, publish: Any) -> None:
    """A worker folds what is there, ends with 0 on SIGTERM, and a second one goes on where it stopped."""
    publish([interaction(f"u{n % 50}", n) for n in range(500)])
    worker = engine.worker()
    engine.wait_for("SELECT count(*) FROM interaction_log", 500)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0, engine.log_of()
    publish([interaction(f"u{n % 50}", n) for n in range(400, 700)])
    engine.worker()
    engine.wait_for("SELECT count(*) FROM interaction_log", 700)
    engine.wait_for("SELECT coalesce(sum(duplicates), 0)::int FROM applied_range", 100)


def test_what_is_wrong_harms_nothing_else(engine: Any, publish: Any) -> None:
    """Undecodable, misrouted and keyless records between good ones: every one ends where the contract says."""
    good = [interaction(f"u{n}", n) for n in range(40)]
    stray = interaction("stray", 0)
    elsewhere = (partition_of(b"stray", 8) + 1) % 8
    keyless = interaction("keyless", 0)
    publish(
        [
            *good[:20],
            ("interactions", b"k", b"\xff\xfe{"),
            ("interactions", b"k", None),
            ("interactions", b"k", b"[" + b"1," * 200_000 + b"1]"),
            (stray[0], stray[1], stray[2], elsewhere),
            (keyless[0], None, keyless[2]),
            *good[20:],
        ]
    )
    engine.worker()
    engine.wait_for("SELECT count(*) FROM interaction_log", 42)
    engine.wait_for("SELECT count(*) FROM dead_letter", 3)
    engine.wait_for("SELECT count(*) FROM outbox", 0)
    reasons = {row[0] for row in engine.ask("SELECT reason FROM dead_letter")}
    assert reasons == {"not-json", "null-value", "too-large"}
    assert records_of(engine.servers.kafka, "dead-letters", 3)[0].headers[0][0] == "__connect.errors.topic"


def test_an_unlock_reaches_its_topic(engine: Any, publish: Any) -> None:
    """Unlocks travel through the outbox to `achievements`, keyed by the learner, with the unlock's id."""
    publish([interaction("hero", n, interactionType="COMPLETE", contentId=f"c-{n}") for n in range(30)])
    engine.worker()
    engine.wait_for("SELECT count(*) > 0 FROM achievement_unlock", True)
    engine.wait_for("SELECT count(*) FROM outbox", 0)
    ids = {str(row[0]) for row in engine.ask("SELECT unlock_id FROM achievement_unlock")}
    records = records_of(engine.servers.kafka, "achievements", len(ids))
    assert {record.key for record in records} == {b"hero"}
    assert {json.loads(record.value)["id"] for record in records} == ids


def test_one_learner_has_one_owner_among_three_workers(engine: Any, publish: Any) -> None:
    """With three workers, partition k of every topic belongs to the same one (round robin would split them)."""
    names = ("w0", "w1", "w2")
    for name in names:
        engine.worker(name)
    publish([interaction(f"u{n}", n) for n in range(800)])
    owners = "SELECT count(DISTINCT owner) FROM stream_offset WHERE owner <> ''"
    engine.wait_for(owners, 3)
    engine.wait_for("SELECT count(*) FROM interaction_log", 800)
    split = "SELECT count(*) FROM (SELECT part FROM stream_offset GROUP BY part HAVING count(DISTINCT owner) > 1) AS s"
    engine.wait_for(split, 0)
    engine.wait_for("SELECT count(*) FROM stream_offset WHERE owner IN ('w0', 'w1', 'w2')", 8 * len(TOPICS))


def test_aborted_records_are_never_folded(engine: Any, publish: Any) -> None:
    """Only committed records count; the markers of transactions leave holes that stop nothing."""

    async def run() -> None:
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(bootstrap_servers=engine.servers.kafka, transactional_id="t-1")
        await producer.start()
        try:
            for turn in range(6):
                await producer.begin_transaction()
                for n in range(20):
                    topic, key, value = interaction(f"t{n}", turn * 20 + n)
                    await producer.send(topic, key=key, value=value)
                if turn % 2:
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
        finally:
            await producer.stop()

    engine.worker()
    asyncio.run(run())
    publish([interaction("plain", n) for n in range(10)])
    engine.wait_for("SELECT count(*) FROM interaction_log", 70)


def test_a_poisoned_topic_stops_the_worker_with_78(engine: Any, publish: Any) -> None:
    """Above the limit of dead letters the worker ends with 78 and says what to do; nothing of that poll is written."""
    publish([("interactions", b"k", b"{broken")] * 400)
    worker = engine.worker(DEAD_LETTER_MIN_COUNT="50")
    assert worker.wait(40) == 78, engine.log_of()
    assert "DEAD_LETTER_MAX_SHARE" in engine.log_of()
    assert engine.ask("SELECT count(*) FROM dead_letter") == [(0,)]


def test_deleted_records_stop_the_worker_with_78(engine: Any, publish: Any) -> None:
    """When retention passed the stored offset, the worker does not start over or skip: it ends with 78."""
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
    from aiokafka.structs import TopicPartition

    publish([interaction("one", n) for n in range(30)])
    worker = engine.worker()
    engine.wait_for("SELECT count(*) FROM interaction_log", 30)
    worker.send_signal(signal.SIGTERM)
    worker.wait(15)
    publish([interaction("one", n) for n in range(30, 60)])
    stored = "SELECT next_offset FROM stream_offset WHERE topic = 'interactions' AND part = %s"
    applied = engine.ask(stored, partition_of(b"one", 8))[0][0]

    async def delete() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=engine.servers.kafka)
        await admin.start()
        try:
            place = TopicPartition("interactions", partition_of(b"one", 8))
            await admin.delete_records({place: RecordsToDelete(before_offset=applied + 15)})
        finally:
            await admin.close()

    asyncio.run(delete())
    again = engine.worker("worker-0")
    assert again.wait(40) == 78, engine.log_of()
    assert "retention" in engine.log_of()


def test_lists_that_a_dead_worker_left_behind_are_written_by_its_heir(engine: Any, publish: Any) -> None:
    """A worker dies with lists undone; whoever claims its partitions writes them, without any new event."""
    lacking = """
        SELECT count(*)::int FROM engagement LEFT JOIN recommendations
            ON recommendations.learner_key = engagement.learner_key AND recommendations.type = 'content_based'
        WHERE recommendations.learner_key IS NULL
    """
    publish([("catalogue", b"a-1", b'{"contentId": "a-1", "contentType": "article", "title": "One"}')])
    slow = engine.worker("worker-0", LIST_TICK_MS="60000")
    engine.worker("worker-1")
    owners = "SELECT count(DISTINCT owner)::int FROM stream_offset WHERE topic = 'interactions'"
    engine.wait_for(owners, 2)
    publish([interaction(f"u{n % 50}", n) for n in range(500)])
    engine.wait_for("SELECT count(*)::int FROM interaction_log", 500)
    engine.wait_for(f"SELECT ({lacking}) > 0", True)
    slow.kill()
    engine.wait_for(lacking, 0)


def test_what_is_read_again_in_a_rebalance_is_applied_once(engine: Any, publish: Any) -> None:
    """A rebalance overtakes another, and records are fetched from Kafka's own offset before the seek to ours."""
    publish([interaction(f"u{n % 50}", n) for n in range(500)])
    engine.start("worker-0", [str(REBALANCED)])
    _await_line(engine, "sought for the first time")
    publish([interaction(f"u{n % 50}", n) for n in range(500, 700)])
    _await_line(engine, "sought after records were read again")
    engine.wait_for("SELECT count(*)::int FROM interaction_log", 700)
    books = "SELECT sum(delivered)::int, sum(end_offset - first_offset)::int, sum(duplicates)::int FROM applied_range"
    assert engine.ask(books + " WHERE topic = 'interactions'") == [(700, 700, 0)]


def _await_line(engine: Any, line: str) -> None:
    deadline = time.monotonic() + 90
    while line not in engine.log_of():
        assert time.monotonic() < deadline, engine.log_of()
        time.sleep(0.1)
