"""Real processes that share what is known of learners: an unlock survives kill -9, model versions go to and fro."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

from stream_kit import interaction, records_of

from projections.notification_delivery import take_over
from projections.rebuild import rebuild
from projections.stores.postgres import connect
from streams.jobs.send_notification import SEND

DYING = Path(__file__).with_name("dying_worker.py")
POINTS = ("in_the_transaction", "before_the_announcement", "before_the_strike")


def test_an_unlock_is_there_once_whenever_the_worker_is_killed(engine: Any, publish: Any) -> None:
    """SIGKILL before the commit, before the announcement and before it is struck: one row, one notification a tier."""
    publish([interaction("hero", n, interactionType="COMPLETE", contentId=f"c-{n}") for n in range(3)])
    unlocked = "SELECT count(*) FROM achievement_unlock"
    counts = []
    for point in POINTS:
        worker = engine.start("worker-0", [str(DYING), point])
        assert worker.wait(60) == -signal.SIGKILL, engine.log_of()
        counts.append((engine.ask(unlocked)[0][0], engine.ask("SELECT count(*) FROM outbox")[0][0]))
    tiers = counts[1][0]
    assert counts == [(0, 0), (tiers, tiers), (tiers, tiers)]
    assert tiers >= 2
    engine.worker()
    engine.wait_for("SELECT count(*) FROM outbox", 0)

    ids = [str(row[0]) for row in engine.ask("SELECT unlock_id FROM achievement_unlock")]
    assert len(ids) == len(set(ids)) == tiers
    records = records_of(engine.servers.kafka, "achievements", 2 * tiers)  # before the strike, and once more
    assert {json.loads(record.value)["id"] for record in records} == set(ids)
    with connect(engine.servers.database_url, autocommit=True) as connection:
        told = [(json.loads(record.value)["id"], "hero", record.value) for record in records]
        assert sum(take_over(connection, SEND.name, SEND.queue, [one]) for one in told) == tiers
        assert connection.execute("SELECT count(*) FROM notification_delivery").fetchone() == (tiers,)


def attempts(first: int, end: int, learners: int, prefix: str, seed: int) -> list[tuple[str, bytes, bytes]]:
    """Attempts at six contents of one skill, of which the higher numbered are failed more often."""
    draw = random.Random(seed)
    made = []
    for n in range(first, end):
        item = draw.randrange(6)
        said = {"interactionType": "ATTEMPT", "contentId": f"task-{item}", "success": draw.random() > 0.15 * item}
        made.append(interaction(f"{prefix}{n % learners}", n, occurredAt=1_760_000_000_000 + n * 60_000, **said))
    return made


NEWEST = "SELECT coalesce(max(version), 0) FROM learner_model_version WHERE valid_from IS NOT NULL"
USED = """
SELECT min(shared_version), bool_and(shared_version = (
    SELECT version FROM learner_model_version WHERE valid_from < own.applied_seq ORDER BY valid_from DESC LIMIT 1
)) FROM learner_ability AS own JOIN learners USING (learner_key) WHERE user_id LIKE 'late%%'
"""
HARDEST_LAST = """
SELECT array_agg(content_id ORDER BY d.difficulty) FROM item_difficulty AS d JOIN content USING (item_key)
"""


def test_worker_and_recommender_exchange_versions_of_the_learner_model(engine: Any, publish: Any) -> None:
    """The recommender learns from what the worker logged; the worker folds later attempts with what was published.

    Killed both and started again, the next version comes as if nothing had been; and a rebuild, which folds every
    transaction with the version that it had, finds no difference.
    """
    done, before = 0, 0
    for turn in (1, 2):
        both = [engine.start(name, ["-m", "personalize.cli", name]) for name in ("worker", "recommender")]
        publish(attempts(done, done + 5_400, 80, "early", turn))
        engine.wait_for(
            f"SELECT ({NEWEST}) > {before}", True, 240
        )  # a recommender that has to compile its kernels first takes long
        before = engine.ask(NEWEST)[0][0]
        publish(attempts(done + 5_400, done + 5_500, 3, "late", turn))
        done += 5_500
        engine.wait_for("SELECT count(*) FROM interaction_log", done)
        ((version, as_published),) = engine.ask(USED)
        assert as_published
        assert version >= before
        for process in both:
            process.send_signal(signal.SIGKILL)
            process.wait()
    order = engine.ask(HARDEST_LAST)[0][0]
    assert order[0] == "task-0"
    assert order[-1] in {"task-4", "task-5"}
    report = rebuild(engine.servers.database_url, "learner_model", dry_run=True)
    assert (report.replayed, report.differences) == (done, 0)
